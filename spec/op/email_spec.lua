-- @email: what arrives, read by Python's email package, and what is refused before anything is sent.
local program = require "spec.support.program"
local raw_server = require "spec.support.raw_server"
local smtp = require "spec.support.smtp"
local temp = require "spec.support.temp"
local test = require "tusk.test"
local words = require "tusk.email.words"

local header = smtp.header
local server, client

setup(function()
  server = smtp.start "plain"
  client = @email.client { url = server.url, from = "Shop <shop@example.com>" }
end)

teardown(function()
  client.close()
  server:stop()
end)

-- What arrives of a message.
local function sent(mail)
  mail.to, mail.subject = mail.to or "bob@example.com", mail.subject or "Hello"
  local result = client.send(mail)
  local message = server:message()
  assert.same({}, message.defects)
  for _, part in ipairs(message.parts) do assert.same({}, part.defects) end
  assert.equal(0, message.bare)
  assert.is_true(message.longest <= 998)
  return message, result
end

local function attached(attachment)
  return sent { text = "see below", attachments = { attachment } }.parts[2]
end

describe("@email.send", function()
  it("sends a text", function()
    local r = client.send("bob@example.com", "Hello", "Dear Bob,\nbye.")
    local m = server:message()
    assert.same({ "bob@example.com" }, r.accepted)
    assert.same({}, r.rejected)
    assert.equal("2.0.0 queued as 42", r.reply)
    assert.equal("shop@example.com", m.from)
    assert.same({ "bob@example.com" }, m.to)
    assert.equal("Shop <shop@example.com>", header(m, "From"))
    assert.equal("Hello", header(m, "Subject"))
    assert.equal(r.id, header(m, "Message-ID"))
    assert.truthy(r.id:find("^<%x+@example%.com>$"))
    assert.equal("text/plain", m.type)
    assert.equal("Dear Bob,\r\nbye.\r\n", m.parts[1].text)
  end)

  it("sends to several, each once; who is in bcc is in no header", function()
    local m, r = sent { to = { "a@x.example", "Bea <b@x.example>" }, cc = { address = "c@x.example", name = "Cy" },
      bcc = { "d@x.example", "a@x.example" }, reply_to = "help@x.example", text = "hi" }
    assert.same({ "a@x.example", "b@x.example", "c@x.example", "d@x.example" }, m.to)
    assert.same(m.to, r.accepted)
    assert.equal("a@x.example, Bea <b@x.example>", header(m, "To"))
    assert.equal("Cy <c@x.example>", header(m, "Cc"))
    assert.equal("help@x.example", header(m, "Reply-To"))
    assert.is_nil(header(m, "Bcc"))
    for _, h in ipairs(m.headers) do assert.is_nil(h[2]:find("d@x.example", 1, true)) end
  end)

  it("sends to bcc alone", function()
    client.send { bcc = "d@x.example", subject = "x", text = "hi" }
    local m = server:message()
    assert.same({ "d@x.example" }, m.to)
    assert.equal("undisclosed-recipients:;", header(m, "To"))
  end)

  it("encodes what is not ASCII in subjects and names, in lines that are not too long", function()
    for _, subject in ipairs { "Grüße", ("ж"):rep(200), ("a"):rep(2000), "=?UTF-8?B?x?=", " spaces ", "日本語 " .. ("語"):rep(90), "" } do
      local m = sent { from = { address = "ann@example.com", name = "Änn, \"the\" \\ one" }, subject = subject, text = "x" }
      assert.equal(subject, header(m, "Subject"))
      assert.truthy(header(m, "From"):find("Änn", 1, true))
      assert.is_true(m.longest <= 78)
    end
  end)

  it("quotes names that need it", function()
    local m = sent { to = 'Smith, John "Jo" <jo@x.example>', text = "x" }
    assert.equal([["Smith, John \"Jo\"" <jo@x.example>]], header(m, "To"))
    assert.same({ "jo@x.example" }, m.to)
  end)

  it("folds long headers where there are spaces", function()
    local list = {}
    for i = 1, 60 do list[i] = ("Recipient Number %d <r%d@x.example>"):format(i, i) end
    local references = ("<0123456789@x.example> "):rep(60) .. "<last@x.example>"
    local m = sent { to = list, text = "x", headers = { References = references, ["X-List"] = { "a", 2 } } }
    assert.equal(table.concat(list, ", "), header(m, "To"))
    assert.equal(references, header(m, "References"))
    assert.is_true(m.longest <= 78)
    local of_list = {}
    for _, h in ipairs(m.headers) do if h[1] == "X-List" then of_list[#of_list + 1] = h[2] end end
    assert.same({ "a", "2" }, of_list)
  end)

  it("carries every text as it is, dots, long lines and what is not ASCII included", function()
    local texts = { ".", "..\n.\n.x", "a\r\nb\nc\rd", "ends with spaces  \nand\t\n", "=3D =", ("ä"):rep(70) .. "\n" .. ("="):rep(200),
      ("x"):rep(5000), ("ж"):rep(30000), ("ж"):rep(50000), ("x"):rep(70000), ("é"):rep(37) .. "x", ("é"):rep(38), ("x"):rep(998), ("x"):rep(999), "From me\n", "nul \0 and \127", "", "\n\n" }
    for _, text in ipairs(texts) do
      local m = sent { text = text, attachments = { { name = "a", data = "" } } }
      local expected = (text:gsub("\r\n", "\n"):gsub("\r", "\n"))
      if expected:sub(-1) == "\n" then expected = expected:sub(1, -2) end -- the boundary's
      assert.equal(expected, (m.parts[1].text:gsub("\r\n", "\n")))
    end
  end)

  it("sends HTML, alone or beside a text", function()
    local m = sent { html = "<p>Grüße</p>" }
    assert.equal("text/html", m.type)
    assert.equal("<p>Grüße</p>\r\n", m.parts[1].text)
    m = sent { text = "plain", html = "<b>rich</b>" }
    assert.equal("multipart/alternative", m.type)
    assert.same({ "text/plain", "text/html" }, { m.parts[1].type, m.parts[2].type })
  end)

  it("attaches data, of any bytes and length", function()
    for _, n in ipairs { 0, 1, 2, 3, 56, 57, 58, 57 * 1024, 57 * 1024 + 1, 300000 } do
      local data = @random.bytes(n + 1):sub(1, n)
      local a = attached { name = "a.bin", data = data }
      assert.equal(n, a.length)
      assert.equal(@hash.sha256(data), a.sha256)
      assert.same({ "attachment", "a.bin", "base64", "application/octet-stream" }, { a.disposition, a.filename, a.encoding, a.type })
    end
  end)

  it("names attachments as they are called", function()
    for _, name in ipairs { 'quo"te\\.pdf', "Übersicht für März.pdf", ("ж"):rep(120) .. ".pdf", "a;b=c.pdf", "100%.pdf" } do
      local a = attached { name = name, data = "x" }
      assert.equal(name, a.filename)
      assert.equal("application/pdf", a.type)
    end
    assert.equal("image/png", attached({ name = "x.pdf", data = "x", type = "image/png" }).type)
  end)

  -- In a program of its own, whose heap nobody else fills: sends the file, prints how many KiB the heap grew at most.
  local STREAMING = [[
    local client = @email.client { url = arg[1], from = "a@x.example", max_size = "30MiB" }
    collectgarbage()
    local before, most = collectgarbage("count"), 0
    @scope(function(s)
      local watcher = s:spawn(function()
        while true do
          most = math.max(most, collectgarbage("count"))
          @sleep "1ms"
        end
      end)
      client.send { to = "b@x.example", subject = "large", text = "x", attachments = { { file = arg[2] } } }
      watcher:cancel()
    end)
    print(math.floor(most - before))
  ]]

  it("streams files, of which little is in memory at a time", function()
    temp.dir(function(dir)
      local path, script = dir .. "/large.zip", temp.write(dir .. "/send.lua", STREAMING)
      @process.run { "dd", "if=/dev/urandom", "of=" .. path, "bs=1M", "count=20", "status=none" }
      @file.append(path, "x")
      local r = program.run { script, server.url, path }
      assert.equal(0, r.status, r.stderr)
      local m = server:message()
      assert.equal(20 * 1024 * 1024 + 1, m.parts[2].length)
      assert.equal(@hash.file(path), m.parts[2].sha256)
      assert.equal("large.zip", m.parts[2].filename)
      assert.equal("SIZE=" .. m.size, m.options[1])
      assert.is_true(tonumber(r.stdout) < 4 * 1024, r.stdout .. " KiB more")
    end)
  end)

  it("looks at long texts in slices that cut no character, and others have their turns", function()
    local text = ("a" .. ("жé語😀"):rep(5000) .. "\n"):rep(20)
    local turns, other = 0, nil
    @scope(function(s)
      other = s:spawn(function()
        while true do
          turns = turns + 1
          @yield()
        end
      end)
      assert.is_true(words.is_utf8(text))
      other:cancel()
    end)
    assert.is_true(turns > #text / 65536, turns)
    assert.equal(text, (sent({ text = text }).parts[1].text:gsub("\r\n", "\n")) .. "\n")
    assert.is_false(words.is_utf8(text .. "\255"))
    assert.is_false(words.is_utf8(("x"):rep(65535) .. "\195"))
    assert.is_false(words.is_utf8(("\128"):rep(70000)))
    for _, bad in ipairs { "\192\128", "\224\159\191", "\237\160\128", "\240\143\191\191", "\244\144\128\128", "\195\195\164" } do
      assert.is_false(words.is_utf8(bad))
    end
  end)

  it("tells the server the exact size", function()
    local m = sent { text = "ä", html = "<p>", attachments = { { name = "a", data = ("x"):rep(100) } } }
    assert.equal("SIZE=" .. m.size, m.options[1])
  end)

  it("dates messages by the clock", function()
    test.clock({ at = "2024-02-29T23:05:09Z" }, function() client.send("a@x.example", "x", "y") end)
    assert.equal("Thu, 29 Feb 2024 23:05:09 +0000", header(server:message(), "Date"))
  end)

  it("uses a connection again", function()
    local first = sent { text = "a" }.peer
    assert.equal(first, sent({ text = "b" }).peer)
  end)

  it("uses several side by side", function()
    local waiting = {}
    smtp.saying({ MAIL = function(connection) -- nobody is answered before both have asked
      waiting[#waiting + 1] = connection
      if #waiting < 2 then return end
      for _, each in ipairs(waiting) do each:write("250 OK\r\n") end
    end }, function(fake)
      local own = @email.client { url = fake.url, from = "a@x.example" }
      @all(@(own.send("a@x.example", "one", "1")), @(own.send("b@x.example", "two", "2")))
      own.close()
      assert.equal(2, fake.accepted)
    end)
  end)

  it("interleaves many tasks over few connections, and mixes nothing up", function()
    local numbers = {}
    for i = 1, 40 do numbers[i] = i end
    @map(numbers, function(i)
      client.send { to = ("r%d@x.example"):format(i), subject = tostring(i), text = "for " .. i }
    end, { concurrency = 40 })
    local peers, count = {}, 0
    for _ = 1, 40 do
      local m = server:message()
      local n = header(m, "Subject")
      assert.same({ ("r%s@x.example"):format(n) }, m.to)
      assert.equal(("for %s\r\n"):format(n), m.parts[1].text)
      if not peers[m.peer] then peers[m.peer], count = true, count + 1 end
    end
    assert.is_true(count <= 4)
  end)

  it("leaves nothing behind", function()
    test.leaks(function()
      local own = @email.client { url = server.url, from = "a@x.example" }
      own.send("b@x.example", "x", "y")
      own.close()
      server:message()
    end)
  end)

  it("can be faked in tests of plugins", function()
    local outbox = {}
    test.fake("email", { send = function(mail) outbox[#outbox + 1] = mail return { id = "<1@x>" } end }, function()
      @email.send { to = "a@x.example", subject = "s", text = "t" }
    end)
    assert.equal("a@x.example", outbox[1].to)
  end)
end)

-- ---- refused before anything is sent: this server would notice a connection ----

local function refused(mail, how)
  mail.to, mail.subject = mail.to or "bob@example.com", mail.subject or "s"
  if not (mail.text or mail.html or mail.attachments) then mail.text = "t" end
  raw_server.with(function() end, function(unused)
    local own = @email.client { url = "smtp://127.0.0.1:" .. unused.port, from = "a@x.example", max_size = "1MiB" }
    local _, e = @try(own.send, mail)
    assert(e, "not refused")
    assert.equal("argument", e.kind, tostring(e))
    assert.truthy(tostring(e):find(how, 1, true), tostring(e))
    assert.is_nil(tostring(e):find("[%z\1-\9\11-\31]"))
    @sleep(0)
    assert.equal(0, unused.accepted)
  end)
end

describe("@email refuses, before it connects,", function()
  for name, byte in pairs { CR = "\r", LF = "\n", ["CR LF"] = "\r\n", NUL = "\0", ESC = "\27", DEL = "\127" } do
    it(name .. " in every field", function()
      local x = "a" .. byte .. "Bcc: evil@x.example"
      for _, field in ipairs { "to", "cc", "bcc", "from", "reply_to" } do
        refused({ [field] = "a@x.example" .. byte }, field)
        refused({ [field] = { address = "a@x.example", name = x } }, field)
        refused({ [field] = x .. " <a@x.example>" }, field)
        refused({ [field] = ("a@x.example>%sRCPT TO:<evil@x.example"):format(byte) }, field)
      end
      refused({ subject = x }, "subject")
      refused({ headers = { ["X-A"] = x } }, "headers")
      refused({ headers = { ["X" .. byte] = "a" } }, "headers")
      refused({ attachments = { { name = x, data = "" } } }, "name")
      refused({ attachments = { { name = "a", data = "", type = "text/plain" .. byte } } }, "type")
    end)
  end

  it("addresses that are none", function()
    for _, bad in ipairs { "", "bob", "@x.example", "bob@", "a b@x.example", "a@b@c", ".a@x.example", "a.@x.example", "a..b@x.example",
      "a@-x.example", "a@x..example", "a@x.example.", '"a b"@x.example', "a@x_y.example", "<a@x.example", "a@x.example, b@x.example",
      ("a"):rep(65) .. "@x.example", "a@" .. ("x"):rep(64) .. ".example", "ä@x.example", "a@bücher.example", "a@[not-an-ip]", "a>@x.example" } do
      refused({ to = bad }, "is not an address")
    end
  end)

  it("but none of these", function()
    for _, good in ipairs { "a@x.example", "a+b_c.d!e@x.example", "A@X.Example", "a@localhost", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]",
      "a@xn--bcher-kva.example" } do
      assert.equal(1, #sent({ to = good, text = "x" }).to)
    end
  end)

  it("options that are wrong", function()
    refused({ subjekt = "x" }, 'did you mean "subject"?')
    refused({ to = {} }, "nobody to send it to")
    refused({ to = 5 }, "to: string expected")
    refused({ subject = 5 }, "subject: string expected")
    refused({ text = "\255" }, "text: it is not UTF-8")
    refused({ headers = { Subject = "x" } }, "follows from the other options")
    refused({ headers = { bcc = "x" } }, "follows from the other options")
    refused({ attachments = { { name = "x" } } }, "either data or file is needed")
    refused({ attachments = { { name = "x", data = "", file = "y" } } }, "either data or file is needed")
    refused({ attachments = { { data = "", nam = "x" } } }, 'did you mean "name"?')
    refused({ attachments = { { name = "x", data = "", type = "message/rfc822" } } }, "cannot be attached")
    refused({ attachments = { { name = "x", data = "", type = "text" } } }, "is not a media type")
    refused({ attachments = { { file = "/dev" } } }, "is a directory")
    local _, e = @try(client.send, { to = "a@x.example", subject = "x" })
    assert.truthy(tostring(e):find("text, html or attachments are needed", 1, true))
  end)

  it("what is too large, wherever it is", function()
    local own = @email.client { url = "smtp://127.0.0.1:1", from = "a@x.example", max_size = "1MiB" }
    for _, mail in ipairs { { text = ("x"):rep(2 ^ 20) }, { attachments = { { name = "a", data = ("x"):rep(800000) } } } } do
      mail.to, mail.subject = "a@x.example", "x"
      local _, e = @try(own.send, mail)
      assert.equal("email.too_large", e.kind)
      assert.equal(2 ^ 20, e.limit)
    end
  end)

  it("a file that is not there", function()
    local _, e = @try(client.send, { to = "a@x.example", subject = "x", attachments = { { file = "/nowhere/x" } } })
    assert.equal("file.not_found", e.kind)
  end)
end)

describe("@email.client", function()
  local function wrong(opts, how)
    local _, e = @try(@email.client, opts)
    assert.equal("argument", e.kind, tostring(e))
    assert.truthy(tostring(e):find(how, 1, true), tostring(e))
  end

  it("refuses what is no server", function()
    wrong({}, "url")
    wrong({ url = "http://x" }, "write smtp://")
    wrong({ url = "smtp://" }, "url:")
    wrong({ url = "smtp://host/path" }, "nothing after it")
    wrong({ url = "smtp://user@host" }, "go together")
    wrong({ url = "smtp://u%0d%0a:p@host" }, "control character")
    wrong({ url = "smtp://host\r\n" }, "control character")
    wrong({ url = "smtp://host", starttls = "yes" }, "starttls: boolean expected")
    wrong({ url = "smtps://host", starttls = true }, "TLS from the start")
    wrong({ url = "smtp://host", tls = { caa = "x" } }, 'did you mean "ca"?')
    wrong({ url = "smtp://host", from = "nobody" }, "is not an address")
    wrong({ url = "smtp://host", bearer = "t" }, "it needs a user")
  end)

  it("never shows the password", function()
    local _, e = @try(@email.client, { url = "smtp://ann:hunter22@host/path" })
    assert.is_nil(tostring(e):find("hunter22", 1, true))
  end)

  it("is called with dots, and says so", function()
    local _, e = @try(function() return client:send { to = "a@x.example" } end)
    assert.truthy(tostring(e):find("with a dot", 1, true))
    _, e = @try(function() return client.sent end)
    assert.truthy(tostring(e):find('did you mean "send"?', 1, true))
  end)

  it("is over once it is closed", function()
    local own = @email.client { url = server.url, from = "a@x.example" }
    own.close()
    local _, e = @try(own.send, "b@x.example", "x", "y")
    assert.equal("closed", e.kind)
  end)

  it("@email itself says what is missing", function()
    local _, e = @try(@email.send, "a@x.example", "x", "y")
    assert.truthy(tostring(e):find("set email.url", 1, true))
  end)
end)

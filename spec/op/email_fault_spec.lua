-- @email when things go wrong: each failure has its kind, `sent` is true exactly when the message may have been taken,
-- and no socket is left.
local options = require "tusk.email.options"
local program = require "spec.support.program"
local raw_server = require "spec.support.raw_server"
local smtp = require "spec.support.smtp"
local temp = require "spec.support.temp"
local test = require "tusk.test"

local MAIL = { to = "b@x.example", subject = "s", text = "t" }

local function client_of(url, opts)
  opts = opts or {}
  opts.url, opts.from = url, opts.from or "a@x.example"
  return @email.client(opts)
end

-- What sending failed with; the client is closed afterwards.
local function failure(url, opts, mail)
  local own = client_of(url, opts)
  local _, e = @try(own.send, mail or MAIL)
  own.close()
  assert(e, "it did not fail")
  return e
end

local function is(e, kind, sent, retryable)
  assert.equal(kind, e.kind, tostring(e))
  assert.equal(sent, e.sent or false)
  if retryable ~= nil then assert.equal(retryable, e.retryable) end
end

local function all_gone(server)
  server:wait(function() return server.ended == server.accepted end)
end

-- What sending fails with, by a server that answers so; no connection is left.
local function answered(answers, mail, opts)
  return smtp.saying(answers, function(server, lines)
    local e = failure(server.url, opts, mail)
    all_gone(server)
    return e, lines, server
  end)
end

local function index_of(lines, what)
  for i, line in ipairs(lines) do if line == what then return i end end
end

local function cut(connection) connection:close() end
local function reset(connection) connection:reset() end

describe("@email when recipients are refused", function()
  local server

  setup(function() server = smtp.start "plain" end)
  teardown(function() server:stop() end)

  it("sends to the others, and says who was refused and why", function()
    local own = client_of(server.url)
    local r = own.send { to = { "a@x.example", "no@x.example", "c@x.example" }, subject = "s", text = "t" }
    assert.same({ "a@x.example", "c@x.example" }, r.accepted)
    assert.same({ { address = "no@x.example", code = 550, message = "5.1.1 no such mailbox" } }, r.rejected)
    assert.same({ "a@x.example", "c@x.example" }, server:message().to)
    own.close()
  end)

  it("raises when all are", function()
    local e = failure(server.url, {}, { to = { "no@x.example", "later@x.example" }, subject = "s", text = "t" })
    is(e, "email.rejected", false, false)
    assert.equal(2, #e.rejected)
    assert.same({ 550, 451 }, { e.rejected[1].code, e.rejected[2].code })
    assert.equal(550, e.code)
  end)

  it("is retryable when all are refused for now", function()
    local e = failure(server.url, {}, { to = "later@x.example", subject = "s", text = "t" })
    is(e, "email.temporary", false, true)
    assert.equal("451: 4.2.1 try again later", ("%d: %s"):format(e.code, e.reply))
  end)

  it("stops at 421: the server goes", function()
    is(failure(server.url, {}, { to = { "a@x.example", "bye@x.example" }, subject = "s", text = "t" }), "email.temporary", false, true)
  end)

  it("and when the message is: 4xx, then 5xx", function()
    local own = client_of(server.url)
    local _, e = @try(own.send, "b@x.example", "refuse 4xx", "t")
    is(e, "email.temporary", false, true)
    _, e = @try(own.send, "b@x.example", "refuse 5xx", "t")
    is(e, "email.rejected", false, false)
    assert.equal(554, e.code)
    server:message()
    server:message()
    assert.equal(1, #own.send("b@x.example", "fine", "t").accepted)
    server:message()
    own.close()
  end)

  it("can be tried again by @retry", function()
    local own, calls = client_of(server.url), 0
    @retry({ base = "1ms", attempts = 2 }, function()
      calls = calls + 1
      return own.send(calls == 1 and "later@x.example" or "b@x.example", "s", "t")
    end)
    server:message()
    assert.equal(2, calls)
    own.close()
  end)
end)

describe("@email with a server that misbehaves", function()
  for _, verb in ipairs { "EHLO", "MAIL", "RCPT", "DATA" } do
    for how, act in pairs { closed = cut, reset = reset } do
      it(("%s at %s: nothing was sent"):format(how, verb), function()
        is(answered { [verb] = act }, "email.connect", false, true)
      end)
    end
  end

  for how, act in pairs { closed = cut, reset = reset } do
    it(how .. " after the end of the message: it may have been taken", function()
      local e, lines = answered { ["."] = act }
      is(e, "email.connect", true, false)
      assert.truthy(index_of(lines, "."))
    end)
  end

  it("closed within the message: it was not taken", function()
    local function at_subject(connection, line)
      if line:find("^Subject") then connection:reset() end
    end
    local e = answered({ within = at_subject },
      { to = "b@x.example", subject = "s", attachments = { { name = "a", data = ("x"):rep(10000000) } } })
    is(e, "email.connect", false, true)
  end)

  it("refuses within the message: its reply is the error", function()
    local e = answered({ within = function(connection)
      connection:write("552 too much\r\n")
      connection:close()
    end }, { to = "b@x.example", subject = "s", attachments = { { name = "a", data = ("x"):rep(10000000) } } })
    assert.is_false(e.sent)
    assert.truthy(e.kind == "email.rejected" or e.kind == "email.connect", tostring(e)) -- what follows may be answered by a reset, which overtakes it
  end)

  it("says nothing, at any point", function()
    for _, verb in ipairs { "EHLO", "MAIL", "RCPT", "DATA" } do
      is(answered({ [verb] = false }, nil, { timeout = "50ms" }), "timeout", false, true)
    end
    is(answered({ greeting = "" }, nil, { timeout = "50ms" }), "timeout", false, true)
    local e = answered({ ["."] = false }, nil, { timeout = "50ms" })
    is(e, "timeout", true, false)
    assert.equal(0.05, e.after)
  end)

  it("thinks about a message: others go on meanwhile", function()
    smtp.saying({ ["."] = false }, function(server, lines)
      local own, turns = client_of(server.url), 0
      @scope(function(s)
        local mail = s:spawn(function() own.send(MAIL) end)
        server:wait(function() return index_of(lines, ".") end)
        for _ = 1, 100 do
          @sleep(0)
          turns = turns + 1
        end
        server.connections[1]:write("250 taken\r\n")
        mail:await()
      end)
      assert.equal(100, turns)
      own.close()
    end)
  end)

  it("is not ready in time to connect", function()
    local e = answered({ greeting = "" }, nil, { connect_timeout = "50ms" })
    is(e, "email.connect", false, true)
  end)

  it("refuses to serve", function()
    is(answered { greeting = "554 go away\r\n" }, "email.rejected", false, false)
    local e = answered { greeting = "421 too busy\r\n" }
    is(e, "email.temporary", false, true)
    assert.equal(421, e.code)
    is(answered { EHLO = "550 no", HELO = "550 no" }, "email.rejected", false, false)
    is(answered { MAIL = "553 not you" }, "email.rejected", false, false)
    is(answered { MAIL = "450 not now" }, "email.temporary", false, true)
    is(answered { DATA = "554 no" }, "email.rejected", false, false)
  end)

  it("speaks something else", function()
    is(answered { MAIL = "HTTP/1.1 200 OK" }, "email.protocol", false, false)
    is(answered { RCPT = "250-a\r\n251 b" }, "email.protocol", false, false)
    is(answered { DATA = "250 fine" }, "email.protocol", false, false)
    is(answered { ["."] = "what" }, "email.protocol", true, false)
    is(answered { MAIL = "999 x" }, "email.protocol", false, false)
  end)

  it("says more than it was asked: the next answer is not believed", function()
    is(answered { MAIL = "250 OK\r\n250 and this" }, "email.protocol", false, false)
  end)

  it("answers without end", function()
    local e = answered { MAIL = function(connection) connection:write(("250-x\r\n"):rep(20000)) end }
    is(e, "email.protocol", false, false)
  end)

  it("takes less than the message has, as it said", function()
    local e, lines = answered { EHLO = "250-spec\r\n250 SIZE 100" }
    is(e, "email.too_large", false, false)
    assert.equal(100, e.limit)
    assert.is_nil(index_of(lines, "DATA"))
  end)

  it("is not there", function()
    local e = failure("smtp://127.0.0.1:" .. raw_server.free_port())
    is(e, "email.connect", false, true)
    assert.truthy(tostring(e):find("ECONNREFUSED", 1, true))
    e = failure("smtp://nowhere.invalid:25", { starttls = false })
    is(e, "email.connect", false, true)
  end)

  it("closes a kept connection: the message goes over another", function()
    smtp.saying({}, function(server)
      local own = client_of(server.url)
      own.send(MAIL)
      server.connections[1]:close()
      server:wait(function() return server.ended == 1 end)
      own.send(MAIL)
      assert.equal(2, server.accepted)
      own.close()
    end)
  end)

  it("closes a kept connection when it is used again: once more, over another", function()
    local mails = 0
    smtp.saying({ MAIL = function(connection)
      mails = mails + 1
      if mails == 2 then connection:reset() else connection:write("250 OK\r\n") end
    end }, function(server)
      local own = client_of(server.url)
      own.send(MAIL)
      assert.same({ "b@x.example" }, own.send(MAIL).accepted)
      assert.same({ 3, 2 }, { mails, server.accepted })
      own.close()
    end)
  end)

  it("does not get lines of a message as commands", function()
    smtp.saying({}, function(server, lines)
      local own = client_of(server.url)
      own.send { to = "b@x.example", subject = "s", text = "a\n.\nMAIL FROM:<evil@x.example>\n.\r\n.x" }
      own.close()
      assert.equal(index_of(lines, "."), #lines - (lines[#lines] == "QUIT" and 1 or 0))
      assert.truthy(index_of(lines, ".."))
      assert.truthy(index_of(lines, "..x"))
    end)
  end)
end)

describe("@email, encrypted and authenticated,", function()
  local dir, paths

  setup(function()
    dir = temp.new()
    paths = smtp.certificates(dir)
  end)

  teardown(function() temp.remove(dir) end)

  local function url_of(server, credentials)
    return (server.url:gsub("127%.0%.0%.1", (credentials and credentials .. "@" or "") .. "localhost"))
  end

  -- fn(server) with one of that mode.
  local function with(mode, fn)
    return function() smtp.with(mode, paths, fn) end
  end

  local function sends(server, url, opts)
    local own = client_of(url, opts)
    assert.same({ "b@x.example" }, own.send(MAIL).accepted)
    own.close()
    return server:message()
  end

  it("by STARTTLS and AUTH", with("starttls+auth", function(server)
    local m = sends(server, url_of(server, "ann:secret"), { starttls = true, tls = { ca = paths.cert } })
    assert.is_true(m.tls)
    assert.equal("ann", m.user)
    local e = failure(url_of(server, "ann:wrong-password"), { starttls = true, tls = { ca = paths.cert } })
    is(e, "email.auth", false, false)
    assert.equal(535, e.code)
    assert.is_nil(tostring(e):find("wrong-password", 1, true))
    is(failure(url_of(server), { starttls = true, tls = { ca = paths.cert } }), "email.rejected", false, false)
    is(failure(url_of(server, "ann:secret"), { starttls = false }), "email.auth", false, false)
  end))

  it("by SMTPS", with("smtps+auth", function(server)
    local m = sends(server, url_of(server, "ann:secret"), { tls = { ca = paths.cert } })
    assert.is_true(m.tls)
    assert.equal("ann", m.user)
  end))

  it("refuses a certificate that is not vouched for, or is another's", with("smtps", function(server)
    is(failure(url_of(server)), "email.tls", false, false)
    is(failure(url_of(server), { tls = { ca = paths.other_cert } }), "email.tls", false, false)
    is(failure(server.url, { tls = { ca = paths.cert } }), "email.tls", false, false) -- 127.0.0.1 is not its name
    is(failure(url_of(server), { tls = { ca = "/nowhere.pem" } }), "email.tls", false, false)
    assert.is_true(sends(server, url_of(server), { tls = { insecure = true } }).tls)
  end))

  it("the same by STARTTLS", with("starttls", function(server)
    is(failure(url_of(server), { starttls = true }), "email.tls", false, false)
  end))

  it("refuses to go on in the clear when TLS is wanted and not offered", with("plain", function(server)
    is(failure(server.url, { starttls = true }), "email.tls", false, false)
  end))

  it("refuses to go on unauthenticated when AUTH is not offered", function()
    smtp.saying({}, function(server, lines)
      is(failure(url_of(server, "ann:secret"), { starttls = false }), "email.auth", false, false)
      all_gone(server)
      for _, line in ipairs(lines) do assert.is_nil(line:find("^MAIL")) end
    end)
  end)

  it("by a token instead of a password", function()
    smtp.saying({ EHLO = "250-spec\r\n250 AUTH XOAUTH2 PLAIN", AUTH = "235 welcome" }, function(server, lines)
      local secret = require "tusk.secret"
      local own = client_of(url_of(server, "ann:-"), { starttls = false, bearer = secret.new "token-123" })
      own.send(MAIL)
      own.close()
      local said = "AUTH XOAUTH2 " .. @hash.base64("user=ann\1auth=Bearer token-123\1\1")
      assert.truthy(index_of(lines, said), table.concat(lines, "\n"))
    end)
  end)

  it("takes a secret as its URL", function()
    smtp.saying({}, function(server)
      local own = client_of(require("tusk.secret").new(server.url))
      assert.same({ "b@x.example" }, own.send(MAIL).accepted)
      own.close()
    end)
  end)

  it("carries a large message over TLS", with("smtps", function(server)
    local own, data = client_of(url_of(server), { tls = { ca = paths.cert } }), @random.bytes(1000000):rep(3)
    own.send { to = "b@x.example", subject = "s", attachments = { { name = "a", data = data } } }
    assert.equal(@hash.sha256(data), server:message().parts[2].sha256)
    own.close()
  end))

  it("wants TLS of every smtp:// server but one on this machine", function()
    assert.is_true(options.client({ url = "smtp://mail.example.com" }).starttls)
    assert.is_false(options.client({ url = "smtp://127.0.0.1" }).starttls)
    assert.is_false(options.client({ url = "smtp://localhost:2525" }).starttls)
    assert.is_true(options.client({ url = "smtp://localhost.example.com" }).starttls)
    assert.equal("mail.example.com:587", options.client({ url = "smtp://mail.example.com" }).peer)
    assert.equal("mail.example.com:465", options.client({ url = "smtps://mail.example.com" }).peer)
    assert.equal("localhost:25", options.client({ url = "smtp://localhost" }).peer)
  end)
end)

describe("A cancelled @email.send", function()
  -- Cancels once the server has got the line; returns what send failed with.
  local function cancelled_at(what, answers)
    return smtp.saying(answers, function(server, lines)
      local own, seen = client_of(server.url), nil
      @scope(function(s)
        s:spawn(function()
          local ok, e = pcall(own.send, MAIL)
          seen = not ok and e
          error(e, 0)
        end)
        server:wait(function() return index_of(lines, what) end)
        s:cancel()
      end)
      all_gone(server)
      own.close()
      return seen
    end)
  end

  it("closes the connection; nothing was sent", function()
    for line, answers in pairs { ["DATA"] = { DATA = false }, ["RCPT TO:<b@x.example>"] = { RCPT = false } } do
      is(cancelled_at(line, answers), "cancelled", false)
    end
  end)

  it("says that the message may have been taken, once all of it has left", function()
    is(cancelled_at(".", { ["."] = false }), "cancelled", true)
  end)

  it("leaves the others alone", function()
    smtp.saying({ MAIL = function(connection, line)
      if not line:find("stuck", 1, true) then connection:write("250 OK\r\n") end
    end }, function(server)
      local own = client_of(server.url)
      local outs = @all_settled(
        @(@timeout("50ms", @(own.send { from = "stuck@x.example", to = "b@x.example", subject = "s", text = "t" }))),
        @(own.send(MAIL)))
      assert.equal("timeout", outs[1].err.kind)
      assert.same({ "b@x.example" }, outs[2].value.accepted)
      own.close()
    end)
  end)

  it("leaves nothing behind", function()
    test.leaks(function()
      smtp.saying({ DATA = false }, function(server)
        local own = client_of(server.url)
        @try(@timeout, "20ms", @(own.send(MAIL)))
        all_gone(server)
        own.close()
      end)
    end)
  end)

  it("does not keep a program alive by connections it has kept", function()
    smtp.saying({}, function(server)
      local code = ('local c = @email.client{ url = %q, from = "a@x.example" } print(c.send("b@x.example", "s", "t").accepted[1])'):format(server.url)
      local r = program.run { "-e", code }
      assert.equal(0, r.status, r.stderr)
      assert.equal("b@x.example\n", r.stdout)
      all_gone(server)
    end)
  end)

  it("takes its server from the configuration, and shows no password", function()
    smtp.saying({}, function(server)
      local r = program.run({ "-e", 'print(@email.send("b@x.example", "s", "t").accepted[1])' },
        { env = { TUSK_EMAIL__URL = server.url, TUSK_EMAIL__FROM = "a@x.example" } })
      assert.equal("b@x.example\n", r.stdout, r.stderr)
    end)
    local r = program.run({ "-e", '@email.send("b@x.example", "s", "t")' },
      { env = { TUSK_EMAIL__URL = ("smtp://ann:hunter22@127.0.0.1:%d"):format(raw_server.free_port()), TUSK_EMAIL__FROM = "a@x.example" } })
    assert.equal(1, r.status)
    assert.truthy(r.stderr:find("email.connect", 1, true), r.stderr)
    assert.is_nil(r.stderr:find("hunter22", 1, true))
  end)
end)

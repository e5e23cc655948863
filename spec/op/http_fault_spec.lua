-- Servers that misbehave: each is an error of its kind, and everything else goes on.
local core = require "tusk.core"
local program = require "spec.support.program"
local raw_server = require "spec.support.raw_server"

local function failure(url, opts)
  local v, e = @try(@http.get, url, opts)
  assert.is_nil(v)
  assert.equal("http.get", e.op)
  return e
end

-- The error of a GET from a server that does answer(connection, request); the client is gone at the end.
local function fault(answer, opts)
  return raw_server.with(answer, function(server)
    local e = failure(server.url .. "/x", opts)
    server:wait(function() return server.ended == server.accepted end)
    return e, server
  end)
end

local function saying(bytes, opts)
  return fault(function(connection) connection:write(bytes) end, opts)
end

describe("@http fails with", function()
  it("http.connect when nobody listens", function()
    local e = failure(("http://127.0.0.1:%d/"):format(raw_server.free_port()))
    assert.equal("http.connect", e.kind)
    assert.truthy(e.message:find("^cannot connect to 127%.0%.0%.1:%d+: connection refused %(ECONNREFUSED%)$"))
    assert.is_false(e.sent)
    assert.is_true(e.retryable)
  end)

  it("http.connect, retryable although not idempotent, for nothing was sent", function()
    local _, e = @try(@http.post, ("http://127.0.0.1:%d/"):format(raw_server.free_port()))
    assert.is_true(e.retryable)
  end)

  it("http.connect when connections are not made in time, and the next requests work", function()
    local uv = require "luv"
    local full = uv.new_tcp()
    full:bind("127.0.0.1", 0)
    full:listen(1, function() end) -- accepts nothing: its line is full after a few
    local url = ("http://127.0.0.1:%d/"):format(full:getsockname().port)
    local urls = {}
    for i = 1, 30 do urls[i] = url end
    local kinds = @map(urls, function(u)
      local _, e = @try(@http.get, u, { connect_timeout = "100ms", timeout = "300ms" })
      return e.kind == "http.connect" and e.message:match("%((%u+)%)") or e.kind
    end, { concurrency = 30 })
    local count = { timeout = 0, ETIMEDOUT = 0 }
    for i = 1, 30 do count[kinds[i]] = count[kinds[i]] + 1 end
    full:close()
    assert.is_true(count.ETIMEDOUT > 20)
    raw_server.saying(raw_server.response(200, {}, "fine"), function(server)
      for i = 1, 30 do urls[i] = server.url end
      local bodies = @map(urls, function(u) return @http.get(u):text() end, { concurrency = 30 })
      for i = 1, 30 do assert.equal("fine", bodies[i]) end
    end)
  end)

  it("http.dns when there is no such name", function()
    local e = failure("http://no-such-name.invalid/", { timeout = "20s" })
    assert.equal("http.dns", e.kind)
    assert.truthy(e.message:find("no-such-name.invalid", 1, true))
    assert.is_false(e.sent)
  end)

  it("http.connect when the server resets before it answers", function()
    local e = fault(function(connection) connection:reset() end)
    assert.equal("http.connect", e.kind)
    assert.is_true(e.sent)
    assert.is_true(e.retryable)
  end)

  it("http.connect when the server closes before it answers", function()
    local e = fault(function(connection) connection:close() end)
    assert.equal("http.connect", e.kind)
    assert.is_true(e.sent)
  end)

  it("not retryable, when a POST may have been carried out", function()
    raw_server.with(function(connection) connection:reset() end, function(server)
      local _, e = @try(@http.post, server.url, { body = "x" })
      assert.equal("http.connect", e.kind)
      assert.is_true(e.sent)
      assert.is_false(e.retryable)
    end)
  end)

  it("http.body when the server resets within the body", function()
    local e = fault(function(connection)
      connection.handle:write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc", function() connection:reset() end)
    end)
    assert.equal("http.body", e.kind)
  end)

  it("http.body when the body is shorter than announced", function()
    local e = fault(function(connection)
      connection:write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
      connection.handle:shutdown()
    end)
    assert.equal("http.body", e.kind)
    assert.truthy(e.message:find("after 3 of 1000 bytes", 1, true))
  end)

  it("http.body when a chunked body breaks off", function()
    local e = fault(function(connection)
      connection:write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
      connection.handle:shutdown()
    end)
    assert.equal("http.body", e.kind)
  end)

  it("timeout when no answer comes", function()
    local e = fault(function() end, { timeout = "200ms" })
    assert.equal("timeout", e.kind)
    assert.equal(0.2, e.after)
    assert.is_true(e.sent)
  end)

  it("timeout when the answer comes a byte at a time", function()
    local uv = require "luv"
    local e = fault(function(connection)
      connection:write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
      local timer = uv.new_timer()
      timer:start(5, 5, function()
        connection:write("x")
        if connection.handle:is_closing() then timer:close() end
      end)
    end, { timeout = "200ms" })
    assert.equal("timeout", e.kind)
  end)

  it("http.body and the limit, when a larger body is announced, before it is received", function()
    local e = saying("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\nabc", { max_body = 1000 })
    assert.equal("http.body", e.kind)
    assert.equal(1000, e.limit)
    assert.is_false(e.retryable)
  end)

  it("http.body and the limit, when a body without a length grows beyond it", function()
    local uv = require "luv"
    local e, server = fault(function(connection)
      connection:write("HTTP/1.1 200 OK\r\n\r\n")
      local block, timer = ("x"):rep(65536), uv.new_timer()
      timer:start(0, 1, function()
        if connection.handle:is_closing() then return timer:close() end
        connection:write(block)
      end)
    end, { max_body = "1MiB" })
    assert.equal("http.body", e.kind)
    assert.equal(1048576, e.limit)
    assert.equal(1, #server.requests)
  end)

  it("nothing at a body of exactly the limit", function()
    raw_server.saying(raw_server.response(200, {}, ("x"):rep(1000)), function(server)
      assert.equal(1000, #@http.get(server.url, { max_body = 1000 }):text())
    end)
  end)

  it("http.protocol when the header is over 64 KiB", function()
    local line = "X-Pad: " .. ("x"):rep(1000) .. "\r\n"
    local e = saying("HTTP/1.1 200 OK\r\n" .. line:rep(70) .. "\r\n")
    assert.equal("http.protocol", e.kind)
    assert.truthy(e.message:find("64 KiB", 1, true))
  end)

  it("http.protocol when one header line is over 64 KiB, or far more", function()
    for _, size in ipairs { 70000, 400000 } do
      local e = saying("HTTP/1.1 200 OK\r\nX: " .. ("x"):rep(size) .. "\r\n\r\n")
      assert.equal("http.protocol", e.kind)
      assert.truthy(e.message:find("64 KiB", 1, true))
    end
  end)

  it("http.protocol when interim answers never end", function()
    local e = saying(("HTTP/1.1 100 Continue\r\n\r\n"):rep(5000))
    assert.equal("http.protocol", e.kind)
  end)

  it("http.protocol when it is not HTTP", function()
    for _, bytes in ipairs { "SSH-2.0-OpenSSH_9.2\r\n\r\n", "\0\0\0\0\r\n\r\n", "<html>hello</html>\n" } do
      local e = saying(bytes)
      assert.equal("http.protocol", e.kind)
    end
  end)

  it("http.protocol when two lengths contradict each other", function()
    local e = saying("HTTP/1.1 200 OK\r\nContent-Length: x5\r\n\r\nhello")
    assert.equal("http.protocol", e.kind)
  end)

  it("http.body when what is compressed is corrupt", function()
    local e = saying(raw_server.response(200, { "Content-Encoding: gzip" }, "this is no gzip at all"))
    assert.equal("http.body", e.kind)
  end)

  it("the error of one request, while others go on", function()
    raw_server.with(function(connection, request)
      if request.target == "/bad" then connection:reset()
      elseif request.target ~= "/never" then connection:write(raw_server.response(200, {}, request.target)) end
    end, function(server)
      local outs = @all_settled(
        @(@http.get(server.url .. "/a"):text()), @(@http.get(server.url .. "/bad")),
        @(@http.get(server.url .. "/b"):text()), @(@http.get(server.url .. "/never", { timeout = "200ms" })))
      assert.equal("/a", outs[1].value)
      assert.equal("http.connect", outs[2].err.kind)
      assert.equal("/b", outs[3].value)
      assert.equal("timeout", outs[4].err.kind)
    end)
  end)

  it("the place of the call", function()
    local e = failure(("http://127.0.0.1:%d/"):format(raw_server.free_port()))
    assert.truthy(e.site.file:find("http_fault_spec", 1, true))
    assert.equal("number", type(e.site.line))
  end)
end)

describe("@http on a kept connection that the server has closed", function()
  -- Answers the first request of each connection and breaks at the second, before it answers.
  local function fickle(connection, request)
    connection.count = (connection.count or 0) + 1
    if connection.count > 1 then return connection:reset() end
    connection:write(raw_server.response(200, {}, tostring(request.number)))
  end

  it("sends a GET again", function()
    raw_server.with(fickle, function(server)
      @http.get(server.url)
      assert.equal("3", @http.get(server.url):text())
      assert.equal(2, server.accepted)
    end)
  end)

  it("does so as often as that happens", function()
    raw_server.with(fickle, function(server)
      for _ = 1, 20 do
        @http.get(server.url)
        assert.is_nil((@try(@http.post, server.url))) -- is not sent again
        @http.get(server.url)
      end
      assert.is_true(server.accepted >= 20)
    end)
  end)

  it("never sends a POST again", function()
    raw_server.with(fickle, function(server)
      @http.get(server.url)
      local _, e = @try(@http.post, server.url, { body = "x" })
      assert.equal("http.connect", e.kind)
      assert.is_true(e.sent)
      assert.is_false(e.retryable)
      assert.equal(2, #server.requests)
    end)
  end)

  it("never sends a POST without a body again either", function()
    raw_server.with(fickle, function(server)
      @http.get(server.url)
      local _, e = @try(@http.post, server.url)
      assert.equal("http.connect", e.kind)
      assert.equal(2, #server.requests)
    end)
  end)

  it("sends a POST with an Idempotency-Key again", function()
    raw_server.with(fickle, function(server)
      @http.get(server.url)
      local r = @http.post(server.url, { body = "x", headers = { ["Idempotency-Key"] = "k1" } })
      assert.equal("3", r:text())
      assert.equal("x", server.requests[3].body)
    end)
  end)
end)

describe("A compressed body", function()
  -- zeros compress about a thousandfold
  local function gzip_bomb(megabytes)
    local pipe = assert(io.popen(("head -c %d /dev/zero | gzip -9"):format(megabytes * 1048576)))
    local bytes = pipe:read("*a")
    pipe:close()
    return bytes
  end

  it("counts against the limit as what it becomes", function()
    local bomb = gzip_bomb(64)
    assert.is_true(#bomb < 100000)
    local e = saying(raw_server.response(200, { "Content-Encoding: gzip" }, bomb))
    assert.equal("http.body", e.kind)
    assert.equal(16 * 1048576, e.limit)
  end)

  -- 256 MB of zeros in 405 bytes
  local function brotli_bomb()
    local head = "cbffff3f002400e2b14072"
    local again = "effff8ffff078004401c1680eefd1fffffff00900088c302d0bdffe3ffff1f001200715800baf77ffcffff034002200e0b40"
      .. "f7fe8fffff7f004800c46101e8defff1ffff0f000980382c00ddfb3ffeffff012001108705a07bffc7ffff3f002400e2b000"
      .. "74"
    local tail = "effff8ffff078004401c1680eefd1fffffff00900088c302d0bdffe3ffff1f001200715800baf77ffcffff034002200e0b40"
      .. "f7fe8fffff7f004800c46101e8defff1ffff0f000980382c00ddfbbffcffff032001108705a07bff07"
    return ((head .. again:rep(3) .. tail):gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
  end

  it("counts by brotli too; in one that is streamed, it ends before it fills the memory", function()
    if not require("tusk.binding.curl").encodings:find("br", 1, true) then return end
    local answer = raw_server.response(200, { "Content-Encoding: br" }, brotli_bomb())
    assert.equal(16 * 1048576, saying(answer).limit)
    raw_server.saying(answer, function(server)
      local most = 0
      local _, e = @try(function()
        for piece in @http.get(server.url, { stream = true }):chunks() do most = math.max(most, #piece) end
      end)
      assert.equal("http.body", e.kind)
      assert.truthy(e.message:find("more than 64 MiB at once", 1, true), e.message)
      assert.is_true(most <= 128 * 1024)
    end)
  end)

  it("takes no more memory than the limit and the room to grow to it", function()
    if (os.getenv "SANITIZE" or "") ~= "" then return pending("a sanitizer takes memory of its own") end
    local temp = require "spec.support.temp"
    local bomb = raw_server.response(200, { "Content-Encoding: gzip" }, gzip_bomb(96))
    local function answer(connection, request)
      connection:write(request.target == "/bomb" and bomb or raw_server.response(200, {}, ""))
    end
    raw_server.with(answer, function(server)
      temp.dir(function(dir)
        local script = temp.write(dir .. "/main.lua", [[
          local function peak() return tonumber(@file.read("/proc/self/status", { special = true }):match("VmHWM:%s*(%d+)")) end
          @http.get(arg[1] .. "/small")
          local before = peak()
          for _ = 1, 3 do
            local _, e = @try(@http.get, arg[1] .. "/bomb")
            print(e and e.kind, e and e.limit)
          end
          print(peak() - before < 48 * 1024 and "small" or peak() - before)
        ]])
        local result = program.run({ script, server.url })
        assert.equal(("http.body\t16777216\n"):rep(3) .. "small\n", result.stdout .. result.stderr)
      end)
    end)
  end)

  it("is whole when that is within the limit", function()
    local bytes = raw_server.response(200, { "Content-Encoding: gzip" }, gzip_bomb(2))
    raw_server.saying(bytes, function(server)
      assert.equal(2 * 1048576, #@http.get(server.url):text())
    end)
  end)
end)

describe("A program", function()
  it("ends with status 1 and says where and why, when it cannot connect", function()
    local r = program.run({ "-" }, { stdin = 'return @http.get("http://127.0.0.1:1/")' })
    assert.equal(1, r.status)
    assert.truthy(r.stderr:find("http.connect", 1, true))
    assert.truthy(r.stderr:find("(ECONNREFUSED)", 1, true))
    assert.truthy(r.stderr:find("stdin:1:8", 1, true))
  end)

  it("ends while requests are under way, names are looked up and connections are kept", function()
    raw_server.with(function(connection, request)
      if request.target == "/quick" then connection:write(raw_server.response(200, {}, "quick")) end
    end, function(server)
      local r = program.run({ "-" }, { stdin = ([[
        local url = "%s"
        print(@http.get(url .. "/quick"):text())
        for _ = 1, 5 do @spawn(function() @http.get(url .. "/slow") end) end
        @spawn(function() @http.get("http://no-such-name.invalid/") end)
        @http.get(url .. "/quick")
        error("enough")
      ]]):format(server.url) })
      assert.equal(1, r.status)
      assert.equal("quick\n", r.stdout)
      assert.truthy(r.stderr:find("enough", 1, true))
      server:wait(function() return server.ended == server.accepted end)
    end)
  end)

  it("has connections for half of its descriptors at most; more requests wait", function()
    raw_server.with(function(connection)
      core.spawn(function()
        core.sleep(0.005)
        connection:write(raw_server.response(200, {}, "fine"))
      end)
    end, function(server)
      local r = program.run({ "-c", "ulimit -n 64; exec " .. program.path() .. " -" }, {
        program = "/bin/sh",
        stdin = ([[
          local url, urls = "%s", {}
          for i = 1, 100 do urls[i] = url end
          local texts = @map(urls, function(u) return @http.get(u):text() end, { concurrency = 100 })
          print(#texts, texts[100])
        ]]):format(server.url),
      })
      assert.equal("100\tfine\n", r.stdout)
      assert.equal(32, server.accepted)
    end)
  end)

  it("out of descriptors gets an error that says so, and the next request works", function()
    raw_server.saying(raw_server.response(200, {}, "fine"), function(server)
      local r = program.run({ "-c", "ulimit -n 24; exec " .. program.path() .. " -" }, {
        program = "/bin/sh",
        stdin = ([[
          @http.get("%s")
          local taken = {}
          for i = 1, 100 do taken[i] = io.open("/dev/null") end
          local v, e = @try(@http.get, "http://127.0.0.2:1/")
          print(e.kind, e.message:match("%%(%%u+%%)"))
          for _, file in pairs(taken) do file:close() end
          print(@http.get("%s"):text())
        ]]):format(server.url, server.url),
      })
      assert.equal("http.connect\t(EMFILE)\nfine\n", r.stdout)
    end)
  end)
end)

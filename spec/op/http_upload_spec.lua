-- @http sending bodies while they are made: iterators, streams, files.
local raw_server = require "spec.support.raw_server"
local temp = require "spec.support.temp"
local test = require "tusk.test"

local response = raw_server.response

-- The body of a request in chunks, if all of it is there.
local function unchunked(bytes)
  local pieces, at = {}, 1
  while true do
    local from, to, size = bytes:find("^(%x+)\r\n", at)
    if not from then return nil end
    size = tonumber(size, 16)
    if #bytes < to + size + 2 then return nil end
    if size == 0 then return table.concat(pieces), bytes:sub(to + 3), #pieces end
    pieces[#pieces + 1] = bytes:sub(to + 1, to + size)
    at = to + size + 3
  end
end

-- A whole request at the beginning of the bytes, and what follows it; or nil.
local function whole(bytes)
  local head, rest = bytes:match("^(.-\r\n)\r\n(.*)$")
  if not head then return nil end
  local request = { head = head, target = head:match("^%S+ (%S+)"), method = head:match("^%S+") }
  function request.header(name) return ("\r\n" .. head):lower():match("\r\n" .. name:gsub("%-", "%%-") .. ": ([^\r]*)") end
  if request.header("transfer-encoding") == "chunked" then
    request.body, rest, request.chunks = unchunked(rest)
    return request.body and request, rest
  end
  local length = tonumber(request.header("content-length") or 0)
  if #rest < length then return nil end
  request.body = rest:sub(1, length)
  return request, rest:sub(length + 1)
end

-- fn(server) with a server that understands chunks; answer(connection, request) for every whole request.
local function with_server(answer, fn)
  return raw_server.with(function(connection, bytes)
    local s = connection.server
    connection.bytes = connection.bytes .. bytes
    local request, rest = whole(connection.bytes)
    if not request then return end
    connection.bytes = rest
    s.requests[#s.requests + 1] = request
    s.arrived:wake_all()
    answer(connection, request)
  end, fn, true)
end

local function fine(connection, request)
  connection:write(response(200, {}, request.body))
end

-- An iterator of the values; each is made when it is asked for, and given[1] counts.
local function maker(values, given)
  local i = 0
  return function()
    i = i + 1
    @sleep(0)
    if given and values[i] then given[1] = i end
    return values[i]
  end
end

local function fails(kind, ...)
  local _, e = @try(...)
  assert.truthy(e, "nothing failed")
  assert.equal(kind, e.kind, e.message)
  return e
end

local function has(text, what)
  assert.truthy(text:find(what, 1, true), text)
end

describe("@http with a body that is made while it is sent", function()
  it("sends it in chunks, or with the length that it is told", function()
    with_server(fine, function(s)
      for verb, opts in pairs {
        post = { body = maker { "one ", "two ", "", "three" } }, put = { body = @stream { "one ", "two ", "three" }, length = 13 },
      } do
        assert.equal("one two three", @http[verb](s.url .. "/", opts):text())
        local request = s.requests[#s.requests]
        assert.equal(verb:upper(), request.method)
        assert.equal(opts.length and "13" or nil, request.header("content-length"))
        assert.equal(opts.length == nil and "chunked" or nil, request.header("transfer-encoding"))
        assert.is_nil(request.header("expect"))
        assert.is_nil(request.header("content-type"))
      end
      assert.equal("", @http.post(s.url, { body = maker {} }):text())
      assert.equal("", @http.post(s.url, { body = maker {}, length = 0 }):text())
      assert.equal("x", @http.request(s.url):body(maker { "x" }):header("Content-Type", "a/b"):post():text())
      assert.equal("a/b", s.requests[5].header("content-type"))
    end)
  end)

  it("sends what a channel, a file and another answer give", function()
    local bytes = ("0123456789abcdef"):rep(20000)
    with_server(fine, function(s)
      local path = temp.write(temp.new() .. "/f", bytes)
      assert.is_true(bytes == @http.post(s.url, { body = @file.chunks(path, 1000) }):text())
      local answer = @http.post(s.url, { body = bytes, stream = true })
      assert.is_true(bytes == @http.post(s.url, { body = answer:chunks() }):text())
      local ch = @channel(1)
      @spawn(function()
        for i = 1, 5 do ch:send(tostring(i)) end
        ch:close()
      end)
      assert.equal("12345", @http.post(s.url, { body = ch }):text())
    end)
  end)

  it("makes nothing before it is asked for, and sends what there is", function()
    local step, asked, seen = @channel(), 0, ""
    raw_server.with(function(connection, bytes)
      seen = seen .. bytes
      connection.server.arrived:wake_all()
      if bytes:find("0\r\n\r\n", 1, true) then connection:write(response(200, {}, "all")) end
    end, function(s)
      local task = @async(@(@http.post(s.url, { body = function()
        asked = asked + 1
        return (step:recv())
      end }):text()))
      assert.equal(0, asked)
      for _, word in ipairs { "first", "second" } do
        step:send(word)
        s:wait(function() return seen:find(word, 1, true) end)
      end
      step:close()
      assert.equal("all", task:await())
      assert.equal(3, asked)
    end, true)
  end)

  it("makes no more than the server takes", function()
    local given, piece, arrived, held = { 0 }, ("x"):rep(1048576), 0, nil
    raw_server.with(function(connection, bytes)
      arrived = arrived + #bytes
      if not held then
        held = connection
        connection.handle:read_stop()
      end
      if arrived > 64 * 1048576 then connection:write(response(200)) end
    end, function(s)
      local task = @async(@http.put, s.url, { length = 64 * 1048576, body = function()
        if given[1] == 64 then return nil end
        given[1] = given[1] + 1
        return piece
      end })
      local before
      for _ = 1, 200 do -- until all buffers are full
        before = given[1]
        for _ = 1, 10 do @sleep("1ms") end
        if before > 0 and before == given[1] then break end
      end
      assert.is_true(before == given[1] and before < 40, ("%d MiB were made"):format(given[1]))
      held.handle:read_start(function(_, bytes)
        if not bytes then return held:close() end
        arrived = arrived + #bytes
        if arrived > 64 * 1048576 then held:write(response(200)) end
      end)
      assert.equal(200, task:await().status)
      assert.equal(64, given[1])
    end, true)
  end)

  it("stops when the server does not want it, and returns what that has said", function()
    for _, more in ipairs { "X-A: 1", "Connection: close" } do
      for _, length in ipairs { 1e9, false } do
        local closed, waits = 0, 0
        raw_server.with(function(connection)
          if connection.told then return end
          connection.told = true
          connection:write(response(413, { more }, "too much"))
        end, function(s)
          local source = setmetatable({ close = function() closed = closed + 1 end }, { __call = function()
            waits = waits + 1
            if waits > 1 then @sleep("1h") end
            return "begin"
          end })
          local r = @http.post(s.url, { body = source, length = length or nil, timeout = "5s" })
          assert.same({ 413, "too much", 1 }, { r.status, r:text(), closed })
          s:wait(function() return s.ended == 1 end) -- no other request can follow on it
        end, true)
      end
    end
  end)

  it("raises what its maker raises, and closes the connection", function()
    with_server(fine, function(s)
      local mine = setmetatable({}, { __tostring = function() return "mine" end })
      for _, stream in ipairs { false, true } do
        local calls = 0
        local ok, e = pcall(@http.post, s.url, { stream = stream, body = function()
          calls = calls + 1
          if calls == 3 then error(mine) end
          return "piece"
        end })
        assert.is_false(ok)
        assert.is_true(e == mine or e.cause == mine, tostring(e))
      end
      s:wait(function() return s.ended == 2 end)
      assert.equal(0, #s.requests)
    end)
  end)

  it("fails with http.upload when it is not as long as announced", function()
    with_server(fine, function(s)
      has(fails("http.upload", @http.post, s.url, { body = maker { "abc", "d" }, length = 5 }).message, "4 bytes, not the 5")
      local e = fails("http.upload", @http.post, s.url, { body = maker { "abc", "d" }, length = 3 })
      has(e.message, "more bytes, not the 3")
      assert.same({ true, false }, { e.sent, e.retryable })
      assert.equal(0, #s.requests)
    end)
  end)

  it("fails by its deadline, whoever is late", function()
    raw_server.with(function() end, function(s)
      fails("timeout", @http.post, s.url, { body = maker { "x" }, timeout = "30ms" })
      fails("timeout", @http.post, s.url, { timeout = "30ms", body = function() @sleep("1h") end })
      fails("timeout", @http.post, s.url, { timeout = "30ms", stream = true, body = function() @sleep("1h") end })
      s:wait(function() return s.ended == 3 end)
    end, true)
  end)

  it("comes before the body of an answer that is streamed", function()
    with_server(function(connection, request)
      connection:write(response(200, {}, request.body:rep(1000)))
    end, function(s)
      local r = @http.post(s.url, { body = maker { "abc", "def" }, stream = true })
      assert.equal(6000, #r:text())
    end)
    -- An answer that begins before the body is all there.
    raw_server.with(function(connection, bytes)
      if bytes:find("POST", 1, true) then connection:write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab") end
      if bytes:find("0\r\n\r\n", 1, true) then connection:write("cd") end
    end, function(s)
      for _, stream in ipairs { true, false } do
        assert.equal("abcd", @http.post(s.url, { body = maker { "1", "2", "3" }, stream = stream }):text())
      end
    end, true)
  end)

  it("is sent once: not after a redirect, nor again with retry", function()
    with_server(function(connection, request)
      local status = tonumber(request.target:match("%d+"))
      connection:write(response(status or 200, status and { "Location: /there" } or {}, request.method .. request.body))
    end, function(s)
      has(fails("http.redirect", @http.post, s.url .. "/307", { body = maker { "x" } }).message, "cannot be sent again")
      assert.equal("GET", @http.post(s.url .. "/303", { body = maker { "x" } }):text())
      local r = @http.put(s.url .. "/503", { body = maker { "x" }, retry = { base = "1ms" } })
      assert.same({ 503, 1 }, { r.status, r.attempts })
    end)
    local e = fails("http.connect", @http.post, "http://127.0.0.1:" .. raw_server.free_port(),
      { body = maker { "x" }, retry = { base = "1ms" } })
    assert.equal(3, e.attempts) -- nothing of it was made
  end)

  it("is sent again on another connection when a kept one turns out to be dead", function()
    with_server(function(connection, request)
      fine(connection, request)
      if request.target == "/first" then connection:close() end
    end, function(s)
      for _ = 1, 10 do
        @http.get(s.url .. "/first")
        assert.equal("abc", @http.put(s.url .. "/x", { body = maker { "a", "b", "c" } }):text())
      end
      assert.equal(20, #s.requests)
    end)
  end)

  it("ends when it is cancelled, wherever that is", function()
    with_server(function(connection, request)
      if request.target == "/" then fine(connection, request) end
    end, function(s)
      test.leaks(function()
        local begun = 0
        for i = 1, 3 do
          local task = @async(@http.post, s.url .. "/mute", { body = function()
            begun = begun + 1
            if i == 1 then @sleep("1h") end
            return i == 2 and begun < 5 and ("x"):rep(1000) or nil
          end })
          for _ = 1, 500 do
            if begun > 0 then break end
            @sleep("1ms")
          end
          task:cancel()
          assert.equal("task_cancelled", fails("task_cancelled", task.await, task).kind)
          begun = 0
        end
        s:wait(function() return s.ended == 3 end)
      end)
      local a, b = @all(@(@http.post(s.url, { body = maker { "a", "b" } }):text()),
        @(@http.post(s.url, { body = maker { "c", "d", "e" } }):text()))
      assert.same({ "ab", "cde" }, { a, b })
    end)
  end)

  it("says what is wrong with it", function()
    local url = "http://127.0.0.1:1/"
    has(fails("argument", @http.post, url, { body = { a = 1 } }).message, "for JSON json =")
    fails("argument", @http.post, url, { body = 5 })
    fails("argument", @http.post, url, { body = maker {}, length = -1 })
    fails("argument", @http.post, url, { body = maker {}, length = "x" })
    has(fails("argument", @http.post, url, { body = "x", length = 1 }).message, "length")
    fails("argument", @http.head, url, { body = maker {} })
    fails("argument", @http.post, url, { body = maker {}, form = {} })
    with_server(fine, function(s)
      has(fails("argument", @http.post, s.url, { body = maker { 5 } }).message, "pieces must be strings, got number")
    end)
  end)
end)

describe("@http with parts that are made while they are sent", function()
  it("sends streams and large files between the others", function()
    local large = ("0123456789abcdef"):rep(100000)
    with_server(function(connection, request) connection:write(response(200, {}, request.header("content-type"))) end, function(s)
      temp.dir(function(dir)
        local path = temp.write(dir .. "/large.bin", large)
        for _, length in ipairs { 6, false } do
          local kind = @http.post(s.url, { multipart = {
            { name = "a", data = "first" }, { name = "b", stream = maker { "abc", "def" }, length = length or nil, filename = "s.txt" },
            { name = "c", path = path }, { name = "d", stream = @stream { "last" }, type = "text/plain" },
          } }):text()
          local mark = "--" .. kind:match("boundary=(.*)")
          local expected = table.concat {
            mark, '\r\nContent-Disposition: form-data; name="a"\r\n\r\nfirst\r\n', mark,
            '\r\nContent-Disposition: form-data; name="b"; filename="s.txt"\r\nContent-Type: application/octet-stream\r\n\r\nabcdef\r\n',
            mark, '\r\nContent-Disposition: form-data; name="c"; filename="large.bin"\r\n',
            "Content-Type: application/octet-stream\r\n\r\n", large, "\r\n",
            mark, '\r\nContent-Disposition: form-data; name="d"\r\nContent-Type: text/plain\r\n\r\nlast\r\n', mark, "--\r\n",
          }
          assert.is_true(expected:lower() == s.requests[#s.requests].body:lower(), s.requests[#s.requests].body:sub(1, 300))
        end
        local r = @http.post(s.url, { multipart = { f = { path = path } } })
        assert.equal(200, r.status)
        assert.is_true(tonumber(s.requests[3].header("content-length")) > #large)
      end)
    end)
  end)

  it("raises what a part's maker raises, and says what is wrong with one", function()
    with_server(fine, function(s)
      local _, e = @try(@http.post, s.url, { multipart = { a = { stream = function() error("oops") end }, b = "x" } })
      has(e.message, "oops")
      fails("http.upload", @http.post, s.url, { multipart = { a = { stream = maker { "abc" }, length = 2 } } })
      has(fails("argument", @http.post, s.url, { multipart = { a = { stream = "x" } } }).message, "iterator")
      has(fails("argument", @http.post, s.url, { multipart = { a = { stream = maker {}, data = "" } } }).message, "one of data")
      has(fails("argument", @http.post, s.url, { multipart = { a = { data = "x", length = 1 } } }).message, "length")
      assert.equal(0, #s.requests)
    end)
  end)
end)

describe("@http.upload", function()
  local function with_file(bytes, answer, fn)
    temp.dir(function(dir)
      local path = temp.write(dir .. "/source", bytes)
      with_server(answer, function(s) fn(s, path, dir) end)
    end)
  end

  it("sends a file, and tells how far it is", function()
    local bytes = ("0123456789"):rep(50000)
    with_file(bytes, fine, function(s, path)
      local seen, total = {}, nil
      local r = @http.upload(s.url .. "/x", path, {
        headers = { ["Content-Type"] = "text/plain" }, on_progress = function(n, all) seen[#seen + 1], total = n, all end,
      })
      assert.is_true(r:text() == bytes)
      local request = s.requests[1]
      assert.same({ "PUT", "500000", "text/plain" },
        { request.method, request.header("content-length"), request.header("content-type") })
      assert.same({ 500000, 500000 }, { seen[#seen], total })
      for i = 2, #seen do assert.is_true(seen[i] > seen[i - 1]) end
      local client = @http.client { base = s.url, bearer = "t" }
      client.upload("/y", path, { method = "post" })
      assert.same({ "POST", "/y", "bearer t" },
        { s.requests[2].method, s.requests[2].target, s.requests[2].header("authorization") })
    end)
  end)

  it("sends an empty file, and it again after a redirect or a status that passes", function()
    with_file("", fine, function(s, path) assert.equal("", @http.upload(s.url, path):text()) end)
    local bytes = ("x"):rep(200000)
    with_file(bytes, function(connection, request)
      local status = request.target == "/moved" and 307 or #connection.server.requests == 2 and 503 or 200
      connection:write(response(status, status == 307 and { "Location: /there" } or {}, status == 200 and request.body or ""))
    end, function(s, path)
      local r = @http.upload(s.url .. "/moved", path, { retry = { base = "1ms" } })
      assert.is_true(r:text() == bytes)
      assert.same({ 200, 2, 4 }, { r.status, r.attempts, #s.requests })
    end)
  end)

  it("has no deadline but that it goes on, and that an answer comes", function()
    temp.dir(function(dir)
      local path, held = temp.write(dir .. "/source", ("x"):rep(32 * 1048576)), nil
      local function server(patience, fn)
        local arrived = 0
        raw_server.with(function(connection, bytes)
          arrived = arrived + #bytes
          if arrived > 32 * 1048576 and patience then connection:write(response(200)) end
          if held then return end
          held = connection
          connection.handle:read_stop()
        end, fn, true)
        held = nil
      end
      local function take()
        local c, arrived = held, 0
        c.handle:read_start(function(_, bytes)
          if not bytes then return c:close() end
          arrived = arrived + #bytes
          if arrived > 32 * 1048576 - 65536 and c.server.patience then c:write(response(200)) end
        end)
      end
      server(true, function(s)
        s.patience = true
        local task = @async(@http.upload, s.url, path, { timeout = "50ms", stall = "10s" })
        for _ = 1, 120 do @sleep("1ms") end
        take()
        assert.equal(200, task:await().status)
      end)
      server(true, function(s)
        local e = fails("timeout", @http.upload, s.url, path, { stall = "30ms" })
        has(e.message, "took no byte of the body within 0.03 s")
        assert.same({ 0.03, true }, { e.after, e.sent })
      end)
      server(false, function(s)
        local task = @async(@http.upload, s.url, path, { timeout = "50ms" })
        for _ = 1, 500 do
          if held then break end
          @sleep("1ms")
        end
        take()
        has(fails("timeout", task.await, task).message, "no answer from")
      end)
    end)
  end)

  it("asks nothing of the server without a file", function()
    with_file("x", fine, function(s, _, dir)
      fails("file.not_found", @http.upload, s.url, dir .. "/none")
      has(fails("argument", @http.upload, s.url, dir).message, "is no file")
      has(fails("argument", @http.upload, s.url, dir .. "/source", { json = {} }).message, "json")
      has(fails("argument", @http.upload, s.url, dir .. "/source", { metod = "POST" }).message, '"method"')
      fails("argument", @http.upload, s.url, 5)
      assert.equal(0, #s.requests)
    end)
  end)
end)

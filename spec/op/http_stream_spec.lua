-- Bodies that are read while they arrive.
local uv = require "luv"
local core = require "tusk.core"
local program = require "spec.support.program"
local raw_server = require "spec.support.raw_server"
local temp = require "spec.support.temp"
local test = require "tusk.test"

local HEAD = "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
local STREAM = { stream = true }

-- fn(server, connect) beside a server that sends a head and the given bytes, and says on which connection.
local function sending(bytes, fn)
  return raw_server.with(function(connection, request)
    connection:write(bytes)
    connection.server.last, connection.server.target = connection, request.target
  end, fn)
end

local function all_gone(server)
  server:wait(function() return server.ended == server.accepted end)
end

local function collect(iterator)
  local list = {}
  for item in iterator do list[#list + 1] = item end
  return list
end

describe("@http with stream = true", function()
  it("returns at the end of the head, and gives pieces as they come", function()
    sending(HEAD:format(6), function(server)
      local r = @http.get(server.url, STREAM)
      assert.equal(200, r.status)
      assert.equal("6", r.headers["content-length"])
      assert.equal("1.1", r.http_version)
      assert.is_true(r.elapsed > 0)
      local chunks = r:chunks()
      server.last:write("abc")
      assert.equal("abc", chunks())
      server.last:write("def")
      assert.equal("def", chunks())
      assert.is_nil(chunks())
      assert.is_nil(chunks())
    end)
  end)

  it("gives lines, across pieces, without their ends", function()
    sending(HEAD:format(14) .. "one\r\ntw", function(server)
      local lines = @http.get(server.url, STREAM):lines()
      assert.equal("one", lines())
      server.last:write("o\n\nlast")
      assert.same({ "two", "", "last" }, collect(lines))
    end)
  end)

  it("is a source of streams", function()
    sending(HEAD:format(8) .. "a\nb\nc\nd\n", function(server)
      assert.same({ "a", "b", "c", "d" }, @stream(@http.get(server.url, STREAM)):collect())
      local upper = @http.get(server.url, STREAM):lines():map(string.upper, { concurrency = 2 }):chunks(3):collect()
      assert.same({ { "A", "B", "C" }, { "D" } }, upper)
      temp.dir(function(dir)
        local _, bytes = @http.get(server.url, STREAM):chunks():to(dir .. "/copy")
        assert.equal(8, bytes)
        assert.equal("a\nb\nc\nd\n", @file.read(dir .. "/copy"))
      end)
    end)
  end)

  it("gives all that is left as text, bytes and JSON, again and again", function()
    sending(HEAD:format(7) .. "[1,2,3]", function(server)
      local r = @http.get(server.url, STREAM)
      assert.equal("[1,2,3]", r:text())
      assert.equal("[1,2,3]", r:bytes())
      assert.same({ 1, 2, 3 }, r:json())
      assert.same({ "[1,2,3]" }, r:chunks():collect())
      assert.same({ "[1,2,3]" }, r:lines():collect())
    end)
    sending(HEAD:format(6) .. "abc", function(server)
      local r = @http.get(server.url, STREAM)
      assert.equal("abc", r:chunks()())
      server.last:write("def")
      assert.equal("def", r:text())
    end)
  end)

  it("decompresses", function()
    local pipe = assert(io.popen "printf 'hello\\nworld\\n' | gzip")
    local bytes = pipe:read("*a")
    pipe:close()
    sending(raw_server.response(200, { "Content-Encoding: gzip" }, bytes), function(server)
      assert.same({ "hello", "world" }, @http.get(server.url, STREAM):lines():collect())
    end)
  end)

  it("has nothing to read where there is no body", function()
    for _, head in ipairs { "HTTP/1.1 204 None\r\n\r\n", HEAD:format(0) } do
      sending(head, function(server) assert.is_nil(@http.get(server.url, STREAM):chunks()()) end)
    end
    sending(HEAD:format(100), function(server)
      assert.equal("", @http.head(server.url, STREAM):text())
    end)
  end)

  it("follows redirects first", function()
    raw_server.with(function(connection, request)
      if request.target == "/end" then return connection:write(HEAD:format(2) .. "ok") end
      connection:write(raw_server.response(302, { "Location: /end" }, ("moved"):rep(1000)))
    end, function(server)
      local r = @http.get(server.url, STREAM)
      assert.equal(server.url .. "/end", r.url)
      assert.same({ "ok" }, collect(r:chunks()))
      assert.equal(302, @http.get(server.url, { stream = true, redirects = 0 }).status)
    end)
  end)

  it("keeps the connection once all is read", function()
    sending(HEAD:format(3) .. "abc", function(server)
      for _ = 1, 3 do assert.same({ "abc" }, collect(@http.get(server.url, STREAM):chunks())) end
      assert.equal(1, server.accepted)
    end)
  end)

  it("serves several tasks at once", function()
    raw_server.with(function(connection, request)
      connection:write(HEAD:format(4))
      for i = 1, 4 do
        core.spawn(function()
          core.sleep(0.001 * i)
          connection:write(request.target:sub(2, 2))
        end)
      end
    end, function(server)
      local texts = @map({ "a", "b", "c" }, function(name)
        return table.concat(collect(@http.get(server.url .. "/" .. name, STREAM):chunks()))
      end)
      assert.same({ "aaaa", "bbbb", "cccc", n = 3 }, texts)
    end)
  end)

  it("works with a client, and in the builder", function()
    sending(HEAD:format(3) .. "abc", function(server)
      local client = @http.client { base = server.url, stall = "5s", max_connections = 1 }
      assert.equal("abc", client.get("/x", STREAM):chunks()())
      assert.equal("abc", client.get("/x"):text())
      assert.equal("abc", @http.request(server.url):stream(true):stall("5s"):get():chunks()())
    end)
  end)

  it("has chunks and lines of answers in memory too, from the beginning each time", function()
    local text = ("0123456789\n"):rep(10000)
    sending(raw_server.response(200, {}, text), function(server)
      local r = @http.get(server.url)
      for _ = 1, 2 do
        assert.equal(text, table.concat(r:chunks():collect()))
        assert.equal(10000, r:lines():count())
      end
      r:close()
      assert.equal(text, r:text())
    end)
  end)
end)

describe("A streamed body holds back its server:", function()
  it("one that nobody reads is not received", function()
    local size, sent = 64 * 1048576, false
    raw_server.with(function(connection)
      connection:write(HEAD:format(size))
      connection.handle:write(("x"):rep(size), function() sent = true end)
    end, function(server)
      local r = @http.get(server.url, STREAM)
      local queue, before = server.connections[1].handle, nil
      for _ = 1, 200 do -- until nothing moves any more
        local left = uv.stream_get_write_queue_size(queue)
        if left == before then break end
        before = left
        @sleep("10ms")
      end
      assert.is_false(sent)
      assert.is_true(uv.stream_get_write_queue_size(queue) > size / 2)
      local n = r:chunks():fold(function(sum, piece)
        assert.is_true(#piece <= 128 * 1024)
        return sum + #piece
      end, 0)
      assert.equal(size, n)
      server:wait(function() return sent end)
    end)
  end)
end)

describe("A streamed body fails at its reader with", function()
  -- Reads until it fails; what came before, and the error.
  local function failure(r)
    local pieces, chunks = {}, r:chunks()
    for _ = 1, 1000 do
      local piece, e = @try(chunks)
      if e then
        local _, again = @try(chunks)
        assert.equal(e.kind, again.kind)
        return table.concat(pieces), e
      end
      assert.is_string(piece)
      pieces[#pieces + 1] = piece
    end
  end

  it("http.body, when it is shorter than announced", function()
    sending(HEAD:format(1000) .. "abc", function(server)
      local r = @http.get(server.url .. "/x", STREAM)
      server.last.handle:shutdown()
      local text, e = failure(r)
      assert.equal("abc", text)
      assert.equal("http.body", e.kind)
      assert.truthy(e.message:find("after 3 of 1000 bytes", 1, true))
      assert.equal(server.url .. "/x", e.url)
      assert.is_true(e.sent)
      assert.is_true(e.retryable)
      assert.truthy(e.site.file:find("http_stream_spec", 1, true))
      all_gone(server)
    end)
  end)

  it("http.body, when the server resets", function()
    sending(HEAD:format(1000) .. "abc", function(server)
      local r = @http.get(server.url, STREAM)
      assert.equal("abc", r:chunks()())
      server.last:reset()
      local text, e = failure(r)
      assert.equal("", text)
      assert.equal("http.body", e.kind)
    end)
  end)

  it("http.body, when its chunks are garbage or break off", function()
    for _, bytes in ipairs { "3\r\nabc\r\nzzz\r\n", "3\r\nabc\r\n5\r\nde" } do
      sending("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" .. bytes, function(server)
        local r = @http.get(server.url, STREAM)
        server.last.handle:shutdown()
        local _, e = failure(r)
        assert.equal("http.body", e.kind)
      end)
    end
  end)

  it("http.body, when it is no gzip", function()
    sending(raw_server.response(200, { "Content-Encoding: gzip" }, "hello, world, no gzip at all"), function(server)
      local ok, e = pcall(function() return @http.get(server.url, STREAM):text() end)
      assert.is_false(ok)
      assert.equal("http.body", e.kind)
    end)
  end)

  it("http.body and the limit, when it is read whole and is larger than max_body", function()
    for _, opts in ipairs { { stream = true, max_body = 1000 }, { stream = true, max_body = 1000, redirects = 0 } } do
      sending(HEAD:format(5000) .. ("x"):rep(1001), function(server)
        local r = @http.get(server.url, opts)
        local _, e = @try(function() return r:text() end)
        assert.equal("http.body", e.kind)
        assert.equal(1000, e.limit)
        all_gone(server)
      end)
    end
  end)

  it("http.body and the limit, when a line is longer than max_body", function()
    sending(HEAD:format(5000) .. "short\n" .. ("x"):rep(1001), function(server)
      local lines = @http.get(server.url, { stream = true, max_body = 1000 }):lines()
      assert.equal("short", lines())
      local _, e = @try(lines)
      assert.equal("http.body", e.kind)
      assert.truthy(e.message:find("line 2 of", 1, true))
      all_gone(server)
    end)
  end)

  it("timeout, when no byte comes for as long as stall says", function()
    sending(HEAD:format(1000) .. "abc", function(server)
      local r = @http.get(server.url, { stream = true, stall = "50ms", timeout = "10s" })
      local text, e = failure(r)
      assert.equal("abc", text)
      assert.equal("timeout", e.kind)
      assert.equal(0.05, e.after)
      assert.truthy(e.message:find("no byte of the body of", 1, true))
      all_gone(server)
    end)
  end)

  it("nothing, when it comes slower than timeout says, or is read slower than stall says", function()
    sending(HEAD:format(3), function(server)
      local chunks = @http.get(server.url, { stream = true, stall = "200ms", timeout = "100ms" }):chunks()
      for _ = 1, 3 do
        @sleep("70ms")
        server.last:write("x")
        assert.equal("x", chunks())
      end
      assert.is_nil(chunks())
    end)
    sending(HEAD:format(200000) .. ("x"):rep(200000), function(server)
      local r = @http.get(server.url, { stream = true, stall = "20ms" })
      @sleep("60ms")
      assert.equal(200000, #r:text())
    end)
  end)

  it("timeout, when the head does not come in time", function()
    sending("HTTP/1.1 200 OK\r\n", function(server)
      local _, e = @try(@http.get, server.url, { stream = true, timeout = "50ms" })
      assert.equal("timeout", e.kind)
      assert.equal(0.05, e.after)
      all_gone(server)
    end)
  end)

  it("argument, for misuse", function()
    local function message(fn)
      local _, e = @try(fn)
      assert.equal("argument", e.kind)
      return e.message
    end
    assert.truthy(message(@(@http.get("http://127.0.0.1:1/", { stall = "1s" }))):find("stream = true", 1, true))
    assert.truthy(message(@(@http.get("http://127.0.0.1:1/", { stream = true, stall = 0 }))):find("stall", 1, true))
    assert.truthy(message(@(@http.get("http://127.0.0.1:1/", { stream = "yes" }))):find("stream", 1, true))
    sending(HEAD:format(3) .. "abc", function(server)
      local r = @http.get(server.url, STREAM)
      assert.truthy(message(@(r.chunks())):find("colon", 1, true))
      r:lines()
      assert.truthy(message(@(r:text())):find("lines()", 1, true))
    end)
  end)

  it("http.busy, when two tasks read", function()
    sending(HEAD:format(3), function(server)
      local r = @http.get(server.url, STREAM)
      local first = @async(@(r:chunks()()))
      local _, e = @try(r:chunks())
      assert.equal("http.busy", e.kind)
      server.last:write("abc")
      assert.equal("abc", first:await())
    end)
  end)
end)

describe("A streamed body is given up, and its connection closed,", function()
  -- A body of which "abc" comes, and then nothing.
  local function stalled(fn) return sending(HEAD:format(1000) .. "abc", fn) end

  local function closed(fn)
    local _, e = @try(fn)
    assert.equal("closed", e.kind)
  end

  it("by close()", function()
    stalled(function(server)
      local r = @http.get(server.url, STREAM)
      r:close()
      r:close()
      all_gone(server)
      closed(r:chunks())
      closed(@(r:text()))
    end)
  end)

  it("when a timeout around its reader passes", function()
    stalled(function(server)
      local r = @http.get(server.url, STREAM)
      local _, e = @try(@timeout, "200ms", @(r:chunks():count()))
      assert.equal("timeout", e.kind)
      all_gone(server)
      closed(r:chunks())
    end)
  end)

  it("when a timeout around all of it passes", function()
    stalled(function(server)
      local _, e = @try(@timeout, "50ms", @(@http.get(server.url, STREAM):text()))
      assert.equal("timeout", e.kind)
      all_gone(server)
    end)
  end)

  it("when its reader is cancelled, who learns that the request was sent", function()
    stalled(function(server)
      local seen
      @scope(function(s)
        s:spawn(function()
          local chunks = @http.get(server.url, STREAM):chunks()
          chunks()
          local ok, e = pcall(chunks)
          seen = not ok and e
          error(e, 0)
        end)
        server:wait(function() return #server.requests == 1 end)
        @sleep("10ms")
        s:cancel()
      end)
      assert.equal("cancelled", seen.kind)
      assert.is_true(seen.sent)
      all_gone(server)
    end)
  end)

  it("at the end of its scope, after a break", function()
    sending(HEAD:format(1000) .. "a\nb\n", function(server)
      @scope(function()
        local n = 0
        for line in @http.get(server.url, STREAM):lines() do
          n = n + 1
          if line == "b" then break end
        end
        assert.equal(2, n)
        assert.equal(0, server.ended)
      end)
      all_gone(server)
    end)
  end)

  it("at the end of its scope, also when all of it has arrived", function()
    sending(HEAD:format(3) .. "abc", function(server)
      local kept
      @scope(function()
        kept = @http.get(server.url, STREAM)
        @sleep("5ms")
      end)
      closed(kept:chunks())
      assert.equal("abc", @http.get(server.url):text())
      assert.equal(1, server.accepted)
    end)
  end)

  it("at the end of the task that has opened it", function()
    stalled(function(server)
      local r = @async(@(@http.get(server.url, STREAM))):await()
      all_gone(server)
      closed(r:chunks())
    end)
  end)

  it("at the end of its scope, while a task outside it reads", function()
    stalled(function(server)
      local body, reader = @channel(1), nil
      @scope(function(outer)
        reader = outer:async(function()
          local chunks = body:recv():chunks()
          assert.equal("abc", chunks())
          local _, e = @try(chunks)
          return e.kind
        end)
        @scope(function()
          body:send(@http.get(server.url, STREAM))
          @sleep("10ms")
        end)
        assert.equal("closed", reader:await())
      end)
      all_gone(server)
    end)
  end)

  it("by a stage that takes no more", function()
    sending(HEAD:format(1000) .. "a\nb\nc", function(server)
      assert.same({ "a" }, @http.get(server.url, STREAM):lines():take(1):collect())
      all_gone(server)
    end)
  end)

  it("when it is collected", function()
    stalled(function(server)
      for _ = 1, 3 do
        local chunks = @http.get(server.url, STREAM):chunks()
        chunks()
      end
      for _ = 1, 10 do
        collectgarbage()
        if server.ended == 3 then break end
        @sleep("1ms")
      end
      assert.equal(3, server.ended)
    end)
  end)

  it("in a coroutine that is never resumed", function()
    stalled(function(server)
      @scope(function()
        coroutine.wrap(function()
          @scope(function()
            coroutine.yield(@http.get(server.url, STREAM))
          end)
        end)()
      end)
      collectgarbage()
      collectgarbage()
      all_gone(server)
    end)
  end)

  it("and nothing is left of it", function()
    stalled(function(server)
      @http.get(server.url, { stream = true }):close()
      all_gone(server)
      test.leaks(function()
        for _ = 1, 20 do
          @scope(function()
            local chunks = @http.get(server.url, STREAM):chunks()
            assert.equal("abc", chunks())
            pcall(@timeout, "1ms", chunks)
          end)
        end
        all_gone(server)
      end)
    end)
  end)

  it("when the program ends, by an error or with nobody left to read", function()
    stalled(function(server)
      local r = program.run({ "-" }, { stdin = ([[
        local url = "%s"
        local kept = {}
        for i = 1, 3 do kept[i] = @http.get(url, { stream = true }) end
        @spawn(function() for _ in kept[1]:chunks() do end end)
        @spawn(function() @http.get(url, { stream = true }):text() end)
        kept[2]:chunks()()
        @sleep("10ms")
        error("enough")
      ]]):format(server.url) })
      assert.equal(1, r.status)
      assert.truthy(r.stderr:find("enough", 1, true))
      r = program.run({ "-" }, { stdin = ('kept = @http.get("%s", { stream = true })'):format(server.url) })
      assert.equal(0, r.status, r.stderr)
      all_gone(server)
    end)
  end)

  it("wherever the cancellation comes", function()
    raw_server.with(function(connection)
      connection:write(HEAD:format(9) .. "a\nb")
      core.spawn(function()
        core.sleep(0.001)
        connection:write("c\nd\ne\n")
      end)
    end, function(server)
      for turns = 0, 40 do
        @scope(function(s)
          s:spawn(function()
            assert.same({ "a", "bc", "d", "e" }, collect(@http.get(server.url, STREAM):lines()))
          end)
          for _ = 1, turns % 20 do @sleep(0) end
          s:cancel()
        end)
      end
      assert.same({ "a", "bc", "d", "e" }, collect(@http.get(server.url, STREAM):lines()))
    end)
  end)
end)

-- @http.download: a body that goes to a file, and how long what took.
local leaks = require("tusk.test").leaks
local raw_server = require "spec.support.raw_server"
local temp = require "spec.support.temp"

local response = raw_server.response

-- An answer with n bytes to come, of which `body` is there.
local function beginning(n, body)
  return ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(n, body)
end

-- fn(server, path of a file that holds "old", folder); nothing but that file may be left in the folder.
local function with_server(answer, fn)
  temp.dir(function(dir)
    local path = temp.write(dir .. "/target", "old")
    raw_server.with(answer, function(server) fn(server, path, dir) end)
    assert.same({ "target" }, temp.list(dir))
  end)
end

local function always(bytes)
  return function(connection) connection:write(bytes) end
end

local function fails(kind, fn, ...)
  local _, e = @try(fn, ...)
  assert.is_true(e:is(kind), e.kind .. ": " .. e.message)
  return e
end

describe("@http.download", function()
  it("puts the body in the file and tells how far it is", function()
    local text = ("0123456789"):rep(30000)
    with_server(always(response(200, { "X-A: 1" }, text)), function(s, path)
      local seen, total = {}, nil
      local r, bytes = @http.download(s.url .. "/x", path, {
        on_progress = function(n, all) seen[#seen + 1], total = n, all end,
      })
      assert.is_true(temp.read(path) == text)
      assert.same({ 200, #text, "1", path }, { r.status, bytes, r.headers["x-a"], r.file })
      assert.same({ #text, #text }, { seen[#seen], total })
      for i = 2, #seen do assert.is_true(seen[i] > seen[i - 1]) end
      assert.equal("identity", s.requests[1].header("accept-encoding"))
      assert.truthy(fails("argument", r.text, r).message:find("is in the file", 1, true))
    end)
  end)

  it("does not know the size of what comes in chunks, and makes an empty file of nothing", function()
    with_server(function(connection, request)
      local chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
      connection:write(request.target == "/empty" and response(200) or chunked)
    end, function(s, path)
      local calls = {}
      local function on_progress(...) calls[#calls + 1] = { n = select("#", ...), ... } end
      @http.download(s.url .. "/", path, { on_progress = on_progress, mode = "600" })
      assert.same({ { n = 2, 3 } }, calls)
      assert.same({ "abc", 384 }, { temp.read(path), @file.metadata(path).mode })
      @http.download(s.url .. "/empty", path)
      assert.equal("", temp.read(path))
    end)
  end)

  it("sends a client's headers, and the caller's word on compression", function()
    with_server(always(response(200, {}, "new")), function(s, path)
      local client = @http.client { base = s.url, headers = { ["X-A"] = "1" }, max_body = 1, max_connections = 1 }
      for _, given in ipairs { "gzip", false } do
        client.download("/x", path, { headers = { ["accept-encoding"] = given }, query = { a = 1 } })
        assert.equal(given or nil, s.requests[#s.requests].header("accept-encoding"))
      end
      assert.equal("/x?a=1 1", s.requests[1].target .. " " .. s.requests[1].header("x-a"))
      assert.equal("new", temp.read(path))
    end)
  end)

  it("raises for a status of 400 or more, and keeps what the server says", function()
    with_server(always(response(404, {}, "no such page")), function(s, path)
      local e = fails("http.status.404", @http.download, s.url .. "/", path)
      assert.equal("no such page", e.response:text())
      assert.equal("old", temp.read(path))
    end)
  end)

  it("leaves the file as it is when the answer is 304", function()
    with_server(always("HTTP/1.1 304 Not Modified\r\n\r\n"), function(s, path)
      local r, bytes = @http.download(s.url .. "/", path, { headers = { ["If-None-Match"] = '"x"' } })
      assert.same({ 304, 0 }, { r.status, bytes })
      assert.equal("old", temp.read(path))
    end)
  end)

  it("leaves the file as it is when the body breaks off, stalls or is too large", function()
    local function break_off(connection)
      connection:write(beginning(10, "abc"))
      connection:close()
    end
    with_server(break_off, function(s, path)
      fails("http.body", @http.download, s.url .. "/", path)
      assert.equal("old", temp.read(path))
    end)
    with_server(always(beginning(10, "abc")), function(s, path)
      local e = fails("timeout", @http.download, s.url .. "/", path, { stall = "20ms" })
      assert.equal(0.02, e.after)
      assert.equal("old", temp.read(path))
    end)
    with_server(always(response(200, {}, "0123456789")), function(s, path)
      local e = fails("http.body", @http.download, s.url .. "/", path, { max_body = 9 })
      assert.equal(9, e.limit)
      assert.equal("old", temp.read(path))
    end)
  end)

  it("gives up when on_progress fails, and closes the connection", function()
    with_server(always(beginning(10, "abc")), function(s, path)
      local mine = { "mine" }
      local _, e = @try(@http.download, s.url .. "/", path, { on_progress = function() error(mine) end })
      assert.is_true(rawequal(mine, e))
      s:wait(function() return s.ended == 1 end)
      assert.equal("old", temp.read(path))
    end)
  end)

  it("asks nothing of the server when the file cannot be written", function()
    with_server(always(response(200)), function(s, _, dir)
      fails("file.not_found", @http.download, s.url .. "/", dir .. "/none/target")
      fails("argument", @http.download, s.url .. "/", dir .. "/target", { mode = "rw" })
      assert.equal(0, s.accepted)
    end)
  end)

  it("says what is wrong with a call", function()
    local function message(...) return fails("argument", @http.download, ...).message end
    assert.truthy(message("http://127.0.0.1:1/", nil):find("path: string expected, got nil", 1, true))
    assert.truthy(message("http://127.0.0.1:1/", "x", { on_progres = print }):find('did you mean "on_progress"', 1, true))
    assert.truthy(message("http://127.0.0.1:1/", "x", { on_progress = 1 }):find("on_progress: function expected", 1, true))
    assert.truthy(message("http://127.0.0.1:1/", "x", { headers = 1 }):find("headers: table expected", 1, true))
    assert.truthy(message(@http, "http://127.0.0.1:1/", "x"):find("with a dot, not a colon", 1, true))
  end)

  it("cancelled, it leaves neither a file nor a connection", function()
    with_server(always(beginning(10, "abc")), function(s, path)
      leaks(function()
        local task = @async(@http.download, s.url .. "/", path)
        s:wait(function() return #s.requests == 1 end)
        task:cancel()
        local _, e = @try(task.await, task)
        assert.equal("task_cancelled", e.kind)
      end)
      s:wait(function() return s.ended == 1 end)
      assert.equal("old", temp.read(path))
    end)
  end)

  it("two go on side by side", function()
    local first
    with_server(function(connection, request)
      connection:write(beginning(6, "abc"))
      if request.target == "/a" then first = connection return end
      connection:write("def") -- the later one ends first
      first:write("xyz")
    end, function(s, path, dir)
      @all(@(@http.download(s.url .. "/a", path)), function()
        s:wait(function() return #s.requests == 1 end)
        @http.download(s.url .. "/b", dir .. "/other")
      end)
      assert.same({ "abcxyz", "abcdef" }, { temp.read(path), temp.read(dir .. "/other") })
      @file.remove(dir .. "/other")
    end)
  end)
end)

describe("response.timings", function()
  it("are of the phases in their order, and of a kept connection none", function()
    raw_server.with(always(response(200, {}, "x")), function(s)
      local first = @http.get(s.url .. "/").timings
      assert.is_true(first.connect > 0)
      assert.is_true(first.dns + first.connect <= first.first_byte and first.first_byte <= first.total)
      assert.equal(0, first.tls)
      local r = @http.get(s.url .. "/")
      assert.same({ 0, 0, 0 }, { r.timings.dns, r.timings.connect, r.timings.tls })
      assert.is_true(0 < r.timings.first_byte and r.timings.first_byte <= r.timings.total)
      assert.equal(r.elapsed, r.timings.total)
      assert.equal(1, s.accepted)
    end)
  end)
end)

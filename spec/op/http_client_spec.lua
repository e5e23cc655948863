-- @http.client: what is always said to one server.
local raw_server = require "spec.support.raw_server"

local function with_server(fn)
  return raw_server.with(function(connection, request)
    if request.target:find("/away", 1, true) then
      connection:write(raw_server.response(302, { "Location: " .. request.target:match("%?(.*)") }))
    else
      connection:write(raw_server.response(200, {}, request.target))
    end
  end, fn)
end

local function argument_error(fn, ...)
  local _, e = @try(fn, ...)
  assert.equal("argument", e.kind)
  return e.message
end

local function last(server) return server.requests[#server.requests] end

describe("@http.client", function()
  it("puts its base before a path", function()
    with_server(function(s)
      for base, path in pairs { ["/v1"] = "/x", ["/v1/"] = "x", ["/v1//"] = "/x" } do
        assert.equal("/v1/x", @http.client({ base = s.url .. base }).get(path):text())
      end
      assert.equal("/v1?a=1", @http.client({ base = s.url .. "/v1" }).get("?a=1"):text())
    end)
  end)

  it("has the verbs of @http", function()
    with_server(function(s)
      local client = @http.client { base = s.url }
      for _, verb in ipairs { "get", "post", "put", "patch", "delete", "head", "options" } do
        client[verb]("/x")
        assert.equal(verb:upper(), last(s).method)
      end
      client.send { method = "REPORT", url = "/x" }
      assert.equal("REPORT", last(s).method)
      client.request("/y"):query { a = 1 }:post()
      assert.equal("/y?a=1", last(s).target)
    end)
  end)

  it("sends its headers, which a call may replace or leave out", function()
    with_server(function(s)
      local client = @http.client { base = s.url, headers = { ["X-A"] = "1", ["X-B"] = "2", Accept = "text/x" } }
      client.get("/", { headers = { ["x-a"] = "9", ["X-B"] = false } })
      assert.equal("9", last(s).header("x-a"))
      assert.is_nil(last(s).header("x-b"))
      assert.equal("text/x", last(s).header("accept"))
    end)
  end)

  it("sends its credentials, which a call may replace", function()
    with_server(function(s)
      local client = @http.client { base = s.url, bearer = "t" }
      client.get("/")
      assert.equal("Bearer t", last(s).header("authorization"))
      client.get("/", { basic = "u:p" })
      assert.equal("Basic dTpw", last(s).header("authorization"))
    end)
  end)

  it("takes an absolute URL of its own server, and of no other", function()
    with_server(function(s)
      with_server(function(other)
        local client = @http.client { base = s.url .. "/v1", bearer = "t" }
        assert.equal("/page/2", client.get(s.url .. "/page/2"):text())
        local message = argument_error(client.get, other.url .. "/x")
        assert.truthy(message:find("use @http for other servers", 1, true))
        assert.equal(0, other.accepted)
      end)
    end)
  end)

  it("takes nothing to the server that a redirect leads to", function()
    with_server(function(s)
      with_server(function(other)
        local client = @http.client { base = s.url, bearer = "t", headers = { ["X-Key"] = "k" } }
        client.get("/away?" .. other.url .. "/x")
        assert.is_nil(last(other).header("authorization"))
        assert.is_nil(last(other).header("x-key"))
        assert.equal("k", last(s).header("x-key"))
      end)
    end)
  end)

  it("applies its limits unless a call has its own", function()
    raw_server.saying(raw_server.response(200, {}, ("x"):rep(100)), function(s)
      local client = @http.client { base = s.url, max_body = 10 }
      local _, e = @try(client.get, "/")
      assert.equal(10, e.limit)
      assert.equal(100, #client.get("/", { max_body = 100 }):text())
    end)
    raw_server.with(function() end, function(s)
      local client = @http.client { base = s.url, timeout = "100ms" }
      local _, e = @try(client.get, "/")
      assert.equal(0.1, e.after)
    end)
  end)

  it("has no more than max_connections requests under way", function()
    local most, now = 0, 0
    raw_server.with(function(connection, request)
      now = now + 1
      most = math.max(most, now)
      @spawn(function()
        @sleep(0.002)
        now = now - 1
        connection:write(raw_server.response(200, {}, request.target))
      end)
    end, function(s)
      local client = @http.client { base = s.url, max_connections = 3 }
      local paths = {}
      for i = 1, 20 do paths[i] = "/" .. i end
      local answers = @map(paths, function(path) return client.get(path):text() end, { concurrency = 20 })
      for i = 1, 20 do assert.equal("/" .. i, answers[i]) end
      assert.equal(3, most)
      assert.equal(3, s.accepted)
    end)
  end)

  -- Answers with half a body, of which the rest comes when it is asked for "/rest".
  local function half(connection, request)
    if request.target == "/rest" then
      connection.server.first:write("def")
      return connection:write(raw_server.response(200, {}, "rest"))
    end
    connection.server.first = connection
    connection:write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
  end

  it("counts a streamed body until it ends, however that is", function()
    local ends = {
      function(r, url)
        @http.get(url .. "/rest")
        assert.equal("abcdef", r:text())
      end,
      function(r) r:close() end,
      function(r) pcall(@timeout, "1ms", @(r:text())) end,
      function(r, _, s)
        r:chunks()()
        s.first:reset()
        assert.is_false(pcall(r.text, r))
      end,
    }
    for _, finish in ipairs(ends) do
      raw_server.with(half, function(s)
        local client = @http.client { base = s.url, max_connections = 1 }
        local r = client.get("/a", { stream = true })
        local next_one = @async(@(client.get("/b", { stream = true })))
        local _, e = @try(client.get, "/c", { timeout = "20ms" })
        assert.equal("timeout", e.kind)
        assert.equal(1, #s.requests)
        finish(r, s.url, s)
        next_one:await()
        @scope(function() client.get("/d", { stream = true }) end)
        @scope(function() client.get("/e", { stream = true }) end) -- whose places scopes have given back
      end)
    end
  end)

  it("keeps the line in order when some leave it", function()
    raw_server.with(function() end, function(s)
      local client = @http.client { base = s.url, max_connections = 1 }
      local tasks = {}
      for i = 1, 6 do tasks[i] = @async(client.get, "/" .. i) end
      s:wait(function() return #s.requests == 1 end)
      for _, i in ipairs { 4, 2, 6 } do tasks[i]:cancel() end
      for _, i in ipairs { 1, 3, 5 } do
        s:wait(function() return s.requests[#s.requests].target == "/" .. i end)
        tasks[i]:cancel()
      end
      assert.equal(3, #s.requests)
    end)
  end)

  it("counts the wait for a turn against the timeout", function()
    raw_server.with(function() end, function(s)
      local client = @http.client { base = s.url, max_connections = 1 }
      local slow = @async(client.get, "/slow", { timeout = "5s" })
      local _, e = @try(client.get, "/x", { timeout = "50ms" })
      assert.equal("timeout", e.kind)
      assert.equal(0.05, e.after)
      slow:cancel()
      assert.equal(1, #s.requests)
    end)
  end)

  it("gives the place back when a request fails", function()
    raw_server.with(function(connection) connection:reset() end, function(s)
      local client = @http.client { base = s.url, max_connections = 1 }
      for _ = 1, 3 do
        local _, e = @try(client.get, "/")
        assert.equal("http.connect", e.kind)
      end
    end)
  end)

  it("says so when it is called with a colon", function()
    local client = @http.client { base = "http://127.0.0.1:1" }
    local message = argument_error(function() client:get("/x") end)
    assert.truthy(message:find("client.get is called with a dot", 1, true))
  end)

  it("names the nearest function for one that it has not", function()
    local client = @http.client {}
    assert.truthy(argument_error(function() return client.pots end):find('"post"', 1, true))
  end)

  it("refuses options that cannot be right, when it is made", function()
    for name, value in pairs {
      base = "example.com", headers = { ["a b"] = "1" }, bearer = "a\nb", basic = "x", timeout = "soon",
      max_connections = 0, max_body = "x", tls = { verify = true }, redirects = -1, cookies = 1,
    } do
      argument_error(@http.client, { [name] = value })
    end
    argument_error(@http.client, { base = "http://h/?a=1" })
    argument_error(@http.client, { bearer = "t", basic = "u:p" })
  end)
end)

-- @http by proxies and local sockets, and with cookies.
local leaks = require("tusk.test").leaks
local uv = require "luv"
local proxy = require "spec.support.proxy"
local raw_server = require "spec.support.raw_server"
local temp = require "spec.support.temp"

local response = raw_server.response

local function with_server(fn, answer)
  return raw_server.with(answer or function(connection, request)
    connection:write(response(200, {}, "at " .. request.target))
  end, fn)
end

local function fails(kind, ...)
  local _, e = @try(@http.get, ...)
  assert.truthy(e, "nothing failed")
  assert.equal(kind, e.kind, e.message)
  return e
end

local function has(text, what)
  assert.truthy(text:find(what, 1, true), text)
end

describe("@http by a proxy", function()
  it("asks an HTTP proxy for the whole URL", function()
    with_server(function(s)
      proxy.with(nil, function(p)
        local url = ("http://far.test:%d/x"):format(s.port)
        assert.equal("at " .. url, @http.get(url, { proxy = "http://u:p%20w@" .. p.peer }):text())
        assert.same({ "GET " .. url }, p.seen)
        assert.truthy(p.heads[1]:find("Proxy-Authorization: Basic dTpwIHc=", 1, true)) -- u:p w
      end)
    end)
  end)

  it("asks a SOCKS proxy for the name, or for the address that it has", function()
    with_server(function(s)
      proxy.with(nil, function(p)
        local r = @http.get(("http://far.test:%d/x"):format(s.port), { proxy = "socks5h://u:pw@" .. p.peer })
        assert.equal("at /x", r:text())
        r = @http.get(s.url .. "/y", { proxy = "SOCKS5://" .. p.peer .. "/" })
        assert.equal("at /y", r:text())
        assert.same({ "USER u:pw", "SOCKS far.test", "SOCKS 127.0.0.1" }, p.seen)
      end)
    end)
  end)

  it("is what a client or a builder says, unless a call says otherwise", function()
    with_server(function(s)
      proxy.with(nil, function(p)
        local client = @http.client { base = s.url, proxy = "http://" .. p.peer }
        client.get("/a")
        client.get("/b", { proxy = false })
        @http.request(s.url .. "/c"):proxy("http://" .. p.peer):get()
        assert.same({ "GET " .. s.url .. "/a" }, p.seen) -- and the third over the same connection
        assert.same({ s.url .. "/a", "/b", s.url .. "/c" }, { s.requests[1].target, s.requests[2].target, s.requests[3].target })
      end)
    end)
  end)

  it("goes the way of the environment when told so, and then only", function()
    with_server(function(s)
      proxy.with(nil, function(p)
        uv.os_setenv("http_proxy", "http://" .. p.peer)
        finally(function()
          uv.os_unsetenv("http_proxy")
          uv.os_unsetenv("no_proxy")
        end)
        @http.get(s.url .. "/a", { proxy = "env" })
        @http.get(s.url .. "/b")
        uv.os_setenv("no_proxy", "127.0.0.1")
        @http.get(s.url .. "/c", { proxy = "env" })
        assert.same({ "GET " .. s.url .. "/a" }, p.seen)
      end)
    end)
  end)

  it("stays the way after a redirect, and gets no header that was the server's", function()
    with_server(function(s)
      proxy.with(nil, function(p)
        local r = @http.get(s.url .. "/1", { proxy = "http://" .. p.peer, headers = { ["X-Secret"] = "s" } })
        assert.equal("there", r:text())
        assert.equal(("http://other.test:%d/2"):format(s.port), s.requests[2].target)
        assert.same({ "s" }, { s.requests[1].header("x-secret"), s.requests[2].header("x-secret") })
      end)
    end, function(connection, request)
      if request.target:find("/1", 1, true) then
        local port = request.target:match(":(%d+)")
        return connection:write(response(302, { ("Location: http://other.test:%s/2"):format(port) }))
      end
      connection:write(response(200, {}, "there"))
    end)
  end)

  it("fails with http.connect when nobody listens there, and names it without its password", function()
    local peer = "127.0.0.1:" .. raw_server.free_port()
    local e = fails("http.connect", "http://far.test/", { proxy = "http://u:secret@" .. peer })
    has(e.message, "cannot connect to far.test:80 through the proxy " .. peer)
    assert.is_nil(e.message:find("secret", 1, true))
    assert.same({ false, true }, { e.sent, e.retryable })
  end)

  it("fails with http.proxy when the proxy will not, or has no address", function()
    for status, again in pairs { [407] = false, [502] = true } do
      proxy.with({ status = status }, function(p)
        local e = fails("http.proxy", "https://far.test/", { proxy = "http://" .. p.peer })
        has(e.message, "which answered " .. status)
        assert.same({ status, false, again }, { e.status, e.sent, e.retryable })
        e = fails("http.proxy", "http://far.test/", { proxy = "socks5h://" .. p.peer })
        assert.same({ false, false }, { e.sent, e.retryable })
      end)
    end
    fails("http.proxy", "http://far.test/", { proxy = "http://no-such-name.invalid:1" })
  end)

  it("says what is wrong with one", function()
    for given, why in pairs {
      ["host:3128"] = 'such as "http://host:3128"', ["sock5://h:1"] = 'did you mean "socks5"', ["http://h"] = "port too",
      ["http://h:1/x"] = "a path", ["http://h:99999"] = "proxy: ", ["http://a b:1"] = "a space",
      ["http://h:1\r\nX: y"] = "control character", ["ftp://h:1"] = "is none of", [""] = "scheme",
    } do
      local e = fails("argument", "http://127.0.0.1:1/", { proxy = given })
      has(e.message, why)
    end
    fails("argument", "http://127.0.0.1:1/", { proxy = true })
    local _, e = @try(@http.client, { proxy = "host" })
    assert.equal("argument", e.kind)
  end)
end)

-- fn(path of a socket that answers every request with what it was asked)
local function with_socket(fn, answer)
  temp.dir(function(dir)
    local listener, open, path = uv.new_pipe(), {}, dir .. "/s.sock"
    assert(listener:bind(path))
    listener:listen(16, function()
      local c = uv.new_pipe()
      listener:accept(c)
      open[#open + 1] = c
      c:read_start(function(_, bytes)
        if not bytes then return c:close() end
        local target, host = bytes:match("^%S+ (%S+).-\r\nHost: ([^\r]+)")
        if target ~= "/mute" then c:write((answer or response)(200, {}, host .. target)) end
      end)
    end)
    local ok, e = pcall(fn, path)
    for _, c in ipairs(open) do
      if not c:is_closing() then c:close() end
    end
    listener:close()
    if not ok then error(e, 0) end
  end)
end

describe("@http on a local socket", function()
  it("speaks to the server behind its path", function()
    with_socket(function(path)
      local docker = @http.client { base = "http://docker/v1", unix = path }
      assert.equal("docker/v1/info", docker.get("/info"):text())
      assert.equal("docker/v1/more", docker.get("/more", { stream = true }):text())
      assert.equal("a.test/", @http.get("http://a.test/", { unix = path }):text())
    end)
  end)

  it("keeps its connections for itself", function()
    with_socket(function(path)
      with_server(function(s)
        local url = s.url .. "/x"
        for _ = 1, 3 do
          assert.equal(url:sub(8), @http.get(url, { unix = path }):text())
          assert.equal("at /x", @http.get(url):text())
        end
        assert.equal(1, s.accepted)
      end)
    end)
  end)

  it("fails with http.connect when nobody listens", function()
    local e = fails("http.connect", "http://a.test/", { unix = "/no/such/socket" })
    has(e.message, "cannot connect to /no/such/socket")
    assert.is_false(e.sent)
  end)

  it("does not take a redirect to another server there, nor anywhere", function()
    with_socket(function(path)
      local e = fails("http.redirect", "http://a.test/", { unix = path })
      has(e.message, "away from the socket")
    end, function() return response(302, { "Location: http://b.test/" }) end)
  end)

  it("ends with its scope, two of them side by side", function()
    with_socket(function(path)
      local opts = { unix = path }
      local _, e = @try(function()
        @timeout("50ms", @(@all(@(@http.get("http://a/mute", opts)), @(@http.get("http://b/mute", opts)))))
      end)
      assert.equal("timeout", e.kind)
      local a, b = @all(@(@http.get("http://a/1", opts):text()), @(@http.get("http://b/2", opts):text()))
      assert.same({ "a/1", "b/2" }, { a, b })
    end)
  end)

  it("says what is wrong with one", function()
    fails("argument", "http://a/", { unix = "" })
    fails("argument", "http://a/", { unix = "a\0b" })
    has(fails("argument", "http://a/", { unix = ("x"):rep(108) }).message, "at most 107 bytes")
    has(fails("argument", "http://a/", { unix = "/a", proxy = "http://h:1" }).message, "exclude each other")
  end)
end)

describe("@http.client with cookies", function()
  -- Gives a cookie at /login, and a redirect there at /; says what cookies it was sent.
  local function answer(connection, request)
    local sent = request.header("cookie") or "none"
    local path = request.target
    if path == "/login" then
      return connection:write(response(200, { "Set-Cookie: id=42; Path=/", "Set-Cookie: deep=1; Path=/deep" }, sent))
    elseif path == "/logout" then
      return connection:write(response(200, { "Set-Cookie: id=; Path=/; Max-Age=0" }, sent))
    elseif path == "/via" then
      return connection:write(response(302, { "Location: /after", "Set-Cookie: via=1; Path=/" }))
    end
    connection:write(response(200, {}, sent))
  end

  it("sends back what it was given, where it belongs", function()
    with_server(function(s)
      local client = @http.client { base = s.url, cookies = true }
      assert.equal("none", client.get("/login"):text())
      assert.equal("id=42", client.get("/x"):text())
      assert.equal("id=42", client.get("/x", { stream = true }):text())
      assert.equal("deep=1; id=42", client.get("/deep/x"):text())
      client.get("/logout")
      assert.equal("none", client.get("/x"):text())
    end, answer)
  end)

  it("takes those of redirects along", function()
    with_server(function(s)
      assert.equal("via=1", @http.client({ base = s.url, cookies = true }).get("/via"):text())
    end, answer)
  end)

  it("sends the call's own in the same line", function()
    with_server(function(s)
      local client = @http.client { base = s.url, cookies = true }
      client.get("/login")
      assert.equal("id=42; a=b", client.get("/x", { headers = { cookie = "a=b" } }):text())
      assert.equal("id=42", client.get("/x"):text())
      local _, count = s.requests[2].head:gsub("[Cc]ookie:", "")
      assert.equal(1, count)
    end, answer)
  end)

  it("keeps them from other clients, from other hosts, and from @http", function()
    with_server(function(s)
      local mine = @http.client { base = s.url, cookies = true }
      local other = @http.client { base = s.url, cookies = true }
      local plain = @http.client { base = s.url }
      mine.get("/login")
      assert.equal("none", other.get("/x"):text())
      assert.equal("none", plain.get("/x"):text())
      assert.equal("none", @http.get(s.url .. "/x"):text())
      assert.equal("id=42", mine.get("/x"):text())
    end, answer)
  end)

  -- The same, but /away leads to the same server by another name.
  local function leads_away(connection, request)
    if request.target ~= "/away" or request.header("host"):find("^localhost") then return answer(connection, request) end
    local port = request.header("host"):match(":(%d+)")
    connection:write(response(302, { ("Location: http://localhost:%s/away"):format(port) }))
  end

  it("does not send them to the host that a redirect leads to", function()
    with_server(function(s)
      local client = @http.client { base = s.url, cookies = true }
      client.get("/login")
      assert.equal("none", client.get("/away"):text())
      assert.equal("localhost:" .. s.port, s.requests[3].header("host"))
    end, leads_away)
  end)

  -- libcurl remembers the host that a request has named, past the request and past a reset of its handle.
  it("does not send them there though a request before has named its host itself", function()
    with_server(function(s)
      @http.get(s.url .. "/x", { headers = { host = "a.example" } })
      local client = @http.client { base = s.url, cookies = true }
      client.get("/login")
      assert.equal("none", client.get("/away"):text())
      assert.equal("none", client.get("/x", { headers = { host = "b.example" } }):text())
      assert.equal("id=42", client.get("/x"):text())
    end, leads_away)
  end)

  it("lets go of them with the client", function()
    with_server(function(s)
      leaks(function()
        local jars = setmetatable({}, { __mode = "k" })
        for _ = 1, 20 do
          local client = @http.client { base = s.url, cookies = true }
          jars[client] = client.get("/").status
        end
        @http.get(s.url .. "/") -- and no handle keeps one either
        s:wait(function() return s.ended == 21 end)
        collectgarbage()
        collectgarbage()
        assert.is_nil((next(jars)))
      end)
    end, function(connection) connection:write(response(200, { "Connection: close", "Set-Cookie: id=1" })) end)
  end)

  it("takes true or false", function()
    local _, e = @try(@http.client, { cookies = "yes" })
    assert.equal("argument", e.kind)
    e = fails("argument", "http://127.0.0.1:1/", { cookies = true })
    has(e.message, "cookies")
  end)
end)

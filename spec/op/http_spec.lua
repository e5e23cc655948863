-- @http: what is sent, what comes back, what is refused before anything is sent.
local raw_server = require "spec.support.raw_server"
local raw = require "tusk.binding.curl"

local OK = raw_server.response(200, {}, "hello")

-- The request that a server got while fn(url) ran.
local function sent_by(fn)
  return raw_server.saying(OK, function(server)
    fn(server.url)
    return server.requests[#server.requests]
  end)
end

local function argument_error(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  assert.equal("argument", e.kind)
  return tostring(e)
end

describe("@http", function()
  it("returns the answer to a GET", function()
    raw_server.saying(OK, function(server)
      local r = @http.get(server.url .. "/path?x=1")
      assert.equal(200, r.status)
      assert.is_true(r.ok)
      assert.equal("hello", r:text())
      assert.equal("1.1", r.http_version)
      assert.equal(server.url .. "/path?x=1", r.url)
      assert.equal("number", type(r.elapsed))
      assert.equal("/path?x=1", server.requests[1].target)
    end)
  end)

  for _, verb in ipairs { "get", "post", "put", "patch", "delete", "options" } do
    it("sends " .. verb:upper(), function()
      local request = sent_by(function(url) @http[verb](url .. "/") end)
      assert.equal(verb:upper(), request.method)
    end)
  end

  it("sends HEAD, whose answer has no body", function()
    raw_server.saying("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", function(server)
      local r = @http.head(server.url)
      assert.equal("99999999999", r.headers["Content-Length"])
      assert.equal("", r:text())
      assert.equal("HEAD", server.requests[1].method)
    end)
  end)

  it("sends any method by send", function()
    local request = sent_by(function(url) @http.send { method = "propfind", url = url .. "/a", body = "x" } end)
    assert.equal("PROPFIND", request.method)
    assert.equal("x", request.body)
  end)

  it("sends headers, a list of values once each", function()
    local request = sent_by(function(url)
      @http.get(url, { headers = { ["X-One"] = "a", ["X-Number"] = 5, ["X-List"] = { "p", "q" }, ["X-Empty"] = "" } })
    end)
    assert.equal("a", request.header("x-one"))
    assert.equal("5", request.header("x-number"))
    assert.equal("", request.header("x-empty"))
    assert.truthy(request.head:find("X%-List: p\r\nX%-List: q\r\n"))
  end)

  it("says who asks and what it can decompress, once each, unless the caller does", function()
    local function lines(opts)
      local head = sent_by(function(url) @http.get(url .. "/", opts) end).head:lower()
      local _, agents = head:gsub("\r\nuser%-agent:", "")
      local _, encodings = head:gsub("\r\naccept%-encoding:", "")
      return agents, encodings, head
    end
    for _ = 1, 2 do
      local agents, encodings, head = lines()
      assert.same({ 1, 1 }, { agents, encodings })
      assert.truthy(head:find("\r\naccept%-encoding: gzip, deflate[, br]*\r\n"))
    end
    local agents, encodings, head = lines { headers = { ["accept-encoding"] = "identity", ["X-A"] = "1" } }
    assert.same({ 1, 1 }, { agents, encodings })
    assert.truthy(head:find("\r\naccept-encoding: identity\r\n", 1, true))
    agents, encodings = lines { headers = { ["Accept-Encoding"] = false, ["User-Agent"] = false } }
    assert.same({ 0, 0 }, { agents, encodings })
  end)

  it("writes a query in the order of its names, lists as repeated names", function()
    local request = sent_by(function(url)
      @http.get(url .. "/p", { query = { b = "x y&z=ä", a = { 1, 2.5 }, c = true, d = 2 ^ 40, e = 9007199254740993LL } })
    end)
    assert.equal("/p?a=1&a=2.5&b=x%20y%26z%3D%C3%A4&c=true&d=1099511627776&e=9007199254740993", request.target)
  end)

  it("adds a query to the one in the URL, and never sends a fragment", function()
    local request = sent_by(function(url) @http.get(url .. "/p?z=1#frag", { query = { a = 1 } }) end)
    assert.equal("/p?z=1&a=1", request.target)
  end)

  it("sends a body as it is", function()
    local body = "a\0b\r\n" .. ("x"):rep(100000)
    local request = sent_by(function(url) @http.post(url, { body = body }) end)
    assert.equal(body, request.body)
    assert.is_nil(request.header("content-type"))
    assert.is_nil(request.header("expect"))
  end)

  it("sends an empty body with a POST that has none", function()
    local request = sent_by(function(url) @http.post(url) end)
    assert.equal("0", request.header("content-length"))
  end)

  it("sends JSON", function()
    local request = sent_by(function(url) @http.post(url, { json = { 1, 2, "x" } }) end)
    assert.equal('[1,2,"x"]', request.body)
    assert.equal("application/json", request.header("content-type"))
  end)

  it("leaves a Content-Type that was given alone", function()
    local request = sent_by(function(url)
      @http.post(url, { json = { 1 }, headers = { ["content-type"] = "application/ld+json" } })
    end)
    assert.equal("application/ld+json", request.header("content-type"))
  end)

  it("sends a form", function()
    local request = sent_by(function(url) @http.post(url, { form = { b = "x y", a = "1+1" } }) end)
    assert.equal("a=1%2B1&b=x+y", request.body)
    assert.equal("application/x-www-form-urlencoded", request.header("content-type"))
  end)

  it("sends a bearer token", function()
    local request = sent_by(function(url) @http.get(url, { bearer = "t0k" }) end)
    assert.equal("Bearer t0k", request.header("authorization"))
  end)

  it("sends a user and password, given as a string, as a list or in the URL", function()
    local as_string = sent_by(function(url) @http.get(url, { basic = "user:pa:ss" }) end)
    local as_list = sent_by(function(url) @http.get(url, { basic = { "user", "pa:ss" } }) end)
    local in_url = sent_by(function(url) @http.get((url:gsub("//", "//user:pa%%3Ass@"))) end)
    assert.equal("Basic dXNlcjpwYTpzcw==", as_string.header("authorization"))
    assert.equal("Basic dXNlcjpwYTpzcw==", as_list.header("authorization"))
    assert.equal("Basic dXNlcjpwYTpzcw==", in_url.header("authorization"))
  end)

  it("sends what secrets hide", function()
    local token = require("tusk.secret").new("t0ken-value")
    local request = sent_by(function(url) @http.get(url, { bearer = token, headers = { ["X-Key"] = token } }) end)
    assert.equal("Bearer t0ken-value", request.header("authorization"))
    assert.equal("t0ken-value", request.header("x-key"))
    request = sent_by(function(url) @http.get(url, { basic = { "u", token } }) end)
    assert.equal("Basic dTp0MGtlbi12YWx1ZQ==", request.header("authorization"))
  end)

  it("does not heed proxies of the environment", function()
    require("luv").os_setenv("http_proxy", "http://127.0.0.1:1")
    local request = sent_by(function(url) @http.get(url) end)
    require("luv").os_unsetenv("http_proxy")
    assert.equal("GET", request.method)
  end)

  it("sends nothing of the request before", function()
    local last
    raw_server.saying(OK, function(server)
      @http.post(server.url, { basic = "u:p", body = "x", headers = { ["X-A"] = "1" } })
      @http.send { method = "REPORT", url = server.url }
      @http.get(server.url)
      last = server.requests[3]
    end)
    assert.equal("GET", last.method)
    assert.equal("", last.body)
    for _, name in ipairs { "authorization", "x-a", "content-length", "content-type" } do
      assert.is_nil(last.header(name))
    end
    raw_server.with(function(connection, request)
      connection:write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" .. (request.method == "HEAD" and "" or "hello"))
    end, function(server)
      @http.head(server.url)
      assert.equal("hello", @http.get(server.url):text())
    end)
  end)

  it("serves tasks that interleave", function()
    raw_server.with(function(connection, request)
      connection:write(raw_server.response(200, {}, request.target))
    end, function(server)
      local a, b = @all(
        @(@http.get(server.url .. "/a"):text() .. @http.get(server.url .. "/b"):text()),
        @(@http.get(server.url .. "/c"):text() .. @http.get(server.url .. "/d"):text()))
      assert.equal("/a/b", a)
      assert.equal("/c/d", b)
    end)
  end)
end)

describe("@http.request", function()
  it("builds a request step by step", function()
    local request = sent_by(function(url)
      @http.request(url .. "/p"):header("X-A", "1"):headers { ["X-B"] = "2" }:query { a = 1 }:query { b = 2 }
        :json({ 1 }):bearer("t"):timeout("5s"):post()
    end)
    assert.equal("POST", request.method)
    assert.equal("/p?a=1&b=2", request.target)
    assert.equal("1", request.header("x-a"))
    assert.equal("2", request.header("x-b"))
    assert.equal("Bearer t", request.header("authorization"))
    assert.equal("[1]", request.body)
  end)

  it("sends any method", function()
    local request = sent_by(function(url) @http.request(url):basic("u", "p"):body("x"):send("OPTIONS") end)
    assert.equal("OPTIONS", request.method)
    assert.equal("Basic dTpw", request.header("authorization"))
  end)

  it("names the nearest method for one that it has not", function()
    local _, e = @try(function() @http.request("http://127.0.0.1:1/"):qeury {} end)
    assert.equal("argument", e.kind)
    assert.truthy(e.message:find('a request has no "qeury" (did you mean "query"?)', 1, true), e.message)
  end)

  it("says so when it is called with a dot", function()
    local message = argument_error(function() @http.request("http://x/").get() end)
    assert.truthy(message:find("request:get() is called with a colon", 1, true))
  end)
end)

describe("@http refuses", function()
  -- Nobody listens there: a request that got out would be kind http.connect.
  local nowhere = "http://127.0.0.1:1/"

  it("an unknown option, naming the nearest", function()
    local message = argument_error(@http.get, nowhere, { header = {} })
    assert.truthy(message:find('did you mean "headers"', 1, true))
  end)

  for name, url in pairs {
    ["no scheme"] = "example.com/x", ["another scheme"] = "ftp://127.0.0.1/", ["a file"] = "file:///etc/passwd",
    ["a line end"] = "http://127.0.0.1:1/a\r\nX: y", ["a zero byte"] = "http://127.0.0.1:1/\0",
    ["DEL"] = "http://127.0.0.1:1/\127", ["a space"] = "http://127.0.0.1:1/a b", ["no host"] = "http://",
    ["a bad port"] = "http://127.0.0.1:99999/", ["a space in the host"] = "http://a b/",
  } do
    it("a URL with " .. name, function() argument_error(@http.get, url) end)
  end

  it("a URL that is no string", function() argument_error(@http.get, 5) end)

  it("control characters in every header", function()
    for byte = 0, 31 do
      argument_error(@http.get, nowhere, { headers = { ["X-A"] = "a" .. string.char(byte) .. "b" } })
      argument_error(@http.get, nowhere, { headers = { ["X-A" .. string.char(byte)] = "b" } })
    end
    argument_error(@http.get, nowhere, { headers = { ["X-A"] = "a\127" } })
    argument_error(@http.get, nowhere, { bearer = "a\r\nX-Admin: 1" })
  end)

  it("names that are not header names, and those that frame the body", function()
    for _, name in ipairs { "", "a b", "a:b", "ä", "Content-Length", "transfer-encoding" } do
      argument_error(@http.get, nowhere, { headers = { [name] = "1" } })
    end
  end)

  it("methods that are none", function()
    for _, method in ipairs { "", "GET /x", "A\r\nB", "CONNECT" } do
      argument_error(@http.send, { method = method, url = nowhere })
    end
  end)

  it("two bodies, two credentials, a body with HEAD", function()
    argument_error(@http.post, nowhere, { json = {}, body = "x" })
    argument_error(@http.get, nowhere, { bearer = "x", basic = "a:b" })
    argument_error(@http.head, nowhere, { body = "x" })
  end)

  it("options of the wrong type", function()
    for name, value in pairs {
      headers = 1, query = "a", form = 1, body = {}, basic = 1, timeout = "soon", connect_timeout = {},
      max_body = "lots", redirects = 1.5, tls = true,
    } do
      argument_error(@http.post, nowhere, { [name] = value })
    end
    argument_error(@http.get, nowhere, { basic = { "a:b", "c" } })
    argument_error(@http.get, nowhere, { tls = { verify = false } })
    argument_error(@http.get, nowhere, { query = { a = 0 / 0 } })
    argument_error(@http.get, nowhere, { query = { a = { {} } } })
  end)

  it("a call with a colon", function()
    local message = argument_error(function() @http:get(nowhere) end)
    assert.truthy(message:find("write @http.get(", 1, true))
    message = argument_error(function() @http.client({}):get(nowhere) end)
    assert.truthy(message:find("with a dot, not a colon", 1, true))
  end)

  it("to show a password in a message", function()
    local message = argument_error(@http.get, "http://user:secret@127.0.0.1:1/a b")
    assert.is_nil(message:find("secret", 1, true))
    local _, e = @try(@http.get, "http://user:secret@127.0.0.1:1/")
    assert.equal("http://***@127.0.0.1:1/", e.url)
    assert.is_nil(tostring(e):find("secret", 1, true))
  end)

  it("to be called where it could not wait, before anything is sent", function()
    raw_server.saying(OK, function(server)
      local _, e = @try(function()
        table.sort({ 1, 2 }, function() return @http.get(server.url) ~= nil end)
      end)
      assert.truthy(tostring(e):find("sort", 1, true))
      assert.equal(0, server.accepted)
    end)
  end)

  it("nothing that libcurl's URL parser takes apart", function()
    local parts = raw.url("https://u:p@EXAMPLE.com:8443/a?b=c#d")
    assert.same({ url = "https://EXAMPLE.com:8443/a?b=c", scheme = "https", host = "EXAMPLE.com", port = "8443",
      user = "u", password = "p" }, parts)
    assert.equal("http://h/x/z", raw.url("../z", "http://h/x/y/w").url)
    assert.is_nil(raw.url("http://[::1"))
  end)
end)

-- Redirects: followed by us, and what of the caller's goes where.
local raw_server = require "spec.support.raw_server"

-- A server that sends /redirect/STATUS?TO on to TO, and answers anything else with its target.
local function answer(connection, request)
  local status, location = request.target:match("^/redirect/(%d+)%?(.*)$")
  if status then
    connection:write(raw_server.response(tonumber(status), { "Location: " .. location }, "moved"))
  else
    connection:write(raw_server.response(200, {}, request.target))
  end
end

local function with_server(fn) return raw_server.with(answer, fn) end

-- fn(a, b): two servers, which are two origins.
local function with_two(fn)
  return with_server(function(a) return with_server(function(b) return fn(a, b) end) end)
end

local function last(server) return server.requests[#server.requests] end

local function redirect_error(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  assert.equal("http.redirect", e.kind)
  assert.is_true(e.sent)
  assert.is_false(e.retryable)
  return e
end

describe("@http, redirected", function()
  it("asks the first place again the next time", function()
    with_server(function(s)
      for _ = 1, 3 do assert.equal("/there", @http.post(s.url .. "/redirect/302?/there"):text()) end
      local asked = {}
      for i, request in ipairs(s.requests) do asked[i] = request.method .. " " .. request.target:match("^/%a+") end
      assert.same({ "POST /redirect", "GET /there", "POST /redirect", "GET /there", "POST /redirect", "GET /there" }, asked)
    end)
  end)

  it("goes to an absolute or relative place, and says where it ended", function()
    with_server(function(s)
      local r = @http.get(s.url .. "/redirect/302?" .. s.url .. "/there?x=1")
      assert.equal("/there?x=1", r:text())
      assert.equal(s.url .. "/there?x=1", r.url)
      assert.equal("/up", @http.get(s.url .. "/redirect/301?../up"):text())
      assert.equal(1, s.accepted)
    end)
  end)

  for _, case in ipairs {
    { 301, "POST", "GET" }, { 302, "POST", "GET" }, { 303, "POST", "GET" }, { 303, "PUT", "GET" },
    { 301, "PUT", "PUT" }, { 307, "POST", "POST" }, { 308, "PUT", "PUT" }, { 303, "HEAD", "HEAD" },
  } do
    local status, before, after = unpack(case)
    it(("turns %s into %s on %d"):format(before, after, status), function()
      with_server(function(s)
        local opts = before ~= "HEAD" and { json = { 1 } } or {}
        opts.method, opts.url = before, s.url .. "/redirect/" .. status .. "?/next"
        @http.send(opts)
        assert.equal(after, last(s).method)
        local kept = after == before and before ~= "HEAD"
        assert.equal(kept and "[1]" or "", last(s).body)
        assert.equal(kept and "application/json" or nil, last(s).header("content-type"))
      end)
    end)
  end

  it("keeps the caller's headers and credentials on the same server", function()
    with_server(function(s)
      @http.get(s.url .. "/redirect/302?/next", { headers = { ["X-Key"] = "k" }, bearer = "t" })
      assert.equal("k", last(s).header("x-key"))
      assert.equal("Bearer t", last(s).header("authorization"))
    end)
  end)

  it("takes nothing of the caller's to another server, nor back from it", function()
    with_two(function(a, b)
      local opts = { headers = { ["X-Key"] = "k", Cookie = "c=1", Host = "a.example" }, basic = "u:p" }
      @http.get(a.url .. "/redirect/302?" .. b.url .. "/redirect/302?" .. a.url .. "/end", opts)
      for _, request in ipairs { last(b), last(a) } do
        assert.is_nil(request.header("x-key"))
        assert.is_nil(request.header("cookie"))
        assert.is_nil(request.header("authorization"))
        assert.not_equal("a.example", request.header("host"))
      end
      assert.equal("Basic dTpw", a.requests[1].header("authorization"))
    end)
  end)

  it("sends a kept body to another server with its type", function()
    with_two(function(a, b)
      @http.post(a.url .. "/redirect/307?" .. b.url .. "/x", { body = "{}", headers = { ["Content-Type"] = "text/x" } })
      assert.equal("{}", last(b).body)
      assert.equal("text/x", last(b).header("content-type"))
    end)
  end)

  it("takes no credentials out of a Location", function()
    with_two(function(a, b)
      local r = @http.get(a.url .. "/redirect/302?" .. b.url:gsub("//", "//u:p@") .. "/x")
      assert.is_nil(last(b).header("authorization"))
      assert.equal(b.url .. "/x", r.url)
    end)
  end)

  it("gives up after five, or as many as allowed", function()
    raw_server.saying(raw_server.response(302, { "Location: /again" }), function(s)
      local e = redirect_error(@http.get, s.url)
      assert.equal(6, #s.requests)
      assert.equal(302, e.status)
      assert.equal("/again", e.location)
      redirect_error(@http.get, s.url, { redirects = 1 })
      assert.equal(8, #s.requests)
    end)
  end)

  it("does not follow when told not to", function()
    with_server(function(s)
      for _, redirects in ipairs { 0, false } do
        local r = @http.get(s.url .. "/redirect/302?/x", { redirects = redirects or false })
        assert.equal(302, r.status)
        assert.equal("/x", r.headers.location)
      end
    end)
  end)

  it("returns a redirect without a place", function()
    raw_server.saying(raw_server.response(302, {}, "?"), function(s)
      assert.equal(302, @http.get(s.url).status)
    end)
  end)

  for _, place in ipairs { "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "http://", "javascript:1" } do
    it("refuses to go to " .. place, function()
      with_server(function(s)
        redirect_error(@http.get, s.url .. "/redirect/302?" .. place)
        assert.equal(1, #s.requests)
      end)
    end)
  end

  it("counts all hops against one timeout", function()
    raw_server.with(function(connection, request)
      if request.number < 3 then connection:write(raw_server.response(302, { "Location: /again" })) end
    end, function(s)
      local _, e = @try(@http.get, s.url, { timeout = "300ms" })
      assert.equal("timeout", e.kind)
      assert.equal(0.3, e.after)
      assert.equal(3, #s.requests)
    end)
  end)
end)

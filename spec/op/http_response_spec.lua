-- Responses: headers, bodies, statuses.
local raw_server = require "spec.support.raw_server"

local function answer_of(bytes, opts)
  return raw_server.saying(bytes, function(server) return @http.get(server.url .. "/x", opts) end)
end

describe("a response", function()
  it("has headers by name in any case, repeated ones joined", function()
    local r = answer_of(raw_server.response(200, { "X-One: 1", "x-two: a", "X-TWO:b", "X-Empty:" }))
    assert.equal("1", r.headers["x-ONE"])
    assert.equal("a, b", r.headers["X-Two"])
    assert.equal("", r.headers["X-Empty"])
    assert.is_nil(r.headers["X-None"])
    assert.same({ "a", "b" }, r.headers:all("x-two"))
    assert.same({}, r.headers:all("x-none"))
  end)

  it("keeps cookies apart", function()
    local r = answer_of(raw_server.response(200, { "Set-Cookie: a=1; Expires=Thu, 01 Jan", "Set-Cookie: b=2" }))
    assert.same({ "a=1; Expires=Thu, 01 Jan", "b=2" }, r.headers:all("Set-Cookie"))
    assert.equal("a=1; Expires=Thu, 01 Jan", r.headers["set-cookie"])
  end)

  it("reads whatever servers write", function()
    local lines = { "X-Fold: a", "  b", "\tc  ", "x-fold: d", "X-Space : \t1 2 ", "All: 1", "ALL: 2", "X-Last:" }
    local r = answer_of("HTTP/1.1 200 OK\r\n" .. table.concat(lines, "\r\n") .. "\r\nContent-Length: 0\r\n\r\n")
    assert.equal("a b c, d", r.headers["x-fold"])
    assert.same({ "a b c", "d" }, r.headers:all("X-Fold"))
    assert.equal("1 2", r.headers["x-space"])
    assert.equal("", r.headers["x-last"])
    assert.same({ "1", "2" }, r.headers:all("all"))
    assert.same({ "0" }, r.headers:all("Content-Length"))
    local names = {}
    for name in pairs(r.headers) do names[#names + 1] = name end
    table.sort(names)
    assert.same({ "content-length", "x-fold", "x-last", "x-space" }, names)
  end)

  it("has a thousand values of one name", function()
    local lines = {}
    for i = 1, 1000 do lines[i] = "Set-Cookie: c=" .. i end
    local r = answer_of(raw_server.response(200, lines))
    assert.equal(1000, #r.headers:all("set-cookie"))
    assert.equal("c=1", r.headers["set-cookie"])
  end)

  it("has the final answer's headers, not those of an interim one", function()
    local r = answer_of("HTTP/1.1 103 Early Hints\r\nX-A: early\r\n\r\n" .. raw_server.response(200, { "X-B: 1" }, "b"))
    assert.equal(200, r.status)
    assert.is_nil(r.headers["x-a"])
    assert.equal("1", r.headers["x-b"])
  end)

  it("has no headers out of trailers", function()
    local r = answer_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Late: 1\r\n\r\n")
    assert.equal("abc", r:text())
    assert.is_nil(r.headers["x-late"])
  end)

  it("gives its body as text, bytes, JSON and lines, also as a stream", function()
    local r = answer_of(raw_server.response(200, {}, '[1,\r\n\r\n2]'))
    assert.equal('[1,\r\n\r\n2]', r:text())
    assert.equal(r:text(), r:bytes())
    assert.same({ 1, 2 }, r:json())
    local lines = {}
    for line in r:lines() do lines[#lines + 1] = line end
    assert.same({ "[1,", "", "2]" }, lines)
    assert.same({ "[1,", "", "2]" }, @stream(r):collect())
  end)

  it("raises for a body that is not JSON", function()
    local r = answer_of(raw_server.response(200, {}, "<html>"))
    local _, e = @try(function() return r:json() end)
    assert.is_true(e:is("json"))
  end)

  it("raises nothing for a status, until asked to", function()
    local r = answer_of(raw_server.response(404, { "Retry-After: 7" }, "none"))
    assert.equal(404, r.status)
    assert.is_false(r.ok)
    local _, e = @try(r.raise_for_status, r)
    assert.equal("http.status.404", e.kind)
    assert.is_true(e:is("http.status"))
    assert.equal(r, e.response)
    assert.equal(7, e.retry_after)
    assert.is_false(e.retryable)
  end)

  it("returns itself from raise_for_status when all is well", function()
    local r = answer_of(raw_server.response(204))
    assert.equal(r, r:raise_for_status())
  end)

  it("names the nearest field or method for one that it has not", function()
    local r = answer_of(raw_server.response(200))
    for name, near in pairs { stats = "status", jsn = "json", header = "headers", raise_for_stats = "raise_for_status" } do
      local _, e = @try(function() return r[name] end)
      assert.equal("argument", e.kind)
      assert.truthy(e.message:find(('did you mean "%s"'):format(near), 1, true), e.message)
    end
    assert.is_nil(r.file or r.attempts)
  end)

  it("says so when a method is called with a dot", function()
    local r = answer_of(raw_server.response(200))
    for _, method in ipairs { "text", "bytes", "json", "lines", "raise_for_status" } do
      local _, e = @try(r[method])
      assert.equal("argument", e.kind)
      assert.truthy(e.message:find("response:" .. method .. "() is called with a colon", 1, true))
    end
  end)

  it("decompresses what the server compressed", function()
    -- gzip of "hello hello hello\n"
    local gz = ("1f8b08000000000002ffcb48cdc9c957c840905c003b7c8adf12000000"):gsub("%x%x", function(h)
      return string.char(tonumber(h, 16))
    end)
    local ok, r = pcall(answer_of, raw_server.response(200, { "Content-Encoding: gzip" }, gz))
    assert.is_true(ok, tostring(r))
    assert.equal("hello hello hello\n", r:text())
  end)

  it("decompresses brotli where libcurl can, and says so", function()
    local encodings = require("tusk.binding.curl").encodings
    local br = raw_server.response(200, { "Content-Encoding: br" }, "\11\2\128hello\3")
    raw_server.saying(br, function(server)
      local ok, r = @try(function() return @http.get(server.url):text() end)
      assert.equal(encodings:find("br", 1, true) and "hello" or nil, ok or nil)
      if not ok then assert.equal("http.body", r.kind) end
      assert.equal(encodings, server.requests[1].header("accept-encoding"))
    end)
  end)

  it("has a body of any bytes and of many megabytes", function()
    local body = ("\0\r\n\255"):rep(2 ^ 21)
    local r = answer_of(raw_server.response(200, {}, body))
    assert.is_true(body == r:text())
  end)

  it("knows HTTP/1.0", function()
    raw_server.with(function(connection)
      connection:write("HTTP/1.0 200 OK\r\n\r\nup to the end")
      connection.handle:shutdown()
    end, function(server)
      local r = @http.get(server.url)
      assert.equal("1.0", r.http_version)
      assert.equal("up to the end", r:text())
    end)
  end)
end)

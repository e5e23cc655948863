-- @http with multipart: bodies of several parts, as the server receives them.
local raw_server = require "spec.support.raw_server"
local temp = require "spec.support.temp"
local test = require "tusk.test"

local response = raw_server.response

-- What arrived, as "name|filename|type|data" of each part, in order.
local function parts_of(request)
  local boundary = request.header("content-type"):match("^multipart/form%-data; boundary=([%w-]+)$")
  local list, body = {}, "\r\n" .. request.body
  local at, mark = 1, "\r\n--" .. boundary
  assert.equal(1, (body:find(mark, 1, true)))
  while body:sub(at + #mark, at + #mark + 1) ~= "--" do
    local next_at = assert(body:find(mark, at + #mark, true))
    local head, data = body:sub(at + #mark + 2, next_at - 1):match("^(.-\r\n)\r\n(.*)$")
    local name, more = head:match('Content%-Disposition: form%-data; name="(.-)"(.-)\r\n')
    local kind = head:match("Content%-Type: (.-)\r\n")
    list[#list + 1] = table.concat({ name, more:match('filename="(.-)"') or "-", kind or "-", data }, "|")
    at = next_at
  end
  assert.equal("--\r\n", body:sub(at + #mark))
  return list
end

local function with_server(fn, answer)
  return raw_server.with(function(connection, request)
    connection:write(answer and answer(request) or response(200, {}, "fine"))
  end, fn)
end

local function last(s) return s.requests[#s.requests] end

local function fails(multipart, more)
  local opts = { multipart = multipart }
  for k, v in pairs(more or {}) do opts[k] = v end
  local _, e = @try(@http.post, "http://127.0.0.1:1/", opts)
  assert.equal("argument", e.kind, e.message)
  return e.message
end

local function has(text, what)
  assert.truthy(text:find(what, 1, true), text)
end

describe("@http with multipart", function()
  it("sends texts, numbers and lists by name, sorted", function()
    with_server(function(s)
      @http.post(s.url .. "/", { multipart = { b = 1.5, a = "x\r\n--y\0z", d = true, c = { "1", 2 }, ["é"] = "" } })
      assert.same({ "a|-|-|x\r\n--y\0z", "b|-|-|1.5", "c|-|-|1", "c|-|-|2", "d|-|-|true", "é|-|-|" }, parts_of(last(s)))
      assert.equal("POST", last(s).method)
      assert.is_nil(last(s).header("expect"))
    end)
  end)

  it("sends files, from memory and from the disk", function()
    local bytes = ("\0\1\2binary"):rep(50000)
    temp.dir(function(dir)
      local path = temp.write(dir .. "/photo.png", bytes)
      with_server(function(s)
        @http.put(s.url .. "/", { multipart = {
          one = { data = bytes, filename = "a.bin" }, two = { path = path, type = "image/png" },
          three = { { path = path, filename = "b" }, { data = "{}", type = "application/json; charset=utf-8" } },
        } })
        local got = parts_of(last(s))
        assert.equal("PUT", last(s).method)
        assert.is_true(got[1] == "one|a.bin|application/octet-stream|" .. bytes)
        assert.is_true(got[2] == "three|b|application/octet-stream|" .. bytes)
        assert.equal("three|-|application/json; charset=utf-8|{}", got[3])
        assert.is_true(got[4] == "two|photo.png|image/png|" .. bytes)
      end)
    end)
  end)

  it("keeps the order of a list", function()
    with_server(function(s)
      @http.request(s.url .. "/"):multipart({ { name = "z", data = 1 }, { name = "a", data = "2" } }):post()
      assert.same({ "z|-|-|1", "a|-|-|2" }, parts_of(last(s)))
    end)
  end)

  it("lets no name end its quotes", function()
    with_server(function(s)
      @http.post(s.url .. "/", { multipart = { ['a"; filename="x'] = { data = "1", filename = 'q"; x="' } } })
      assert.same({ "a%22; filename=%22x|q%22; x=%22|application/octet-stream|1" }, parts_of(last(s)))
    end)
  end)

  it("refuses control characters in every field, before anything is sent", function()
    for _, c in ipairs { "\r\n", "\n", "\r", "\0", "\127" } do
      local bad = "a" .. c .. "X-Y: 1"
      has(fails { [bad] = "1" }, "control character")
      has(fails { { name = bad, data = "1" } }, "control character")
      has(fails { a = { data = "1", filename = bad } }, "control character")
      has(fails { a = { data = "1", type = "text/plain" .. bad } }, "control character")
    end
  end)

  it("is sent again as it was: after a redirect, by retry, and where a kept connection was dead", function()
    local parts = { multipart = { a = { data = ("0123456789"):rep(20000), filename = "f" } }, retry = { base = "1ms", unsafe = true } }
    local whole = "a|f|application/octet-stream|" .. parts.multipart.a.data
    with_server(function(s)
      assert.equal(200, @http.post(s.url .. "/old", parts).status)
      assert.equal(3, #s.requests)
      for _, request in ipairs(s.requests) do assert.is_true(parts_of(request)[1] == whole) end
      @http.post(s.url .. "/see", parts)
      assert.same({ "GET", "", "/new" }, { last(s).method, last(s).body, last(s).target })
      assert.is_nil(last(s).header("content-type"))
    end, function(request)
      if request.number == 1 then return response(503) end
      if request.target == "/old" then return response(307, { "Location: /new" }) end
      if request.target == "/see" then return response(303, { "Location: /new" }) end
    end)
    raw_server.with(function(connection, request)
      if request.number == 2 then return connection:reset() end -- in place of an answer, on the kept connection
      connection:write(response(200))
    end, function(s)
      @http.get(s.url .. "/")
      assert.equal(200, @http.put(s.url .. "/", { multipart = parts.multipart }).status)
      assert.is_true(parts_of(last(s))[1] == whole)
    end)
  end)

  it("does without a client's own Content-Type", function()
    with_server(function(s)
      local client = @http.client { base = s.url, headers = { ["content-type"] = "text/x", ["X-A"] = "1" } }
      client.post("/", { multipart = { a = "1" } })
      assert.same({ "a|-|-|1" }, parts_of(last(s)))
      assert.equal("1", last(s).header("x-a"))
      client.post("/", { body = "x" }) -- the handle has forgotten the parts
      assert.same({ "text/x", "x" }, { last(s).header("content-type"), last(s).body })
    end)
  end)

  it("says what is wrong with it", function()
    has(fails {}, "at least one part")
    has(fails "x", "multipart: table expected")
    has(fails { a = print }, "multipart.a: string, number or boolean expected")
    has(fails { a = {} }, "one of data, path and stream")
    has(fails { a = { data = "1", path = "x" } }, "one of data, path and stream")
    has(fails { a = { data = "1", file_name = "x" } }, 'did you mean "filename"')
    has(fails { { data = "1" } }, "multipart[1]: the name: string expected")
    has(fails { [""] = "1" }, "a part needs a name")
    has(fails { a = { data = "1", type = "png" } }, "is not a media type")
    has(fails({ a = "1" }, { json = {} }), "json and multipart exclude each other")
    has(fails({ a = "1" }, { body = "x" }), "multipart and body exclude each other")
    has(fails({ a = "1" }, { headers = { ["Content-Type"] = "x/y" } }), "Content-Type is set from multipart")
    local _, e = @try(@http.head, "http://127.0.0.1:1/", { multipart = { a = "1" } })
    has(e.message, "has no body")
    _, e = @try(@http.post, "http://127.0.0.1:1/", { multipart = { a = { path = "/none/x" } } })
    assert.equal("file.not_found", e.kind)
  end)

  it("cancelled, it leaves nothing; two are sent side by side", function()
    raw_server.with(function(connection, request)
      if request.target ~= "/stall" then connection:write(response(200, { "Connection: close" }, table.concat(parts_of(request)))) end
    end, function(s)
      local function post(what) return @http.post(s.url .. "/" .. what, { multipart = { a = { data = what, filename = what } } }) end
      test.leaks(function()
        local task = @async(post, "stall")
        s:wait(function() return #s.requests == 1 end)
        task:cancel()
        local _, e = @try(task.await, task)
        assert.equal("task_cancelled", e.kind)
        local x, y = @all(@(post "x"), @(post "y"))
        assert.equal("a|x|application/octet-stream|x a|y|application/octet-stream|y", x:text() .. " " .. y:text())
        s:wait(function() return s.ended == 3 end)
      end)
    end)
  end)
end)

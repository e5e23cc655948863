-- tusk.test: operators replaced, or made to fail, for a body.
local temp = require "spec.support.temp"
local test = require "tusk.test"
local tusk = require "tusk"

local function get(url)
  return @http.get(url)
end

local http = @http
local held_get = @http.get
local held_users = @db.users

describe("test.fake", function()
  local fake = { get = function(url) return "fake of " .. url end }

  it("takes the place of an operator", function()
    test.fake("http", fake, function()
      assert.equal("fake of x", @http.get("x"))
    end)
  end)

  it("reaches code that had the operator before", function()
    pcall(get, "nowhere")
    test.fake("http", fake, function()
      assert.equal("fake of x", get "x")
      assert.equal("fake of x", http.get("x"))
      assert.equal("fake of x", held_get("x"))
      assert.equal("fake of x", tusk.http.get("x"))
    end)
  end)

  it("reaches names below an operator that were held", function()
    local users = setmetatable({ find = function(id) return { id = id } end }, { __namespace = true })
    test.fake("db", { users = users }, function()
      assert.same({ id = 7 }, held_users.find(7))
      assert.same({ id = 7 }, @db.users.find(7))
    end)
  end)

  it("takes the place of one that is a function", function()
    local slept
    test.fake("sleep", function(d) slept = d end, function() @sleep "100d" end)
    assert.equal("100d", slept)
  end)

  it("takes the place of one that starts tasks, where it was held too", function()
    local spawn, result = @spawn, nil
    local function start() return @async(function() return 1 end) end
    local before = start()
    test.fake("async", function(fn, ...) return { fn, select("#", ...) } end, function() result = start() end)
    assert.is_function(result[1])
    assert.equal(0, result[2])
    test.fake("spawn", function(...) return "no task", ... end, function() result = { spawn(1, 2) } end)
    assert.same({ "no task", 1, 2 }, result)
    assert.equal(before:await(), start():await())
    assert.equal("done", spawn(function() end).state)
  end)

  it("gives the real one back, also when the body fails", function()
    local before = pcall(get, "::")
    local _, e = @try(test.fake, "http", fake, function() error("broken", 0) end)
    assert.equal("broken", e.message)
    assert.equal(before, (pcall(get, "::")))
    assert.is_function(http.post)
  end)

  it("passes arguments and results through", function()
    assert.same({ 1, 2, n = 2 }, (function(...) return { n = select("#", ...), ... } end)(
      test.fake("http", fake, function(...) return ... end, 1, 2)))
  end)

  it("is strict about what it lacks", function()
    test.fake("http", fake, function()
      local _, e = @try(@(@http.post "x"))
      assert.equal("operator", e.kind)
      assert.matches('no function "post"', e.message, 1, true)
    end)
  end)

  it("nests; the real one is at hand", function()
    test.fake("json", { encode = function(v) return "1:" .. test.real("json").encode(v) end }, function()
      test.fake("json", { encode = function() return "2" end }, function() assert.equal("2", @json.encode {}) end)
      assert.equal('1:{"a":1}', @json.encode { a = 1 })
    end)
    assert.equal('{"a":1}', @json.encode { a = 1 })
  end)

  it("is of the kind of what it replaces", function()
    local _, e = @try(test.fake, "sleep", {}, function() end)
    assert.equal("argument", e.kind)
    _, e = @try(test.fake, "htpt", {}, function() end)
    assert.equal("operator", e.kind)
    assert.equal("http", e.suggestion)
  end)
end)

describe("test.fail", function()
  it("makes the second call fail, with the kind that was asked for", function()
    temp.dir(function(dir)
      local path = dir .. "/f"
      test.fail("file.write", { at = 2, kind = "file.no_space", message = "disk full" }, function()
        @file.write(path, "1")
        local _, e = @try(@file.write, path, "2")
        assert.equal("file.no_space", e.kind)
        assert.equal("disk full", e.message)
        assert.equal("file.write", e.op)
        assert.equal("1", @file.read(path))
        @file.write(path, "3")
      end)
      assert.equal("3", @file.read(path))
    end)
  end)

  it("leaves the operator's other functions alone", function()
    test.fail("json.encode", function()
      assert.same({ 1 }, @json.decode "[1]")
      assert.is_false(pcall(@json.encode, {}))
    end)
  end)

  it("reports at the place of the @", function()
    test.fail("http.get", function()
      local _, e = @try(get, "x")
      assert.equal(7, e.site.line)
      assert.equal("http.get", e.op)
      assert.equal("fault", e.kind)
    end)
  end)

  it("makes several calls fail, or all", function()
    local function outcomes(at)
      local out = {}
      test.fail("json.encode", { at = at }, function()
        for i = 1, 4 do out[i] = (pcall(@json.encode, {})) end
      end)
      return out
    end
    assert.same({ false, true, false, true }, outcomes { 1, 3 })
    assert.same({ false, false, false, false }, outcomes "all")
  end)

  it("reaches a table of the database", function()
    test.fail("db.test_fail.insert", { kind = "db.busy", fields = { retryable = true } }, function()
      local _, e = @try(@db.test_fail.insert, { id = 1 })
      assert.equal("db.busy", e.kind)
      assert.is_true(e.retryable)
    end)
  end)

  it("reaches an operator that is a function", function()
    test.fail("sleep", { kind = "woken" }, function()
      local _, e = @try(@(@sleep "1h"))
      assert.equal("woken", e.kind)
    end)
  end)

  it("passes arguments and results through", function()
    assert.equal(3, test.fail("json.encode", function(a, b)
      pcall(@json.encode, {})
      return a + b
    end, 1, 2))
  end)

  it("says so when the call never came", function()
    local _, e = @try(test.fail, "json.encode", { at = 2 }, function() @json.encode {} end)
    assert.equal("test", e.kind)
    assert.matches("called 1 time", e.message, 1, true)
  end)

  it("refuses what is no function", function()
    for _, path in ipairs { "json", "json.encod", "nosuch.get" } do
      assert.is_false(pcall(test.fail, path, function() end))
    end
    local _, e = @try(test.fail, "json.encode", { att = 2 }, function() end)
    assert.equal("at", e.suggestion)
  end)
end)

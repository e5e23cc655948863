-- Errors: their place, their chain of spawns, how they print, what wraps them.
local errors = require("tusk").errors

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function line()
  return debug.getinfo(2, "l").currentline
end

describe("the place of an error", function()
  it("is that of the @, though it was a tail call", function()
    local e = fails(function() return @map({}, print, { concurrency = 0 }) end)
    assert.equal(line() - 1, e.site.line)
    assert.equal(39, e.site.column)
    assert.equal("map", e.op)
  end)

  it("is that of the inner @ of two on one line", function()
    local e = fails(function() return @try(@sleep, @map({}, 5)) end)
    assert.equal("map", e.op)
    assert.equal(52, e.site.column)
  end)

  it("is that of the outer @ when the inner one gave it something bad", function()
    local e = fails(function() return @map({}, @try(function() return 5 end)) end)
    assert.equal("map", e.op)
  end)

  it("is where the member was called, of a namespace", function()
    local e = fails(function()
      local file = @file
      return file.read(5)
    end)
    assert.equal("file.read", e.op)
    assert.equal("argument", e.kind)
  end)

  it("is the user's line for a method without an @", function()
    local e = fails(function()
      @scope(function(s)
        s:spawn(7)
      end)
    end)
    assert.equal(line() - 3, e.site.line)
  end)

  it("is right in code that was loaded from text", function()
    local e = fails(load("\n\n  return @sleep('x')", "=text"))
    assert.same({ file = "text", line = 3, column = 10, span = 6, op = "sleep" }, e.site)
  end)

  it("is where a plain error of Lua's was raised", function()
    local _, e = @try(function()
      local nothing = nil
      return nothing.field
    end)
    assert.equal(line() - 2, e.site.line)
    assert.truthy(e.message:find("attempt to index", 1, true))
  end)

  it("is where a string without a position was raised", function()
    local _, e = @try(function()
      error("no position", 0)
    end)
    assert.equal(line() - 2, e.site.line)
    assert.equal("no position", e.message)
  end)
end)

describe("the chain of spawns", function()
  it("leads from the task that failed to those that started it", function()
    local first, second
    local function inner() error("x", 0) end
    local e = fails(function()
      @scope(function()
        first = line() + 1
        @spawn(function()
          second = line() + 1
          @spawn(inner)
        end)
      end)
    end)
    assert.equal(second, e.spawned[1].line)
    assert.equal(first, e.spawned[2].line)
    assert.equal("spawn", e.spawned[1].op)
  end)

  it("has the place of a task with a name, and its name", function()
    local e = fails(function()
      @scope(function(s)
        s:spawn({ name = "painter" }, function() error("x", 0) end)
      end)
    end)
    assert.equal(line() - 3, e.spawned[1].line)
    assert.equal("painter", e.task.name)
  end)

  it("has the place of @all for what that has started", function()
    local e = fails(function()
      @all(function() error("x", 0) end)
    end)
    assert.equal(line() - 2, e.spawned[1].line)
    assert.equal("all", e.spawned[1].op)
  end)

  it("has ten places at most", function()
    local function nest(n)
      if n == 0 then error("x", 0) end
      @spawn(nest, n - 1)
    end
    assert.equal(10, #fails(function() @scope(function() nest(30) end) end).spawned)
  end)
end)

describe("the traceback", function()
  it("names the user's frames and none of the host's", function()
    local function deep() error("x") end
    local e = fails(function()
      @async(function()
        @scope(function() @timeout("1h", function() deep() end) end)
      end):await()
    end)
    assert.truthy(e.traceback:find("errors_spec.lua:%d+: in function 'deep'"))
    assert.is_nil(e.traceback:find("[tusk", 1, true))
    assert.is_nil(e.traceback:find("[C]", 1, true))
  end)

  it("of a plain error stays that of its first raise, through scopes", function()
    local function deep() error("x") end
    local _, e = @try(function()
      @scope(function() @scope(function() @timeout("1h", function() deep() end) end) end)
    end)
    assert.truthy(e.traceback:find("in function 'deep'", 1, true))
  end)

  it("is there for errors of operators", function()
    local function deep() return (@sleep("x")) end
    assert.truthy(fails(deep).traceback:find("in function <[^\n]*errors_spec") or fails(deep).traceback:find("deep", 1, true))
  end)
end)

describe("an error", function()
  local function make() return errors.new("file.not_found", "no such file", { path = "x" }) end

  it("prints as its place, its operator and its message", function()
    local e = fails(load("@sleep('x')", "=text"))
    assert.equal('text:1: @sleep: duration: "x" is not a duration; write seconds or "250ms" "30s" "5m" "1h30m" "7d"',
      tostring(e))
  end)

  it("can be joined to a string from both sides", function()
    local e = make()
    assert.equal("<" .. tostring(e) .. ">", "<" .. e .. ">")
    assert.equal(tostring(e) .. tostring(e), e .. e)
  end)

  it("is of its kind and of those above", function()
    local e = make()
    assert.is_true(e:is("file.not_found"))
    assert.is_true(e:is("file"))
    assert.is_false(e:is("file.not"))
    assert.is_false(e:is("fil"))
    assert.is_false(e:is("file.not_found.here"))
  end)

  it("can be asked of any value", function()
    assert.is_false(errors.is(nil, "file"))
    assert.is_false(errors.is("text", "file"))
    assert.is_false(errors.is({ kind = 5 }, "file"))
    assert.is_true(errors.is({ kind = "file.busy" }, "file"))
  end)

  it("is wrapped once", function()
    local e = errors.wrap("x")
    assert.is_true(rawequal(e, errors.wrap(e)))
    local foreign = setmetatable({}, { __index = function() error("do not look") end })
    assert.is_true(rawequal(foreign, errors.wrap(foreign)))
  end)

  it("keeps its identity through tasks, scopes and @try", function()
    local mine = make()
    local _, e = @try(function()
      @scope(function(s)
        s:async(function() @timeout("1h", function() error(mine) end) end):await()
      end)
    end)
    assert.is_true(rawequal(mine, e))
  end)

  it("keeps fields that were given", function()
    assert.equal("x", make().path)
  end)
end)

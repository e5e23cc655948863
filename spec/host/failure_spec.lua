-- Failures: what a task may raise, and whom it reaches.
local program = require "spec.support.program"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

describe("what a task raises", function()
  local function raised(value)
    return fails(function() @async(function() error(value, 0) end):await() end)
  end

  it("wraps a string once, with the string as its value", function()
    local e = raised("boom")
    assert.equal("lua", e.kind)
    assert.equal("boom", e.value)
    assert.is_true(rawequal(e, fails(function() @async(function() error(e, 0) end):await() end)))
  end)

  it("wraps nil", function()
    local e = raised(nil)
    assert.equal("lua", e.kind)
    assert.is_nil(e.value)
    assert.equal("error object: nil", e.message)
  end)

  it("wraps userdata, also one that cannot be shown", function()
    local value = newproxy(true)
    getmetatable(value).__tostring = function() error("no text") end
    local e = raised(value)
    assert.is_true(rawequal(value, e.value))
    assert.equal("error object: userdata", e.message)
  end)

  it("leaves a table as it is", function()
    local value = setmetatable({}, { __tostring = function() return "mine" end })
    assert.is_true(rawequal(value, raised(value)))
  end)

  -- Compiled code that uses up the stack does not know its line: to ask for it crashes LuaJIT.
  it("survives endless recursion in compiled code", function()
    local result = program.run { "-e", [[
      local function mk(f) return function(x, y) if x == 0 then return 0 end local a = f(x, y) return a + 1 end end
      local a, b
      a = mk(function(x, y) return b(x + 1, y) end)
      b = mk(function(x, y) return a(x + 1, y) end)
      for i = 1, 200 do pcall(a, 1, i) end
      local kinds = {}
      for i = 1, 50 do
        local _, e = @try(a, 1, i)
        kinds[e.kind .. ": " .. e.message] = true
      end
      local _, e = pcall(function() @async(a, 1, 2):await() end)
      print(next(kinds) == "lua: stack overflow", next(kinds, "lua: stack overflow"), e.message)]] }
    assert.equal("", result.stderr)
    assert.equal("true\tnil\tstack overflow\n", result.stdout)
  end)

  it("ends the program with an error when memory is used up", function()
    local script = [[
      print(pcall(function() local t = {} for i = 1, 1e9 do t[i] = { i } end end))
      local t = {}
      for i = 1, 1e9 do t[i] = { i } end]]
    local command = ("ulimit -v 500000; exec '%s' -e '%s'"):format(program.path(), script)
    if (os.getenv "SANITIZE" or "") ~= "" then return pending "a sanitizer's own memory is beyond any limit" end
    local result = program.run({ "-c", command }, { program = "/bin/sh" })
    assert.equal(1, result.status)
    assert.matches("not enough memory", result.stdout)
    assert.matches("not enough memory", result.stderr)
  end)

  it("survives endless recursion", function()
    local function forever() return 1 + forever() end
    local e = fails(function() @async(forever):await() end)
    assert.truthy(tostring(e):find("stack overflow"))
    assert.equal(1, @async(function() return 1 end):await())
  end)

  it("survives an error in an error handler", function()
    local ok = @async(function()
      return (xpcall(error, function() error("again") end, "once"))
    end):await()
    assert.is_false(ok)
  end)

  it("can be raised through a thousand tasks that use the coroutines of others", function()
    for i = 1, 1000 do
      local e = fails(function() @async(function() error({ i = i }) end):await() end)
      assert.equal(i, e.i)
    end
  end)
end)

describe("a failed spawn", function()
  it("cancels the body, and the scope raises the same first error object", function()
    local mine, seen = { "mine" }, nil
    local e = fails(function()
      @scope(function(s)
        s:spawn(function()
          @yield()
          error(mine)
        end)
        local _
        _, seen = pcall(function() @sleep("1h") end)
      end)
    end)
    assert.is_true(rawequal(mine, e))
    assert.equal("cancelled", seen.kind)
  end)

  it("cancels its siblings, waits for them, and adds their errors as suppressed", function()
    local e = fails(function()
      @scope(function(s)
        s:spawn(function()
          local ok = pcall(function() @sleep("1h") end)
          @shield(function() @yield() end)
          if not ok then error("second", 0) end
        end)
        s:spawn(function() error("first", 0) end)
      end)
    end)
    assert.equal("first", e.value)
    assert.equal(1, #e.suppressed)
    assert.equal("second", e.suppressed[1].value)
  end)

  it("does not count siblings that only were cancelled", function()
    local e = fails(function()
      @scope(function(s)
        for _ = 1, 10 do s:spawn(function() @sleep("1h") end) end
        s:spawn(function() error("first", 0) end)
      end)
    end)
    assert.is_nil(e.suppressed)
  end)

  it("joins an error of the body that came before it", function()
    local e = fails(function()
      @scope(function(s)
        s:spawn(function()
          pcall(function() @sleep("1h") end)
          error("later", 0)
        end)
        error("body", 0)
      end)
    end)
    assert.equal("body", e.value)
    assert.equal("later", e.suppressed[1].value)
  end)

  it("fails a task that has spawned without a scope", function()
    local mine = { "mine" }
    local task = @async(function()
      @spawn(function()
        @yield()
        error(mine)
      end)
      @sleep("1h")
    end)
    assert.is_true(rawequal(mine, fails(task.await, task)))
  end)

  it("fails a task whose body has ended already", function()
    local task = @async(function()
      @spawn(function()
        @yield()
        error("late", 0)
      end)
      return "value"
    end)
    assert.equal("joining", task.state)
    assert.equal("late", fails(task.await, task).value)
  end)
end)

describe("a failed async", function()
  it("is nobody's failure once it was awaited", function()
    local seen
    assert.equal("fine", @scope(function(s)
      local task = s:async(function() error("x", 0) end)
      seen = fails(task.await, task)
      return "fine"
    end))
    assert.equal("x", seen.value)
  end)

  it("is raised at the end of the scope when nobody has awaited it, after the body went on", function()
    local went_on = false
    local e = fails(function()
      @scope(function(s)
        s:async(function() error("x", 0) end)
        @yield()
        went_on = true
      end)
    end)
    assert.equal("x", e.value)
    assert.is_true(went_on)
  end)

  it("is not raised twice when the body lets it through", function()
    local e = fails(function()
      @scope(function(s) s:async(function() error("x", 0) end):await() end)
    end)
    assert.equal("x", e.value)
    assert.is_nil(e.suppressed)
  end)

  it("that was cancelled and never awaited is no error", function()
    assert.equal(1, @scope(function(s)
      s:async(function() @sleep("1h") end):cancel()
      return 1
    end))
  end)
end)

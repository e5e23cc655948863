-- Sleeping, deadlines, timeouts.

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

describe("@sleep", function()
  it("wakes tasks in the order of their times, not of their starts", function()
    local order = {}
    @scope(function(s)
      for _, ms in ipairs { 5, 1, 4, 2, 3 } do
        s:spawn(function()
          @sleep(ms * 0.002)
          table.insert(order, ms)
        end)
      end
    end)
    assert.same({ 1, 2, 3, 4, 5 }, order)
  end)

  it("keeps a thousand sleepers apart, some of them cancelled", function()
    local woken, cancelled = 0, 0
    @scope(function(s)
      for i = 1, 1000 do
        local task = s:spawn(function()
          local ok = pcall(function() @sleep((i * 37 % 11) / 1000) end)
          if ok then woken = woken + 1 else cancelled = cancelled + 1 end
        end)
        if i % 3 == 0 then task:cancel() end
      end
    end)
    assert.equal(667, woken)
    assert.equal(333, cancelled)
  end)

  it("does not return before its time", function()
    local core = require "tusk.core"
    local from = core.now()
    for _ = 1, 1e6 do end
    @sleep("3ms")
    assert.is_true(core.now() - from >= 0.003)
  end)

  it("takes any duration there can be", function()
    @scope(function(s)
      for _, d in ipairs { 1e300, "9999999999w", 1e18 } do s:spawn(function() @sleep(d) end) end
      s:cancel()
    end)
  end)

  for _, bad in ipairs { -1, 0 / 0, 1 / 0, "soon", "5 s", "", true } do
    it("refuses " .. tostring(bad) .. " as a duration", function()
      local e = fails(function() @sleep(bad) end)
      assert.equal("argument", e.kind)
      assert.equal("duration", e.argument)
      assert.equal("sleep", e.op)
    end)
  end
end)

describe("@timeout", function()
  it("passes all values through when it is not needed", function()
    local function values(...) return { n = select("#", ...), ... } end
    assert.same({ n = 3, 1, nil, 3 }, values(@timeout("1h", function(...) return ... end, 1, nil, 3)))
  end)

  it("raises timeout with its length, the operator that waited, and retryable", function()
    local e = fails(function() @timeout("2ms", function() @sleep("1h") end) end)
    assert.equal("timeout", e.kind)
    assert.equal(0.002, e.after)
    assert.equal("sleep", e.op)
    assert.is_true(e.retryable)
    assert.equal("timed out after 2ms", e.message)
  end)

  it("is seen as cancelled inside", function()
    local seen
    fails(function()
      @timeout("1ms", function()
        seen = fails(function() @sleep("1h") end)
        error(seen, 0)
      end)
    end)
    assert.equal("cancelled", seen.kind)
  end)

  it("is raised though a pcall has swallowed the cancel", function()
    local e = fails(function()
      @timeout("1ms", function()
        pcall(function() @sleep("1h") end)
        return "fine"
      end)
    end)
    assert.equal("timeout", e.kind)
  end)

  it("keeps an error that cleaning up has raised", function()
    local e = fails(function()
      @timeout("1ms", function()
        pcall(function() @sleep("1h") end)
        error("cleanup", 0)
      end)
    end)
    assert.equal("timeout", e.kind)
    assert.truthy(tostring(e.suppressed[1]):find("cleanup"))
  end)

  it("gives the value when nobody inside has noticed", function()
    assert.equal("fine", @timeout("1ms", function()
      local from = os.clock()
      while os.clock() - from < 0.003 do end
      return "fine"
    end))
  end)

  it("counts from the moment it is called, not from when the task was resumed", function()
    local from = os.clock()
    while os.clock() - from < 0.03 do end
    assert.equal("fine", @timeout("25ms", function()
      @yield()
      return "fine"
    end))
  end)

  it("ends all that its body has started", function()
    local ended = 0
    fails(function()
      @timeout("1ms", function()
        for _ = 1, 5 do
          @spawn(function()
            pcall(function() @sleep("1h") end)
            ended = ended + 1
          end)
        end
      end)
    end)
    assert.equal(5, ended)
  end)

  it("the earliest of several wins", function()
    for _, case in ipairs { { "1ms", "1h", "outer" }, { "1h", "1ms", "inner" } } do
      local e = fails(function()
        @scope({ name = "outer", timeout = case[1] }, function()
          @scope({ name = "inner", timeout = case[2] }, function() @sleep("2h") end)
        end)
      end)
      assert.equal(case[3], e.scope)
    end
  end)

  it("an outer one is charged when an inner one asks for more than is left", function()
    local inner
    local e = fails(function()
      @scope({ name = "outer", timeout = "2ms" }, function()
        inner = fails(function() @scope({ name = "inner", timeout = "2ms" }, function() @sleep("1h") end) end)
        error(inner, 0)
      end)
    end)
    assert.equal("cancelled", inner.kind)
    assert.equal("outer", e.scope)
  end)

  it("reaches children through the tasks between", function()
    local seen
    fails(function()
      @timeout("2ms", function()
        @async(function()
          seen = @remaining()
          @sleep("1h")
        end):await()
      end)
    end)
    assert.is_true(seen > 0 and seen <= 0.002)
  end)

  it("is over when it has returned", function()
    @timeout("1ms", function() end)
    @sleep("3ms")
    @yield()
  end)
end)

describe("@remaining", function()
  it("is nil without a deadline", function()
    assert.is_nil(@async(function() return @remaining() end):await())
  end)

  it("is the least of all deadlines around", function()
    local outer, inner, after
    @timeout("1h", function()
      outer = @remaining()
      @timeout("1m", function() inner = @remaining() end)
      @timeout("2h", function() after = @remaining() end)
    end)
    assert.is_true(outer > 3500 and outer <= 3600)
    assert.is_true(inner > 50 and inner <= 60)
    assert.is_true(after > 3500 and after <= 3600)
  end)
end)

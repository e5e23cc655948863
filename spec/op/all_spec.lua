-- @all and @all_settled: side by side, in order.

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function values(...)
  return { n = select("#", ...), ... }
end

local function after(ms, value)
  return function()
    @sleep(ms / 1000)
    return value, "second"
  end
end

local function never()
  @sleep("1h")
end

describe("@all", function()
  it("gives the first value of each, in order, whoever ends first", function()
    assert.same({ n = 3, 1, nil, 3 }, values(@all(after(3, 1), after(1, nil), function() return 3, 4 end)))
  end)

  it("takes deferred expressions", function()
    local x = 20
    assert.same({ n = 2, 21, 42 }, values(@all(@(x + 1), @(x * 2 + 2))))
  end)

  it("gives a table with n for a list", function()
    assert.same({ n = 3, 1, nil, 3 }, @all({ after(2, 1), after(1, nil), after(1, 3) }))
    assert.same({ n = 0 }, @all({}))
  end)

  it("gives nothing for nothing", function()
    assert.equal(0, select("#", @all()))
  end)

  it("takes tasks", function()
    local task = @async(after(1, "task"))
    assert.same({ n = 2, "task", 2 }, values(@all(task, after(1, 2))))
    assert.same({ n = 1, "task" }, values(@all(task)))
  end)

  it("runs them side by side", function()
    local running, most = 0, 0
    local function one()
      running = running + 1
      most = math.max(most, running)
      @yield()
      running = running - 1
    end
    @all(one, one, one)
    assert.equal(3, most)
  end)

  it("fails with the first failure, the same object, and cancels the others", function()
    local mine, other = { "mine" }, nil
    local e = fails(function()
      @all(function() other = fails(never) end, function()
        @yield()
        error(mine)
      end)
    end)
    assert.is_true(rawequal(mine, e))
    assert.equal("cancelled", other.kind)
  end)

  it("on failure cancels the tasks it was given, and waits for them", function()
    local ended
    local task = @async(function()
      pcall(never)
      @shield(function() @sleep("1ms") end)
      ended = true
    end)
    fails(function() @all(task, function() error("x", 0) end) end)
    assert.is_true(ended)
  end)

  it("starts none after one has failed at once", function()
    local started = false
    fails(function() @all(function() error("x", 0) end, function() started = true end) end)
    assert.is_false(started)
  end)

  it("refuses what cannot be called, and says which", function()
    local e = fails(function() @all(never, 5) end)
    assert.equal("argument", e.kind)
    assert.equal("argument 2", e.argument)
    assert.equal("all", e.op)
  end)

  it("takes anything that can be called", function()
    local callable = setmetatable({}, { __call = function() return "called" end })
    assert.same({ n = 2, "called", 1 }, values(@all(callable, function() return 1 end)))
  end)

  it("is cancelled with its caller", function()
    local ended, e = 0, nil
    local function one()
      local ok, why = pcall(never)
      ended = ended + 1
      if not ok then error(why, 0) end
    end
    @scope(function(s)
      local task = s:spawn(function() e = fails(function() @all(one, one) end) end)
      task:cancel()
    end)
    assert.equal(2, ended)
    assert.equal("cancelled", e.kind)
  end)
end)

describe("@all_settled", function()
  it("gives each outcome, in order, with n", function()
    local outcomes = @all_settled(after(2, 1), function() error("x", 0) end, function() end)
    assert.equal(3, outcomes.n)
    assert.same({ ok = true, value = 1 }, outcomes[1])
    assert.is_false(outcomes[2].ok)
    assert.equal("x", outcomes[2].err.value)
    assert.same({ ok = true }, outcomes[3])
  end)

  it("takes a list, and nothing", function()
    assert.same({ n = 0 }, @all_settled())
    assert.same({ n = 0 }, @all_settled({}))
    assert.same({ n = 1, { ok = true, value = 7 } }, @all_settled({ function() return 7 end }))
  end)

  it("takes tasks; one that was cancelled is a failure", function()
    local task = @async(never)
    task:cancel()
    local outcomes = @all_settled(task)
    assert.equal("task_cancelled", outcomes[1].err.kind)
  end)

  it("is cancelled with its caller", function()
    local e
    @scope(function(s)
      local task = s:spawn(function() e = fails(function() @all_settled(never, never) end) end)
      task:cancel()
    end)
    assert.equal("cancelled", e.kind)
  end)
end)

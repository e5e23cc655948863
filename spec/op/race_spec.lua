-- @race and @any: the first to end, the first to succeed.

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function values(...)
  return { n = select("#", ...), ... }
end

local function never()
  @sleep("1h")
end

local function after(ms, value)
  return function()
    @sleep(ms / 1000)
    return value, "second"
  end
end

local function failing(err, ms)
  return function()
    if ms then @sleep(ms / 1000) end
    error(err)
  end
end

local both = { race = function(...) return @race(...) end, any = function(...) return @any(...) end }

for name, run in pairs(both) do
  describe("@" .. name, function()
    it("gives the first value of the first", function()
      assert.same({ n = 1, "fast" }, values(run(never, after(1, "fast"), never)))
      assert.same({ n = 1, "only" }, values(run(after(1, "only"))))
      assert.same({ n = 1, nil }, values(run(never, after(1, nil))))
    end)

    it("takes a list, deferred expressions and tasks", function()
      assert.equal(1, run({ never, after(1, 1) }))
      assert.equal(2, run(@(1 + 1), never))
      local task = @async(after(1, "task"))
      assert.equal("task", run(never, task))
      assert.equal("task", run(task))
    end)

    it("cancels the others and waits for them", function()
      local ended = 0
      local function slow()
        pcall(never)
        @shield(function() @sleep("1ms") end)
        ended = ended + 1
      end
      local task = @async(slow)
      assert.equal("v", run(slow, task, after(1, "v")))
      assert.equal(2, ended)
      assert.not_equal("parked", task.state)
    end)

    it("does not start the rest when one ends at once", function()
      local started = false
      assert.equal(1, run(function() return 1 end, function() started = true end))
      assert.is_false(started)
    end)

    it("does not care how the others end", function()
      assert.equal("v", run(function()
        pcall(never)
        error("late")
      end, after(1, "v")))
    end)

    it("is cancelled with what it runs", function()
      local seen, e, task = nil, nil, nil
      @scope(function(s)
        local racing = s:spawn(function()
          task = @async(never)
          e = fails(run, function() seen = fails(never) end, never, task)
        end)
        racing:cancel()
      end)
      assert.equal("cancelled", seen.kind)
      assert.equal("cancelled", e.kind)
      assert.equal("cancelled", task.state)
    end)

    it("is ended by a timeout", function()
      assert.equal("timeout", fails(@(@timeout("1ms", run, never, never))).kind)
    end)

    it("leaves others to go on after it", function()
      local log = {}
      @all(function()
        table.insert(log, (run(never, after(1, "a"))))
        @sleep("1ms")
        table.insert(log, "after")
      end, function() @sleep("2ms") end)
      assert.same({ "a", "after" }, log)
    end)

    it("of nothing is refused", function()
      for _, e in ipairs { fails(run), fails(run, {}) } do
        assert.equal("argument", e.kind)
        assert.equal(name, e.op)
      end
    end)

    it("of something else than functions and tasks is refused before anything starts", function()
      local started = false
      assert.equal("argument", fails(run, function() started = true end, 1).kind)
      assert.equal("argument", fails(run, nil).kind)
      assert.is_false(started)
    end)
  end)
end

describe("@race", function()
  it("raises what the first one to end failed with, the same object", function()
    local mine = { "mine" }
    assert.is_true(rawequal(mine, fails(@(@race(never, failing(mine, 1))))))
    assert.is_true(rawequal(mine, fails(@(@race(failing(mine), after(1, 1))))))
  end)

  it("raises task_cancelled for a task that somebody cancelled", function()
    @scope(function(s)
      local task = s:async(never)
      local racing = s:async(@(@race(task, never)))
      task:cancel()
      assert.equal("task_cancelled", fails(racing.await, racing).kind)
    end)
  end)
end)

describe("@any", function()
  it("passes over failures", function()
    assert.equal("v", (@any(failing({ 1 }), failing({ 2 }, 1), after(3, "v"))))
  end)

  it("raises all_failed with every error, in the order of the arguments", function()
    local a, b, c = { "a" }, { "b" }, { "c" }
    local e = fails(@(@any(failing(a, 3), failing(b), failing(c, 1))))
    assert.equal("all_failed", e.kind)
    assert.equal("any", e.op)
    assert.equal(3, #e.errors)
    assert.is_true(rawequal(a, e.errors[1]) and rawequal(b, e.errors[2]) and rawequal(c, e.errors[3]))
  end)

  it("keeps an error that is a text as an error with a place", function()
    local e = fails(@(@any(function() error("oops") end)))
    assert.equal("oops", e.errors[1].message)
    assert.is_truthy(e.errors[1].site.line)
  end)
end)

-- What tasks wait on, as data: in tusk.ps() and in the error of a deadlock.
local report = require "tusk.report"
local tusk = require "tusk"

local function on(task)
  for _, t in ipairs(tusk.ps()) do
    if t.id == task.id then return t.on end
  end
end

-- The error that a deadlock would be at this moment. Its scope is cancelled by it.
local function deadlock(body)
  local ok, e = pcall(@scope, function(s)
    body(s)
    local app = report.app
    report.app = s
    report.deadlock()
    report.app = app
    @yield()
  end)
  assert.is_false(ok)
  assert.equal("deadlock", e.kind)
  return e
end

-- fn(task …) while tasks that run these bodies live.
local function with_tasks(bodies, fn)
  @scope(function(s)
    local tasks = {}
    for i, body in ipairs(bodies) do tasks[i] = s:spawn(body) end
    fn(unpack(tasks))
    s:cancel()
  end)
end

describe("what a task waits on", function()
  it("is nothing while it sleeps", function()
    with_tasks({ @(@sleep("1h")) }, function(task) assert.is_nil(on(task)) end)
  end)

  it("is a channel, the same one for all that wait for it", function()
    local a, b = @channel(), @channel(2)
    b:send(1)
    b:send(2)
    local function recv_a() local v = a:recv() return v end
    with_tasks({ recv_a, recv_a, function() b:send(3) end }, function(first, second, third)
      assert.equal("recv", on(first).kind)
      assert.equal(on(first).what, on(second).what)
      assert.equal("send", on(third).kind)
      assert.not_equal(on(first).what, on(third).what)
      assert.matches("^to send to channel %d+ %(2 of 2 in it%)$", on(third).text)
    end)
  end)

  it("is the task that is awaited", function()
    with_tasks({ @(@sleep("1h")) }, function(other)
      with_tasks({ function() local v = other:await() return v end }, function(task)
        assert.same({ kind = "await", text = "for " .. tostring(other), tasks = { other.id } }, on(task))
      end)
    end)
  end)

  it("is a semaphore, with those who hold its permits, by `with` and by lease", function()
    local sem = @semaphore(2)
    with_tasks({
      function() sem:with(function() @sleep("1h") end) end,
      function()
        local lease = sem:acquire()
        @sleep("1h")
        lease:release()
      end,
      function() sem:with(print) end,
    }, function(first, second, third)
      assert.same({ "semaphore", { first.id, second.id } }, { on(third).kind, on(third).tasks })
      assert.equal(("for %s, held by %s, %s"):format(on(third).what, tostring(first), tostring(second)), on(third).text)
    end)
  end)

  it("does not count a lease that was given back", function()
    local sem = @semaphore(1)
    with_tasks({
      function()
        sem:acquire():release()
        @sleep("1h")
      end,
      function() sem:with(@sleep, "1h") end,
      function() sem:with(print) end,
    }, function(_, second, third) assert.same({ second.id }, on(third).tasks) end)
  end)

  it("is a pool, also while its holder closes what it has used", function()
    local pool = @pool { open = function() return 1 end, close = function() @sleep("1s") end, max = 1 }
    with_tasks({
      function() @try(pool.with, pool, error, "x") end,
      function() pool:with(print) end,
    }, function(first, second)
      assert.same({ "pool", { first.id } }, { on(second).kind, on(second).tasks })
    end)
  end)

  it("is a limiter, for the first in line and for those behind it", function()
    local l, unnamed = @limiter { rate = 1, per = "1h", name = "mails" }, @limiter { rate = 1, per = "1h" }
    l:acquire()
    unnamed:acquire()
    with_tasks({ @(l:acquire()), @(l:acquire()), @(unnamed:run(print)) }, function(first, second, third)
      assert.matches('^for limiter %d+ "mails"$', on(first).text)
      assert.same(on(first), on(second))
      assert.equal("limiter", on(third).kind)
      assert.not_equal(on(first).what, on(third).what)
    end)
  end)

  it("is each case of a select", function()
    local ch, watch, tick = @channel(), @watch(1), @every("1h")
    with_tasks({ @(@sleep("1h")) }, function(task)
      with_tasks({ function()
        @select { { ch, "job" }, { task, "done" }, { watch, "new" }, { tick, "tick" }, timeout = "1h" }
      end }, function(waiting)
        local cases = on(waiting).cases
        assert.same({ "job", "recv", "done", "await", "new", "watch", "tick", "every" }, {
          cases[1].name, cases[1].kind, cases[2].name, cases[2].kind, cases[3].name, cases[3].kind, cases[4].name,
          cases[4].kind,
        })
        assert.same({ task.id }, cases[2].tasks)
      end)
    end)
  end)

  it("is the children of a scope, or its own when its body has ended", function()
    local ids
    with_tasks({
      function() @scope({ name = "import" }, function(s) for _ = 1, 5 do s:spawn(@sleep, "1h") end end) end,
      function() @spawn(@sleep, "1h") end,
    }, function(first, second)
      ids = on(first).tasks
      assert.same({ "tasks", "import", 5 }, { on(first).kind, on(first).what, #ids })
      assert.matches('^for its 5 children of "import", task %d+, task %d+, task %d+, 2 more$', on(first).text)
      assert.matches("^for its child, task %d+$", on(second).text)
    end)
  end)

  it("is a module that another task loads", function()
    local gate = @channel()
    package.preload["spec.slow module"] = function() local v = gate:recv() return v end
    local function load() return require "spec.slow module" end
    with_tasks({ load, load }, function(first, second)
      assert.same({ "module", "module spec.slow module", { first.id } },
        { on(second).kind, on(second).what, on(second).tasks })
      gate:send(1)
      second:await()
    end)
    package.preload["spec.slow module"], package.loaded["spec.slow module"] = nil, nil
  end)

  it("is found in a generator, and in a generator's generator", function()
    local ch = @channel()
    with_tasks({ function()
      local outer = coroutine.wrap(function()
        local inner = coroutine.wrap(function() coroutine.yield(ch:recv()) end)
        coroutine.yield(inner())
      end)
      outer()
    end }, function(task) assert.equal("recv", on(task).kind) end)
  end)
end)

describe("the error of a deadlock", function()
  it("has who waits on what, since when, where, as data", function()
    local ch, task = @channel(), nil
    local e = deadlock(function(s)
      task = s:spawn({ name = "reader" }, function()
        local v = ch:recv()
        return v
      end)
    end)
    local mine
    for _, t in ipairs(e.waits) do mine = t.id == task.id and t or mine end
    assert.same({ "reader", "parked", "recv", "recv" }, { mine.name, mine.state, mine.method, mine.on.kind })
    assert.is_number(mine.since)
    assert.matches("waits_spec.lua$", mine.site.file)
    assert.same({}, e.circles)
  end)

  it("has each circle once, as the ids of its tasks, the oldest first", function()
    local a, b, c, x, y
    local function await(other)
      return function()
        @yield()
        local v = other():await()
        return v
      end
    end
    local e = deadlock(function(s)
      a, b = s:spawn(await(@(b))), s:spawn(await(@(c)))
      c = s:spawn(await(@(a)))
      x, y = s:spawn(await(@(y))), s:spawn(await(@(x)))
      s:spawn(await(@(a)))
      @yield()
      @yield()
    end)
    assert.same({ { a.id, b.id, c.id }, { x.id, y.id } }, e.circles)
  end)

  it("finds its way through a chain of ten thousand", function()
    local first, last
    local e = deadlock(function(s)
      for i = 1, 10000 do
        local before = last
        last = s:spawn(function()
          @yield()
          local v = (before or last):await()
          return v
        end)
        if i == 1 then first = last end
      end
      @yield()
    end)
    assert.equal(10000, #e.circles[1])
    assert.equal(first.id, e.circles[1][1])
    assert.matches("^and %d+ more$", e.help[51])
  end)
end)

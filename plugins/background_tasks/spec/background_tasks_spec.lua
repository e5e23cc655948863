-- The workers and their queue, on a virtual clock.
local background_tasks = require "tusk.plugins.background_tasks"
local errors = require("tusk").errors
local recorder = require "spec.support.recorder"
local test = require "tusk.test"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

-- fn(pool) on a virtual clock, with so many workers and so much room in line.
local function with_pool(opts, fn)
  test.clock(function()
    @scope(function(s)
      local p = background_tasks.new { scope = s, log = recorder(), workers = opts.workers or 2, queue = opts.queue or 10 }
      p:define("sleep", {}, function(job) @sleep(job.args) return job.args end)
      p:define("fail", {}, function(job) error(job.args) end)
      fn(p)
      p:stop(60)
      p:remove_metrics()
    end)
  end)
end

local function on_pool(what, opts, fn)
  it(what, function() with_pool(opts, fn) end)
end

describe("a background task", function()
  on_pool("is done while its caller goes on, and can be awaited", {}, function(p)
    local t = p:enqueue("sleep", 5)
    assert.equal(0, test.now())
    assert.equal(5, t:await())
    assert.equal(5, test.now())
    assert.equal("done", t.state)
    assert.equal(5, t:await()) -- once more
  end)

  on_pool("gets a copy of what it was given, the same in every attempt", {}, function(p)
    local seen = {}
    p:define("note", { retry = { attempts = 2, jitter = "none" } }, function(job)
      seen[#seen + 1] = job.args.list[1]
      job.args.list[1] = "spoilt"
      if job.attempt == 1 then errors.raise("spec.down", "down", { retryable = true }) end
      return job
    end)
    local args = { list = { "as it was" } }
    local t = p:enqueue("note", args)
    args.list[1] = "changed by the caller"
    local job = t:await()
    assert.same({ "as it was", "as it was" }, seen)
    assert.same({ t.id, "note", 2 }, { job.id, job.name, job.attempt })
  end)

  on_pool("that fails is told of, counted, and raised where it is awaited", {}, function(p)
    local t = p:enqueue("fail", "no luck")
    local e = fails(t.await, t)
    assert.matches("no luck", e.message)
    assert.equal(e, t.error)
    assert.equal("failed", t.state)
    assert.equal(1, p:stats().failed)
    local line = p.log[1]
    assert.same({ "error", "task failed", "fail", t.id, 1 },
      { line.level, line.message, line.fields.type, line.fields.id, line.fields.attempts })
    assert.matches("no luck", line.fields.error)
  end)

  on_pool("that fails kills no worker", { workers = 1 }, function(p)
    for _ = 1, 5 do p:enqueue("fail", "no luck") end
    assert.equal(1, p:enqueue("sleep", 1):await())
    assert.equal(5, p:stats().failed)
  end)

  on_pool("that raises what looks like a cancellation is no worker's end either", { workers = 1 }, function(p)
    p:define("odd", {}, function() error(errors.cancelled(), 0) end)
    p:define("odder", {}, function()
      local other = @async(@sleep, "1h")
      other:cancel()
      other:await()
    end)
    local odd, odder = p:enqueue("odd", {}), p:enqueue("odder", {})
    assert.equal(1, p:enqueue("sleep", 1):await())
    assert.same({ "tasks.failed", "task_cancelled" }, { fails(odd.await, odd).kind, fails(odder.await, odder).kind })
    assert.same({ "failed", "failed" }, { odd.state, odder.state })
  end)

  on_pool("is tried again as its type says, in one worker", {}, function(p)
    local times = {}
    p:define("flaky", { retry = { attempts = 3, base = "1s", jitter = "none" } }, function()
      times[#times + 1] = test.now()
      if #times < 3 then errors.raise("spec.down", "down", { retryable = true }) end
      return "at last"
    end)
    assert.equal("at last", p:enqueue("flaky", {}):await())
    assert.same({ 0, 1, 3 }, times)
    assert.equal(0, p:stats().failed)
  end)

  on_pool("has a time limit for each attempt, and leaves nothing running", {}, function(p)
    local ended = 0
    p:define("slow", { timeout = "2s" }, function()
      @scope(function(s)
        s:defer(function() ended = ended + 1 end)
        s:spawn(@sleep, "1h")
      end)
    end)
    local t = p:enqueue("slow", {})
    assert.equal("timeout", fails(t.await, t).kind)
    assert.same({ 2, 1 }, { test.now(), ended })
  end)

  on_pool("ends what it has started before the next one begins", { workers = 1 }, function(p)
    local order = {}
    p:define("parent", {}, function()
      @spawn(function() @sleep "5s" order[#order + 1] = "child" end)
    end)
    p:define("next", {}, function() order[#order + 1] = "next" end)
    p:enqueue("parent", {})
    p:enqueue("next", {}):await()
    assert.same({ "child", "next" }, order)
  end)

  on_pool("is cancelled in line, or where it waits", { workers = 1 }, function(p)
    local running, queued = p:enqueue("sleep", 3600), p:enqueue("sleep", 1)
    assert.is_true(queued:cancel("not needed"))
    @sleep "1s"
    assert.is_true(running:cancel())
    assert.equal("task_cancelled", fails(running.await, running).kind)
    assert.equal("not needed", fails(queued.await, queued).reason)
    assert.is_false(queued:cancel())
    assert.equal(1, test.now())
    assert.same({ 0, 0 }, { p:stats().failed, p:stats().done })
    assert.equal(2, p:enqueue("sleep", 2):await()) -- its worker lives
  end)

  on_pool("is awaited by many, and one who gives up is only one", {}, function(p)
    local t = p:enqueue("sleep", 10)
    local impatient = @async(@timeout, "1s", t.await, t)
    assert.same({ n = 2, 10, 10 }, @all { @(t:await()), @(t:await()) })
    assert.equal("timeout", fails(impatient.await, impatient).kind)
    assert.equal("done", t.state)
  end)
end)

describe("an error object that cannot be looked at", function()
  on_pool("is a failure like others", { workers = 1 }, function(p)
    local strict = setmetatable({}, { __index = error, __tostring = error })
    p:define("strict", {}, function() error(strict) end)
    local t = p:enqueue("strict")
    assert.is_true(rawequal(strict, fails(t.await, t)))
    assert.same({ "failed", 0 }, { t.state, p:stats().paused })
    assert.equal(1, p:enqueue("sleep", 1):await())
  end)
end)

describe("no unbounded queue: it", function()
  on_pool("makes those wait who enqueue when it is full", { workers = 1, queue = 2 }, function(p)
    local times = {}
    for i = 1, 5 do
      p:enqueue("sleep", 10)
      times[i] = test.now()
    end
    assert.same({ 0, 0, 0, 10, 20 }, times) -- one runs, two are in line
  end)

  on_pool("says when it is full to those who will not wait", { workers = 1, queue = 2 }, function(p)
    for _ = 1, 3 do assert.is_table(p:try_enqueue("sleep", 10)) end
    local t, why = p:try_enqueue("sleep", 10)
    assert.is_nil(t)
    assert.equal("full", why)
    assert.equal(0, test.now())
    p:idle()
    assert.equal(3, p:stats().done)
  end)

  on_pool("has taken nothing from one who was cancelled while he waited", { workers = 1, queue = 1 }, function(p)
    for _ = 1, 2 do p:enqueue("sleep", 10) end
    assert.equal("timeout", fails(@timeout, "1s", p.enqueue, p, "sleep", 10).kind)
    p:idle()
    assert.equal(2, p:stats().done)
  end)

  on_pool("is worked at by so many at a time", { workers = 3 }, function(p)
    for _ = 1, 9 do p:enqueue("sleep", 10) end
    @yield()
    assert.equal(3, p:stats().running)
    p:idle()
    assert.equal(30, test.now())
    assert.same({ workers = 3, capacity = 10, queued = 0, running = 0, paused = 0, done = 9, failed = 0 }, p:stats())
  end)

  on_pool("does not stand still when all workers wait for room in it: one of them is told", { workers = 2, queue = 1 }, function(p)
    p:define("parent", {}, function(job)
      for _ = 1, 3 do p:enqueue("sleep", 1) end
      return job.id
    end)
    local a, b = p:enqueue("parent", {}), p:enqueue("parent", {})
    p:idle()
    local kinds = { a.error and a.error.kind or a.state, b.error and b.error.kind or b.state }
    table.sort(kinds)
    assert.same({ "done", "tasks.full" }, kinds)
  end)

  on_pool("does not stand still either when those wait whom its tasks have started", { workers = 1, queue = 1 }, function(p)
    p:define("parent", {}, function()
      @all(@(p:enqueue("sleep", 1)), @(p:enqueue("sleep", 1)), @(p:enqueue("sleep", 1)))
    end)
    assert.equal("tasks.full", fails(function() p:enqueue("parent"):await() end).kind)
    p:idle()
    assert.equal(0, p.stuck)
  end)

  on_pool("is not full because one of its tasks waits in several places", { workers = 3, queue = 1 }, function(p)
    p:define("parent", {}, function()
      @map({ 1, 2, 3, 4, 5, 6 }, function() p:enqueue("sleep", 1) end, { concurrency = 6 })
    end)
    p:enqueue("parent"):await()
    p:idle()
    assert.same({ 7, 0, 0 }, { p:stats().done, p:stats().failed, p.stuck })
  end)

  on_pool("is idle only when nothing is in line, under way, or just handed to a worker", {}, function(p)
    for _ = 1, 3 do
      p:enqueue("sleep", 0)
      p:idle()
    end
    assert.equal(3, p:stats().done)
  end)

  it("loses and doubles nothing, whatever the order of tasks", function()
    for seed = 1, 20 do
      test.seed(seed, with_pool, { workers = 3, queue = 2 }, function(p)
        local count = 0
        p:define("count", {}, function() @sleep(0.001 * @random.int(0, 3)) count = count + 1 end)
        @scope(function(s)
          for _ = 1, 4 do
            s:spawn(function() for _ = 1, 10 do p:enqueue("count", {}) end end)
          end
        end)
        p:idle()
        assert.same({ 40, 40, 0 }, { count, p:stats().done, p:stats().queued })
      end)
    end
  end)
end)

describe("a task that pauses between two attempts", function()
  -- A type that fails so many times, with pauses of 10 s.
  local function define_flaky(p, failures)
    p:define("flaky", { retry = { attempts = 10, base = "10s", cap = "10s", jitter = "none" } }, function(job)
      if job.attempt <= failures then errors.raise("spec.down", "down", { retryable = true }) end
      return test.now()
    end)
  end

  on_pool("leaves its worker to others, and goes on before those that are new", { workers = 1 }, function(p)
    define_flaky(p, 1)
    local flaky, others = p:enqueue("flaky", {}), {}
    for i = 1, 5 do others[i] = p:enqueue("sleep", 3) end
    @sleep "1s"
    assert.same({ "paused", 1, 1 }, { flaky.state, p:stats().paused, p:stats().running })
    assert.equal(12, flaky:await()) -- at 10 s the worker is busy, at 12 s the fifth one is still to come
    others[5]:await()
    assert.equal(15, test.now())
    assert.equal(0, p:stats().paused)
  end)

  on_pool("keeps it when as many pause as can be in line: who enqueues waits", { workers = 2, queue = 2 }, function(p)
    define_flaky(p, 1)
    local times = {}
    for i = 1, 8 do
      p:enqueue("flaky", {})
      times[i] = test.now()
    end
    assert.equal(2, p:stats().paused)
    assert.equal(0, times[6]) -- two pause, two keep their workers, two are in line
    assert.equal(10, times[7])
    p:idle()
    assert.equal(8, p:stats().done)
  end)

  on_pool("can be cancelled then", { workers = 1 }, function(p)
    define_flaky(p, 5)
    local t = p:enqueue("flaky", {})
    @sleep "1s"
    assert.is_true(t:cancel("enough"))
    assert.equal("enough", fails(t.await, t).reason)
    assert.equal(1, test.now())
    p:idle()
    assert.same({ 0, 0, 0 }, { p:stats().paused, p:stats().failed, p:stats().running })
  end)

  on_pool("can be cancelled while it waits for a worker", { workers = 1 }, function(p)
    define_flaky(p, 1)
    local t = p:enqueue("flaky", {})
    p:enqueue("sleep", 60)
    @sleep "30s"
    assert.same({ "paused", 1 }, { t.state, t.attempt })
    t:cancel()
    p:idle()
    assert.same({ "cancelled", 60, 0 }, { t.state, test.now(), p:stats().paused })
    assert.equal(1, p:enqueue("sleep", 1):await()) -- the worker is free
  end)

  on_pool("is waited for at the end, or named", { workers = 1 }, function(p)
    define_flaky(p, 1)
    local t = p:enqueue("flaky", {})
    assert.same({}, p:stop(60))
    assert.same({ "done", 10 }, { t.state, test.now() })
  end)

  on_pool("is named when it would pause for longer than there is time", { workers = 1 }, function(p)
    define_flaky(p, 1)
    local t = p:enqueue("flaky", {})
    assert.equal("paused", p:stop(5)[1].was)
    assert.equal("undone", t.state)
  end)

  on_pool("has the time of its attempts, not that of the pauses nor of the line", { workers = 1 }, function(p)
    p:define("slow", { timeout = "3s", retry = { attempts = 3, base = "10s", jitter = "none" } }, function(job)
      @sleep(job.attempt < 3 and 60 or 2)
      return job.attempt
    end)
    local t = p:enqueue("slow", {})
    p:enqueue("sleep", 15)
    assert.equal(3, t:await())
    assert.equal(8, @metrics.histogram("tasks_seconds", { pool = "tasks", task = "slow" }).sum)
  end)

  on_pool("keeps none either while it waits for the limiter of its type", { workers = 1 }, function(p)
    p:define("limited", { limiter = { rate = 1, per = "10s" } }, function() return test.now() end)
    local first, second = p:enqueue("limited", {}), p:enqueue("limited", {})
    assert.equal(1, p:enqueue("sleep", 1):await())
    assert.equal(1, test.now())
    assert.same({ 0, 10 }, { first:await(), second:await() })
  end)

  it("whatever the order of tasks, is done once, and all workers are free afterwards", function()
    for seed = 1, 20 do
      test.seed(seed, with_pool, { workers = 2, queue = 3 }, function(p)
        local done = 0
        p:define("random", { retry = { attempts = 50, base = "1s", cap = "1s" } }, function(job)
          @sleep(@random.int(0, 2))
          if @random.int(1, 3) == 1 then errors.raise("spec.down", "down", { retryable = true }) end
          done = done + 1
        end)
        for i = 1, 20 do
          local t = p:enqueue("random", {})
          if i % 5 == 0 then t:cancel() end
        end
        p:idle()
        assert.same({ 0, 0, 0 }, { p:stats().paused, p:stats().running, p:stats().failed })
        assert.equal(done, p:stats().done)
        assert.is_true(done >= 16)
        assert.same({ n = 2, 1, 1 }, @all { @(p:enqueue("sleep", 1):await()), @(p:enqueue("sleep", 1):await()) })
      end)
    end
  end)
end)

describe("no job lost on shutdown: the end", function()
  -- Stops the pool after so many seconds -> the names of those that were not done.
  local function stop(p, seconds)
    local names = {}
    for i, t in ipairs(p:stop(seconds)) do names[i] = ("%s %s"):format(t.name, t.was) end
    return names
  end

  on_pool("waits for what is in line", { workers = 1 }, function(p)
    local last
    for _ = 1, 4 do last = p:enqueue("sleep", 10) end
    assert.same({}, stop(p, 60))
    assert.same({ "done", 40 }, { last.state, test.now() })
  end)

  on_pool("names what is not done in time: what runs, what is in line", { workers = 1 }, function(p)
    local done, running, queued = p:enqueue("sleep", 3), p:enqueue("sleep", 10), p:enqueue("sleep", 10)
    assert.same({ "sleep running", "sleep queued" }, stop(p, 5))
    assert.equal(5, test.now())
    assert.same({ "done", "undone", "undone" }, { done.state, running.state, queued.state })
    assert.equal("tasks.undone", fails(queued.await, queued).kind)
    assert.equal("tasks.undone", fails(running.await, running).kind)
    assert.equal(2, @metrics.counter("tasks_undone_total", { pool = "tasks", task = "sleep" }).value)
  end)

  on_pool("names what a worker was only just given", { workers = 1 }, function(p)
    @yield() -- the worker waits in line
    p:enqueue("sleep", 10)
    assert.same({ 0, 0 }, { p:stats().queued, p:stats().running })
    assert.same({ "sleep running" }, stop(p, 0))
  end)

  on_pool("refuses what comes after", { workers = 1, queue = 1 }, function(p)
    for _ = 1, 2 do p:enqueue("sleep", 1) end
    local waiting = @async(p.enqueue, p, "sleep", 1) -- that came before
    local ending = @async(stop, p, 60)
    assert.matches("sleep %d+ was not taken: the program, or who defined it, is ending", fails(p.enqueue, p, "sleep", 1).message)
    assert.equal("closed", fails(p.try_enqueue, p, "sleep", 1).kind)
    assert.same({ {}, "done", 3 }, { ending:await(), waiting:await().state, p:stats().done })
    assert.equal("closed", fails(p.enqueue, p, "sleep", 1).kind)
  end)

  on_pool("tells those who still wait for room that they were not taken", { workers = 1, queue = 1 }, function(p)
    for _ = 1, 2 do p:enqueue("sleep", 60) end
    local waiting = @async(p.enqueue, p, "sleep", 60)
    assert.same({ "sleep running", "sleep queued" }, stop(p, 5))
    assert.equal("closed", fails(waiting.await, waiting).kind)
  end)

  on_pool("takes what tasks enqueue that are still done", { workers = 1 }, function(p)
    p:define("chain", {}, function(job)
      @sleep "1s"
      if job.args > 1 then p:enqueue("chain", job.args - 1) end
    end)
    p:enqueue("chain", 5)
    assert.same({}, stop(p, 60))
    assert.same({ 5, 5 }, { p:stats().done, test.now() })
  end)

  on_pool("takes what is enqueued by those whom tasks have started", { workers = 1 }, function(p)
    p:define("parent", {}, function()
      @sleep "1s"
      @map({ 1, 2, 3 }, function(n) p:enqueue("sleep", n) end)
    end)
    p:enqueue("parent")
    assert.same({}, stop(p, 60))
    assert.same({ 4, 7 }, { p:stats().done, test.now() })
  end)

  on_pool("comes also when they never end", { workers = 1 }, function(p)
    p:define("for ever", {}, function() @sleep "1s" p:enqueue("for ever", {}) end)
    p:enqueue("for ever", {})
    assert.equal(1, #stop(p, 5.5))
    assert.equal(5.5, test.now())
  end)
end)

describe("a type of a scope", function()
  on_pool("has its tasks done before that has ended, the others go on", { workers = 1 }, function(p)
    local order, late = {}, nil
    @scope(function(s)
      s:defer(function() order[#order + 1] = "scope ends" end)
      p:define("own", { scope = s }, function(job)
        @sleep "1s"
        order[#order + 1] = job.args
      end)
      p:enqueue("own", "first")
      p:enqueue("sleep", 0)
      p:enqueue("own", "second")
      late = p:enqueue("sleep", 60)
    end)
    assert.same({ "first", "second", "scope ends" }, order)
    assert.equal("closed", fails(p.enqueue, p, "own", 1).kind)
    assert.equal(2, test.now())
    assert.equal(60, late:await())
    assert.equal(62, test.now())
    p:define("own", {}, function() return "another's" end)
    assert.equal("another's", p:enqueue("own", 1):await())
  end)

  on_pool("that another has taken the place of is that one's", { workers = 1 }, function(p)
    local t
    @scope(function(s)
      p:define("own", { scope = s }, function() end)
      p:define("own", {}, function() @sleep "60s" return "another's" end)
      t = p:enqueue("own", 1)
    end)
    assert.equal(0, test.now())
    assert.equal("another's", t:await())
  end)

  on_pool("is given up when that takes too long, and named at the end", { workers = 1 }, function(p)
    local t
    @scope({ grace = "10s" }, function(s)
      p:define("own", { scope = s }, function() @sleep "1h" end)
      t = p:enqueue("own", 1)
    end)
    assert.same({ "undone", 8 }, { t.state, test.now() }) -- the pool's drain
    assert.equal(1, p:enqueue("sleep", 1):await())
    assert.same({ t }, p:stop())
    assert.equal(9, test.now())
  end)

  on_pool("does not use up more than a finalizer has", { workers = 1 }, function(p)
    @scope({ grace = "1s" }, function(s)
      p:define("own", { scope = s }, function() @sleep "1h" end)
      p:enqueue("own", 1)
    end)
    assert.is_near(0.9, test.now(), 0.01)
  end)
end)

describe("misuse", function()
  on_pool("is told with what was meant", {}, function(p)
    local e = fails(p.enqueue, p, "slep", 1)
    assert.same({ "argument", "sleep" }, { e.kind, e.suggestion })
    assert.equal("json.value", fails(p.enqueue, p, "sleep", print).kind)
    assert.matches('did you mean "timeout"', fails(p.define, p, "x", { timeuot = 1 }, print).message)
    assert.matches('did you mean "attempts"', fails(p.define, p, "x", { retry = { atempts = 1 } }, print).message)
    assert.matches('did you mean "await"', fails(function() return p:enqueue("sleep", 0).awiat end).message)
    assert.matches("called with a dot; write task:await() with a colon", fails(p:enqueue("sleep", 0).await).message, 1, true)
    assert.matches("scope: a scope such as ctx.scope expected, got number", fails(p.define, p, "x", { scope = 5 }, print).message, 1, true)
    assert.matches("scope: a scope such as ctx.scope expected, got nil", fails(background_tasks.new, { workers = 1, queue = 1 }).message, 1, true)
  end)

  on_pool("in what a type is given: nothing is nothing", {}, function(p)
    p:define("show", {}, function(job) return job.args == nil end)
    assert.is_true(p:enqueue("show"):await())
  end)
end)

describe("the figures", function()
  on_pool("are kept by type, and forgotten with the pool", { workers = 1 }, function(p)
    p:enqueue("fail", "no luck")
    for _ = 1, 2 do p:enqueue("sleep", 2) end
    @sleep "1ms"
    local text = @metrics.prometheus()
    assert.matches("\ntasks_queued{pool=\"tasks\"} 1\n", text, 1, true)
    assert.matches("\ntasks_running{pool=\"tasks\"} 1\n", text, 1, true)
    p:idle()
    assert.equal(2, @metrics.counter("tasks_done_total", { pool = "tasks", task = "sleep" }).value)
    assert.equal(1, @metrics.counter("tasks_failed_total", { pool = "tasks", task = "fail" }).value)
    assert.equal(4, @metrics.histogram("tasks_seconds", { pool = "tasks", task = "sleep" }).sum)
    p:remove_metrics()
    assert.is_nil(@metrics.prometheus():find('task="sleep"', 1, true))
  end)
end)

it("cancelled at every point, a task is done, named as undone, or was never taken", function()
  local n = test.sweep(function(b)
    @scope(function(s)
      b.pool = background_tasks.new { scope = s, log = recorder(), workers = 2, queue = 1 }
      b.pool:define("nap", { retry = { attempts = 2, base = 0 } }, function(job)
        @sleep(0)
        if job.attempt == 1 and job.id % 2 == 0 then errors.raise("spec.down", "down", { retryable = true }) end
        b.done = b.done + 1
      end)
      local ok, e = pcall(function()
        for _ = 1, 4 do
          b.pool:enqueue("nap", {})
          b.taken = b.taken + 1
        end
        b.pool:idle()
      end)
      b.left = #@shield(b.pool.stop, b.pool, 0)
      if not ok then error(e, 0) end
    end)
  end, {
    setup = function() return { taken = 0, done = 0, left = 0 } end,
    check = function(b)
      if not b.pool then return end
      b.pool:remove_metrics()
      assert(b.done + (b.left or 0) >= b.taken and b.done <= 4, ("of %d taken %d were done and %s named"):format(b.taken, b.done, b.left))
    end,
  })
  assert.is_true(n > 5)
end)

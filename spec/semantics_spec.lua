-- The rules of docs/concurrency.md, a row each: what starts, what ends, who is told, in which order.
local app = require "spec.support.app"
local program = require "spec.support.program"
local temp = require "spec.support.temp"
local style = require "tusk.log_style"
local test = require "tusk.test"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function values(...)
  return { n = select("#", ...), ... }
end

local function forever()
  @sleep("1000h")
end

-- Runs a piece of code as main.lua.
local function main(text)
  local result
  temp.dir(function(dir)
    temp.write(dir .. "/main.lua", text)
    result = program.run({ "main.lua" }, { cwd = dir })
  end)
  return result
end

-- it, on the virtual clock.
local function timed(name, body)
  it(name, function() test.clock(body) end)
end

describe("starting:", function()
  it("the child runs at once until it first parks, then the task is returned", function()
    for _, start in ipairs { @spawn, @async } do
      local reached
      local task = start(function()
        reached = 1
        @yield()
        reached = 2
      end)
      assert.same({ 1, "ready" }, { reached, task.state })
      task:await()
      assert.same({ 2, "done" }, { reached, task.state })
    end
  end)

  it("a task has await, cancel with a reason, and its state", function()
    local task = @async(forever)
    assert.equal("parked", task.state)
    task:cancel("no longer needed")
    local e = fails(task.await, task)
    assert.same({ "task_cancelled", "no longer needed", "cancelled" }, { e.kind, e.reason, task.state })
    assert.matches("was cancelled: no longer needed$", e.message)
  end)

  it("beyond 100 nested starts the child is queued instead", function()
    local at_once, ran, queued = 0, 0, 0
    local function nest(n)
      ran = ran + 1
      if n == 0 then return end
      local before = ran
      local child = @spawn(nest, n - 1)
      if ran > before then at_once = at_once + 1
      elseif child.state == "ready" then queued = queued + 1 end
    end
    @scope(function(s) s:spawn(nest, 150) end)
    assert.same({ 151, 1, 149 }, { ran, queued, at_once })
    -- all within the hundred ran inside of each other: the first to be queued is the hundredth or before
    local deepest, depth = 0, 0
    local function dive(n)
      depth = depth + 1
      deepest = math.max(deepest, depth)
      if n > 0 then @spawn(dive, n - 1) end
      depth = depth - 1
    end
    @scope(function(s) s:spawn(dive, 300) end)
    assert.is_true(deepest > 50 and deepest <= 100)
  end)
end)

describe("whose scope:", function()
  timed("a task ends when its children have", function()
    local task = @spawn(function() @spawn(@sleep, "1s") end)
    @yield()
    assert.equal("joining", task.state)
    task:await()
    assert.equal(1, test.now())
  end)

  it("a failed @spawn of main.lua is logged with its trace, others go on, the exit status is 1 at the end", function()
    local result = main [[
@spawn(function() error("broken") end)
@spawn(function()
  @sleep("1ms")
  print("others went on")
end)
print("main went on")
]]
    assert.same({ 1, "main went on\nothers went on\n" }, { result.status, result.stdout })
    assert.matches("^error%[lua%]: broken\n", result.stderr)
    assert.matches("spawned at main.lua:1", result.stderr, 1, true)
    assert.matches("= main.lua:1: in function", result.stderr, 1, true)
  end)

  it("so is one of a plugin's setup: its root scope is a supervisor", function()
    local result = app.run {
      ["plugins/frail.lua"] = [[
return { name = "frail", setup = function()
  @spawn(function() error("broken") end)
  @spawn(function() @sleep("1ms") print("others went on") end)
end }]],
      ["main.lua"] = '@sleep("5ms") print("main went on")',
    }
    assert.same({ 1, "others went on\nmain went on\n" }, { result.status, result.stdout })
    assert.matches("error[lua]: broken", result.stderr, 1, true)
  end)

  it("an error in main's own body cancels the application's children, exit 1", function()
    local result = main [[
@spawn(function()
  @scope(function(s)
    s:defer(function() print("tidied") end)
    @sleep("1h")
  end)
end)
error("main", 0)
]]
    assert.same({ 1, "tidied\n" }, { result.status, result.stdout })
  end)
end)

describe("spawn or async:", function()
  timed("the failure of a spawn fails the scope at once", function()
    local e = fails(@scope, function(s)
      s:spawn(function()
        @sleep("1s")
        error({ kind = "mine" })
      end)
      forever()
    end)
    assert.same({ "mine", 1 }, { e.kind, test.now() })
  end)

  timed("that of an async is held for await", function()
    @scope(function(s)
      local task = s:async(error, { kind = "mine" })
      @sleep("1s")
      assert.equal("mine", fails(task.await, task).kind)
      @sleep("1s")
    end)
    assert.equal(2, test.now())
  end)

  timed("if the scope ends without one, it is raised there", function()
    local e = fails(@scope, function(s)
      s:async(error, { kind = "mine" })
      @sleep("1s")
    end)
    assert.same({ "mine", 1 }, { e.kind, test.now() })
  end)

  timed("that of a function given to @all fails it at once", function()
    assert.equal("mine", fails(@all, forever, @(error({ kind = "mine" }))).kind)
    assert.equal(0, test.now())
  end)
end)

describe("child error:", function()
  timed("the scope cancels siblings and body, waits for them, runs finalizers, rethrows the same first error object",
  function()
    local mine, order = { "mine" }, {}
    local function told(name)
      local e = fails(forever)
      @shield(@(@sleep("1s"))) -- takes its time
      table.insert(order, name .. " " .. e.kind)
      error(e, 0)
    end
    local e = fails(@scope, function(s)
      s:defer(function() table.insert(order, "finalizer") end)
      s:spawn(told, "sibling")
      s:spawn(function()
        @sleep("1s")
        error(mine)
      end)
      told("body")
    end)
    assert.is_true(rawequal(mine, e))
    table.sort(order, function(a, b) return a ~= "finalizer" and (b == "finalizer" or a < b) end)
    assert.same({ "body cancelled", "sibling cancelled", "finalizer" }, order)
    assert.equal(2, test.now())
  end)

  it("later ones go to err.suppressed", function()
    local first, second, third = { kind = "first" }, { kind = "second" }, { kind = "third" }
    local e = fails(@scope, function(s)
      s:spawn(function()
        pcall(forever)
        error(second)
      end)
      s:spawn(function()
        @yield()
        error(first)
      end)
      pcall(forever)
      @shield(@yield)
      error(third)
    end)
    assert.equal(first, e)
    assert.same({ second, third }, e.suppressed)
  end)

  it("a pcall in the body never receives another child's error: the body sees only cancelled", function()
    local seen = {}
    fails(@scope, function(s)
      s:spawn(function()
        @yield()
        error({ kind = "mine" })
      end)
      for i = 1, 3 do seen[i] = fails(forever).kind end
    end)
    assert.same({ "cancelled", "cancelled", "cancelled" }, seen)
  end)
end)

describe("supervisor:", function()
  timed('with on_error="collect" siblings go on, failures are in s.errors', function()
    local scope
    @scope({ on_error = "collect" }, function(s)
      scope = s
      s:spawn(error, { kind = "one" })
      s:spawn(function()
        @sleep("1s")
        error({ kind = "two" })
      end)
      s:spawn(@sleep, "2s")
    end)
    assert.same({ "one", "two", 2 }, { scope.errors[1].kind, scope.errors[2].kind, test.now() })
  end)

  timed("@service restarts with backoff", function()
    local starts, level = {}, style.level
    style.level = 3 -- each new start is logged
    @scope(function(s)
      @service("frail", { backoff = { base = "1s", cap = "4s" }, max = math.huge }, function()
        table.insert(starts, test.now())
        if #starts == 4 then s:cancel() end
        error("again", 0)
      end)
      forever()
    end)
    style.level = level
    for i, most in ipairs { 1, 2, 4 } do
      local pause = starts[i + 1] - starts[i]
      assert.is_true(pause >= most / 2 and pause <= most, ("pause %d: %g s"):format(i, pause))
    end
  end)
end)

describe("awaiting:", function()
  it("a task that somebody cancelled raises task_cancelled, never cancelled", function()
    local task = @async(forever)
    @spawn(function() task:cancel() end)
    assert.equal("task_cancelled", fails(task.await, task).kind)
  end)

  it("a cancelled task nobody awaits is no error", function()
    @scope(function(s)
      s:spawn(forever):cancel()
      s:async(forever):cancel()
    end)
  end)

  it("@all and family take functions or tasks; on failure they cancel and join both", function()
    for name, run in pairs { all = @all, race = @race, any = @any } do
      local mine, joined = @async(function()
        pcall(forever)
        @shield(@yield)
      end), false
      local function other()
        local ok = pcall(forever)
        @shield(@yield)
        joined = not ok
      end
      local last = name == "any" and @(1) or @(error({ kind = "mine" }))
      pcall(run, mine, other, last)
      assert.same({ name, true, "done" }, { name, joined, mine.state })
    end
    local task = @async(@(1))
    assert.equal(1, (@all(task, @(2))))
    assert.equal(1, @all_settled(task)[1].value)
  end)
end)

describe("several values:", function()
  it("@all, @any, @race, await of them, and remember take the first value of each, nil keeps its place", function()
    local function three() return 1, 2, 3 end
    local function none() return nil, 2 end
    assert.same({ n = 3, 1, nil, 1 }, values(@all(three, none, three)))
    assert.same({ n = 1, 1 }, values(@any(three)))
    assert.same({ n = 1, 1 }, values(@race(three)))
    assert.same({ n = 1, 1 }, values(@cache.remember("semantics:three", "1h", three)))
  end)

  it("@all(list) and @map return a table with n; @map calls fn(item) only", function()
    local function none() end
    assert.same({ n = 2 }, @all({ none, none }))
    assert.same({ n = 2, { n = 1, "a" }, { n = 1, "b" } }, @map({ "a", "b" }, values))
  end)

  it("@scope @timeout @try @shield and transactions pass all values through", function()
    local function three() return 1, nil, 3 end
    local expected = { n = 3, 1, nil, 3 }
    assert.same(expected, values(@scope(three)))
    assert.same(expected, values(@timeout("1h", three)))
    assert.same(expected, values(@try(three)))
    assert.same(expected, values(@shield(three)))
    assert.same(expected, values(@db.transaction(three)))
  end)
end)

describe("body returns early:", function()
  timed("children are joined, not cancelled", function()
    local child
    @scope(function(s) child = s:spawn(@sleep, "1s") end)
    assert.same({ "done", 1 }, { child.state, test.now() })
  end)

  timed("s:cancel() ends them; a scope absorbs its own cancel and returns nil, reason", function()
    local child
    assert.same({ n = 2, nil, "cancelled" }, values(@scope(function(s)
      child = s:spawn(forever)
      s:cancel()
      return "lost"
    end)))
    assert.same({ "cancelled", 0 }, { child.state, test.now() })
  end)
end)

describe("level-triggered:", function()
  it("inside a cancelled scope every checkpoint raises again, so a pcall loop can delay but not defeat it", function()
    local count = 0
    @scope(function(s)
      s:cancel()
      for _ = 1, 20 do
        for _, op in ipairs { @sleep, @yield } do
          assert.equal("cancelled", fails(op, 0).kind)
          count = count + 1
        end
      end
      while count < 60 do
        pcall(forever)
        count = count + 1
      end
    end)
    assert.equal(60, count)
  end)

  it("after 100 swallowed raises the task is reported as stuck, and ended", function()
    local result = program.run { "-e", [[
      @scope(function(s)
        s:spawn({ name = "deaf" }, function() while true do pcall(@sleep, "1h") end end)
        s:cancel()
      end)
      print("went on")]] }
    assert.same({ 0, "went on\n" }, { result.status, result.stdout })
    assert.matches('"deaf" has caught its cancellation 100 times', result.stderr, 1, true)
  end)

  timed("after grace what finalizers still do is cancelled", function()
    local e = fails(@scope, { grace = "3s" }, function(s) s:defer(forever) end)
    assert.same({ "timeout", 3 }, { e.kind, test.now() })
  end)
end)

describe("timeout or cancel:", function()
  timed("inside, code sees cancelled; the scope that owned the deadline turns it into timeout {after, scope, op}", function()
    local seen
    local e = fails(@scope, { name = "import", timeout = "2s" }, function()
      @scope(function()
        seen = fails(forever)
        error(seen, 0)
      end)
    end)
    assert.equal("cancelled", seen.kind)
    assert.same({ "timeout", 2, "import", "sleep" }, { e.kind, e.after, e.scope, e.op })
  end)

  timed("nested: the earliest wins", function()
    local inner
    local outer = fails(@timeout, "3s", function()
      inner = fails(@timeout, "2s", forever)
      forever()
    end)
    assert.same({ 2, 3, 3 }, { inner.after, outer.after, test.now() })
  end)

  timed("on a tie the outer one is charged", function()
    local inner
    local outer = fails(@timeout, "2s", function()
      inner = fails(@timeout, "2s", forever)
      error(inner, 0)
    end)
    assert.same({ "cancelled", "timeout" }, { inner.kind, outer.kind })
  end)
end)

describe("deadlines:", function()
  timed("effective = min(parent, own); @remaining()", function()
    assert.is_nil(@remaining())
    @timeout("10s", function()
      assert.equal(10, @remaining())
      @timeout("1h", function() assert.equal(10, @remaining()) end)
      @sleep("4s")
      @timeout("1s", function() assert.equal(1, @remaining()) end)
      assert.equal(6, @remaining())
    end)
  end)

  timed("a task has that of the scope it belongs to", function()
    @timeout("10s", function()
      assert.equal(10, @async(@(@remaining())):await())
    end)
  end)

  local full, sem, empty = nil, nil, nil
  for name, wait in pairs {
    channel = function() empty:recv() end,
    semaphore = function() sem:acquire() end,
    pool = function() full:with(print) end,
    await = function() @async(forever):await() end,
    select = function() @select { job = empty } end,
    tick = function() @every("1h"):wait() end,
  } do
    timed("the wait for a " .. name .. " runs to the deadline", function()
      full, sem, empty = @pool { open = @(1), max = 1 }, @semaphore(1), @channel()
      @scope(function(s)
        s:spawn(full.with, full, forever)
        s:spawn(sem.with, sem, forever)
        assert.equal("timeout", fails(@timeout, "5s", wait).kind)
        assert.equal(5, test.now())
        s:cancel()
      end)
    end)
  end
end)

describe("completion races cancel:", function()
  it("if the completion ran first its value is delivered, and cancel is seen at the next checkpoint", function()
    local ch, got, after = @channel(), nil, nil
    local task = @async(function()
      got = ch:recv()
      after = fails(@yield).kind
    end)
    ch:send("value")
    task:cancel()
    @try(task.await, task)
    assert.same({ "value", "cancelled" }, { got, after })
  end)

  it("resources that lost the race are returned by the runtime", function()
    local sem, opened, closed = @semaphore(1), 0, 0
    local pool = @pool {
      open = function() opened = opened + 1 @yield() return opened end,
      close = function() closed = closed + 1 end,
    }
    for turns = 0, 4 do
      @scope(function(s)
        local lease = sem:acquire()
        s:spawn(function() sem:with(@yield) end)
        s:spawn(function() pool:with(@yield) end)
        for _ = 1, turns do @yield() end
        lease:release()
        s:cancel()
      end)
      assert.equal(1, sem.available)
      assert.same({ 0, opened - closed }, { pool:stats().in_use, pool:stats().idle })
    end
  end)
end)

describe("cleanup:", function()
  timed("s:defer(fn) runs last in, first out, shielded, within grace", function()
    local order = {}
    @scope(function(s)
      for i = 1, 3 do
        s:defer(function()
          @sleep("1s") -- shielded: the scope is cancelled
          table.insert(order, i)
        end)
      end
      s:cancel()
      forever()
    end)
    assert.same({ 3, 2, 1 }, order)
    assert.equal("timeout", fails(@scope, function(s) s:defer(forever) end).kind)
    assert.equal(3 + 5, test.now()) -- the grace is 5 s
  end)

  it("its error joins suppressed, or is raised if there was none; the rest still run", function()
    local ran = 0
    local function body(s)
      s:defer(function() ran = ran + 1 end)
      s:defer(@(error({ kind = "late" })))
    end
    assert.equal("late", fails(@scope, body).kind)
    local e = fails(@scope, function(s)
      body(s)
      error({ kind = "first" })
    end)
    assert.same({ "first", "late", 2 }, { e.kind, e.suppressed[1].kind, ran })
  end)
end)

describe("empty input:", function()
  it("@all() returns nothing; @race() and @any() are argument errors; concurrency 0 is an argument error", function()
    assert.same({ n = 0 }, values(@all()))
    assert.equal("argument", fails(@race).kind)
    assert.equal("argument", fails(@any).kind)
    assert.equal("argument", fails(@map, { 1 }, print, { concurrency = 0 }).kind)
  end)
end)

describe("select:", function()
  timed("cases are channels, tasks, @every, @watch; timeout is a reserved name", function()
    local ch, watch = @channel(1), @watch(0)
    ch:send("x")
    assert.same({ n = 2, "job", "x" }, values(@select { job = ch }))
    assert.same({ n = 2, "task", 7 }, values(@select { task = @async(@(7)) }))
    assert.same({ n = 2, "tick", 1 }, values(@select { tick = @every("1s") }))
    @spawn(watch.set, watch, 5)
    @spawn(function()
      @yield()
      watch:set(6)
    end)
    assert.same({ n = 2, "new", 6 }, values(@select { new = watch }))
    assert.same({ n = 1, "timeout" }, values(@select { job = ch, timeout = "1s" }))
    assert.equal(2, test.now())
    assert.equal("argument", fails(@select, { { ch, "timeout" } }).kind)
  end)

  it('a closed channel gives name, nil, "closed"', function()
    local ch = @channel()
    ch:close()
    assert.same({ n = 3, "job", nil, "closed" }, values(@select { job = ch }))
  end)

  it("commits exactly one, unregisters the rest: losers' values stay in their channels", function()
    local a, b = @channel(2), @channel(2)
    local chosen = @async(function() return (@select { a = a, b = b }) end)
    b:send("first")
    a:send("second")
    assert.equal("b", chosen:await())
    assert.same({ 1, 0 }, { #a, #b })
    b:send("third") -- nobody stands in its line any more
    assert.same({ "second", "third" }, { a:recv(), b:recv() })
  end)

  it("fair among ready: names sorted, then a seeded shuffle", function()
    local function run()
      local counts, order = { a = 0, b = 0, c = 0 }, {}
      local ready = { a = @channel(300), b = @channel(300), c = @channel(300) }
      for _, ch in pairs(ready) do for _ = 1, 300 do ch:send(1) end end
      for i = 1, 300 do
        local name = @select(ready)
        counts[name] = counts[name] + 1
        order[i] = name
      end
      return counts, table.concat(order)
    end
    local counts, order
    test.seed(4, function() counts, order = run() end)
    for name, n in pairs(counts) do assert.is_true(n > 60 and n < 140, name .. " " .. n) end
    test.seed(4, function() assert.equal(order, select(2, run())) end)
    test.seed(5, function() assert.not_equal(order, select(2, run())) end)
  end)

  it("array form is priority order", function()
    local low, high = @channel(9), @channel(9)
    for i = 1, 9 do
      low:send(i)
      high:send(i)
    end
    for _ = 1, 9 do assert.equal("high", (@select { { high, "high" }, { low, "low" } })) end
    assert.equal("low", (@select { { high, "high" }, { low, "low" }, timeout = 0 }))
  end)
end)

describe("channel:", function()
  it("@channel(n); n omitted = rendezvous", function()
    local ch, sent = @channel(), false
    local task = @spawn(function()
      ch:send(1)
      sent = true
    end)
    @yield()
    assert.is_false(sent)
    assert.equal(1, ch:recv())
    task:await()
    local buffered = @channel(2)
    buffered:send(1)
    buffered:send(2)
    assert.is_false(buffered:try_send(3))
  end)

  it("multi-producer, multi-consumer, FIFO", function()
    local ch, got = @channel(), {}
    @scope(function(s)
      for i = 1, 3 do s:spawn(ch.send, ch, i) end
      for _ = 1, 6 do s:spawn(function() table.insert(got, (ch:recv())) end) end
      for i = 4, 6 do ch:send(i) end
    end)
    assert.same({ 1, 2, 3, 4, 5, 6 }, got)
  end)

  it("nil cannot be sent", function()
    assert.equal("argument", fails(function() @channel(1):send(nil) end).kind)
  end)

  it('close(): buffered values are still received, then nil, "closed"; senders raise closed', function()
    local ch, waiting = @channel(1), nil
    ch:send(1)
    local sender = @spawn(function() waiting = fails(ch.send, ch, 2).kind end)
    ch:close()
    sender:await()
    assert.same({ 1, "closed", "closed" }, { ch:recv(), waiting, fails(ch.send, ch, 3).kind })
    assert.same({ n = 2, nil, "closed" }, values(ch:recv()))
  end)

  it("close(err) makes receivers raise it after the drain", function()
    local ch, mine = @channel(1), { "mine" }
    ch:send(1)
    ch:close(mine)
    assert.equal(1, ch:recv())
    for _ = 1, 2 do assert.is_true(rawequal(mine, fails(ch.recv, ch))) end
  end)
end)

describe("semaphore, pool:", function()
  local function pool_of_one()
    local log = {}
    return @pool {
      open = function() table.insert(log, "open") return {} end,
      close = function() table.insert(log, "close") end,
      max = 1,
    }, log
  end

  it("FIFO", function()
    for _, thing in ipairs { @semaphore(1), (pool_of_one()) } do
      local order = {}
      @scope(function(s)
        for i = 1, 4 do
          s:spawn(thing.with, thing, function()
            table.insert(order, i)
            @yield()
          end)
        end
      end)
      assert.same({ 1, 2, 3, 4 }, order)
    end
  end)

  timed("the permit is a scope resource: error, cancel and timeout return it", function()
    for _, thing in ipairs { @semaphore(1), (pool_of_one()) } do
      fails(thing.with, thing, error)
      fails(@timeout, "1s", thing.with, thing, forever)
      @scope(function(s)
        s:spawn(thing.with, thing, forever)
        s:cancel()
      end)
      assert.equal("free", thing:with(@("free")))
    end
  end)

  timed("a holder cancelled mid-operation taints the connection", function()
    local pool, log = pool_of_one()
    local function use() @sleep("1s") end
    pool:with(use)
    pool:with(use)
    fails(@timeout, "1s", pool.with, pool, forever)
    pool:with(use)
    assert.same({ "open", "close", "open" }, log)
  end)
end)

describe("deadlock:", function()
  it("when nothing can ever wake any task, main gets a deadlock error listing who waits on what since when", function()
    local result = main [[
local ch = @channel()
@spawn({ name = "reader" }, function() for _ in ch do end end)
ch:recv()
print("never")
]]
    assert.same({ 1, "" }, { result.status, result.stdout })
    assert.matches("^error%[deadlock%]", result.stderr)
    assert.matches('task %d+ "reader" waits to receive from channel 1 since 0%.%d s', result.stderr)
  end)

  it("no timer, no active handle, foreign ones included", function()
    local result = main [[
local uv, ch = require "luv", @channel()
local pipe = uv.new_pipe(false)
local fds = uv.pipe({ nonblock = true }, { nonblock = true })
pipe:open(fds.read)
pipe:read_start(function(_, bytes)
  if bytes then ch:try_send(bytes) end
end)
@spawn(function()
  @sleep("5ms")
  local out = uv.new_pipe(false)
  out:open(fds.write)
  out:write("woken", function() out:close() end)
end)
print(ch:recv())
pipe:close()
]]
    assert.same({ 0, "woken\n", "" }, { result.status, result.stdout, result.stderr })
  end)
end)

describe("CPU-bound tasks:", function()
  it("@yield() is an explicit checkpoint", function()
    local others = 0
    local task = @spawn(function()
      for _ = 1, 5 do
        others = others + 1
        @yield()
      end
    end)
    for i = 1, 5 do
      assert.equal(i, others)
      @yield()
    end
    task:await()
    @scope(function(s)
      s:cancel()
      assert.equal("cancelled", fails(@yield).kind)
    end)
  end)

  it("heavy work goes to @worker.call: a separate Lua state on a thread, while others run", function()
    _G.in_this_state = true
    local turns = 0
    local watcher = @spawn(function()
      while true do
        turns = turns + 1
        @yield()
      end
    end)
    assert.equal(5000050000, @worker.call("spec.support.heavy", "sum", 100000))
    assert.is_nil(@worker.call("spec.support.heavy", "global", "in_this_state"))
    watcher:cancel()
    _G.in_this_state = nil
    assert.is_true(turns > 1)
  end)
end)

describe("order:", function()
  it("the run queue is FIFO, deterministic; no priorities", function()
    local function run()
      local order = {}
      @scope(function(s)
        for i = 1, 5 do
          s:spawn(function()
            for round = 1, 3 do
              table.insert(order, round * 10 + i)
              @yield()
            end
          end)
        end
      end)
      return order
    end
    local expected = { 11, 12, 13, 14, 15, 21, 22, 23, 24, 25, 31, 32, 33, 34, 35 }
    assert.same(expected, run())
    assert.same(expected, run())
  end)
end)

describe("cached / remember:", function()
  timed("single-flight; a caller's cancel only detaches it", function()
    local loads, got = 0, {}
    local function load()
      loads = loads + 1
      @sleep("1s")
      return "value"
    end
    @scope(function(s)
      local first = s:spawn(@cache.remember, "semantics:flight", "1h", load)
      for i = 1, 3 do s:spawn(function() got[i] = @cache.remember("semantics:flight", "1h", load) end) end
      first:cancel()
    end)
    assert.same({ 1, { "value", "value", "value" } }, { loads, got })
  end)

  it("the flight belongs to the plugin's scope: it goes on when all callers have gone", function()
    local result = app.run { ["main.lua"] = [[
local loads = 0
local function load()
  loads = loads + 1
  @sleep("10ms")
  print("loaded")
  return "value"
end
print((select(2, pcall(@timeout, "1ms", @cache.remember, "key", "1h", load))).kind)
print(@cache.remember("key", "1h", load), loads)
]] }
    assert.same({ 0, "timeout\nloaded\nvalue\t1\n" }, { result.status, result.stdout })
  end)
end)


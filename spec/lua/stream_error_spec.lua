-- @stream: what fails, what is cancelled, what is left; and that sources are closed, once.
local test = require "tusk.test"

-- 1, 2, … n, then what `after` does; counts how often it was closed.
local function source(n, after)
  local it = { closed = 0, given = 0 }
  function it:close() self.closed = self.closed + 1 end
  return setmetatable(it, { __call = function(self)
    if self.given == n then return after and after() end
    self.given = self.given + 1
    return self.given
  end })
end

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function same(x)
  return x
end

local function boom(x)
  if x == 3 then error("boom", 0) end
  return x
end

local function park()
  @sleep("1h")
end

-- Tasks; not those that see to generators which earlier tests have left and which are collected now.
local function alive()
  local n = 0
  for _, t in ipairs(require("tusk").ps()) do
    if t.name ~= "finalizers" then n = n + 1 end
  end
  return n
end

-- Every kind of stage, with fn in it where it takes one.
local stages = {
  map = function(s, fn) return s:map(fn) end,
  ["map with concurrency"] = function(s, fn) return s:map(fn, { concurrency = 3 }) end,
  ["map out of order"] = function(s, fn) return s:map(fn, { concurrency = 3, ordered = false }) end,
  partition = function(s, fn) return s:partition(same, { concurrency = 3 }):map(fn) end,
  filter = function(s, fn) return s:filter(fn) end,
  flat_map = function(s, fn) return s:flat_map(function(x) return { fn(x) } end) end,
  ["flat_map of streams"] = function(s, fn) return s:flat_map(function(x) return @stream({ x }):buffer(1):map(fn) end) end,
  chunks = function(s, fn) return s:chunks(2):map(function(c) for _, x in ipairs(c) do fn(x) end return c end) end,
  ["chunks within"] = function(s, fn) return s:map(fn):chunks(2, { within = "1h" }) end,
  throttle = function(s, fn) return s:throttle { acquire = function(self) self.n = fn((self.n or 0) + 1) end } end,
  take_while = function(s, fn) return s:take_while(fn) end,
  take = function(s, fn) return s:map(fn):take(10) end,
  skip = function(s, fn) return s:map(fn):skip(1) end,
  take_until = function(s, fn) return s:map(fn):take_until(@channel()) end,
  merge = function(s, fn) return s:map(fn):merge({ 1, 2 }) end,
  tee = function(s, fn) local a, b = s:map(fn):tee() return a:merge(b) end,
  on_error = function(s, fn) return s:on_error(error):map(fn) end,
  buffer = function(s, fn) return s:map(fn):buffer(1) end,
  progress = function(s, fn) return s:progress(function(p) fn(p.count) end, { every = 0 }) end,
}

for name, stage in pairs(stages) do
  describe("a stream with " .. name, function()
    it("raises at the sink what its function fails with, ends its tasks and closes the source once", function()
      local before, src = alive(), source(5)
      local e = fails(function() stage(@stream(src), boom):count() end)
      assert.equal("boom", e.value or e)
      assert.equal(1, src.closed)
      assert.equal(before, alive())
    end)

    it("raises it in a loop", function()
      local src = source(5)
      local e = fails(function() for _ in stage(@stream(src), boom) do same() end end)
      assert.equal("boom", e.value or e)
      assert.equal(1, src.closed)
    end)

    it("raises what its source fails with, never an end", function()
      local src = source(2, function() error("broken", 0) end)
      local e = fails(function() stage(@stream(src), same):count() end)
      assert.equal("broken", e.value or e)
      assert.equal(1, src.closed)
    end)

    it("is cancelled while its source waits", function()
      local before, src = alive(), source(1, park)
      local task = @async(function() return stage(@stream(src), same):count() end)
      for _ = 1, 5 do @yield() end
      assert.equal(0, src.closed)
      task:cancel()
      assert.equal("task_cancelled", fails(task.await, task).kind)
      assert.equal(1, src.closed)
      assert.equal(before, alive())
    end)

    it("is cancelled while its function waits", function()
      local before, src = alive(), source(5)
      local task = @async(function() return stage(@stream(src), park):count() end)
      for _ = 1, 5 do @yield() end
      task:cancel()
      assert.equal("task_cancelled", fails(task.await, task).kind)
      assert.equal(1, src.closed)
      assert.equal(before, alive())
    end)

    it("is cancelled while its sink waits", function()
      local before, src = alive(), source(5)
      local task = @async(function() return stage(@stream(src), same):to(@channel()) end)
      for _ = 1, 5 do @yield() end
      task:cancel()
      assert.equal("task_cancelled", fails(task.await, task).kind)
      assert.equal(1, src.closed)
      assert.equal(before, alive())
    end)

    it("stops early when its sink has enough, and closes its source once", function()
      local before, src = alive(), source(1000)
      stage(@stream(src), same):first()
      assert.equal(1, src.closed)
      assert.equal(before, alive())
    end)

    it("may be cancelled at every checkpoint", function()
      local function slow(x)
        @yield()
        return x
      end
      local function body(src)
        stage(@stream(src), slow):each(function() @yield() end)
      end
      local opts = {
        setup = function() return source(3, function() @yield() end) end,
        check = function(src) assert.is_true(src.closed == 1 or src.closed == 0 and src.given == 0) end,
      }
      test.sweep(body, opts)
      for seed = 1, 2 do test.seed(seed, test.sweep, body, opts) end
    end)

    it("left by break is closed at the end of its task", function()
      local before, src = alive(), source(1000)
      @async(function()
        for _ in stage(@stream(src), same) do if src.given > 0 then break end end
      end):await()
      for _ = 1, 5 do @yield() end
      assert.equal(1, src.closed)
      assert.equal(before, alive())
    end)

    it("left by break is closed when it is collected", function()
      local before, src = alive(), source(1000)
      local function leave()
        for _ in stage(@stream(src), same) do if src.given > 0 then break end end
      end
      leave()
      for _ = 1, 10 do
        collectgarbage()
        @yield()
      end
      assert.equal(1, src.closed)
      assert.equal(before, alive())
    end)

    it("left by break is closed by close()", function()
      local before, src = alive(), source(1000)
      local s = stage(@stream(src), same)
      s()
      s:close()
      s:close()
      assert.equal(1, src.closed)
      assert.is_nil(s())
      assert.equal(before, alive())
    end)

    it("closed before it was used has closed its source", function()
      local src = source(5)
      stage(@stream(src), same):close()
      assert.same({ 1, 0 }, { src.closed, src.given })
    end)

    it("that has failed goes on failing when it is pulled from", function()
      local s = stage(@stream(source(5)), boom)
      local _, e = pcall(function() for _ in s do same() end end)
      for _ = 1, 2 do
        local ok, again = pcall(s)
        assert.is_false(ok)
        assert.is_true(rawequal(e, again))
      end
    end)
  end)
end

describe("a stream", function()
  it("refuses a second task while one waits, and serves the first", function()
    for _, width in ipairs { 1, 2 } do
      local ch = @channel()
      local s = @stream(ch):map(same, { concurrency = width })
      local task = @async(s)
      local e = fails(s)
      assert.equal("argument", e.kind)
      assert.truthy(e.message:find("another task", 1, true))
      ch:send("x")
      assert.equal("x", task:await())
      s:close()
    end
  end)

  it("works where starts are nested so deep that they are put off", function()
    local function nested(depth)
      if depth == 0 then
        local got = {}
        for x in @stream({ 1, 2 }):map(same, { concurrency = 2 }) do got[#got + 1] = x end
        return got
      end
      return @async(nested, depth - 1):await()
    end
    for depth = 90, 110 do assert.same({ 1, 2 }, nested(depth)) end
    local n = @stream.unfold(1, function(i) if i <= 2000 then return i, i + 1 end end)
      :map(function(x) @yield() return x end, { concurrency = 500 }):count()
    assert.equal(2000, n)
  end)

  it("whose pull was cancelled has ended, and says so", function()
    local s = @stream(@every("1h")):buffer(1)
    assert.equal("timeout", fails(@timeout, "1ms", s).kind)
    assert.equal("closed", fails(s).kind)
  end)

  it("raises the very error object", function()
    local mine = {}
    for _, width in ipairs { 1, 4 } do
      local e = fails(function() @stream({ 1 }):map(function() error(mine) end, { concurrency = width }):count() end)
      assert.is_true(rawequal(mine, e))
    end
  end)

  it("cancels what other workers do when one fails", function()
    local seen = {}
    fails(function()
      @stream({ 1, 2, 3 }):map(function(x)
        if x == 3 then error("boom", 0) end
        local ok, e = pcall(park)
        seen[#seen + 1] = not ok and e.kind
        error(e, 0)
      end, { concurrency = 3 }):count()
    end)
    assert.same({ "cancelled", "cancelled" }, seen)
  end)

  it("closes its source after the tasks that read from it have ended", function()
    local order = {}
    local src = source(1, function()
      local ok, e = pcall(park)
      @shield(function() @yield() end)
      order[#order + 1] = ok or "reader"
      error(e, 0)
    end)
    function src.close() order[#order + 1] = "close" end
    fails(function() @timeout("1ms", @(@stream(src):buffer(2):map(same, { concurrency = 2 }):count())) end)
    assert.same({ "reader", "close" }, order)
  end)

  it("reports a source that cannot be closed, on error beside that", function()
    local function unclosable(n)
      local src = source(n)
      function src.close() error("stuck", 0) end
      return src
    end
    assert.equal("stuck", fails(function() @stream(unclosable(2)):count() end).value)
    local e = fails(function() @stream(unclosable(5)):map(boom):count() end)
    assert.equal("boom", e.value)
    assert.equal("stuck", e.suppressed[1].value)
  end)

  it("ends by the deadline around it, also if it only computes", function()
    local e = fails(function()
      @timeout("5ms", @(@stream.unfold(1, function(n) return n, n + 1 end):filter(function() return false end):count()))
    end)
    assert.equal("timeout", e.kind)
  end)

  it("closes each of several sources once", function()
    local a, b, c = source(5), source(5), source(5)
    @stream(a):merge(@stream(b):buffer(1), c):take(4):count()
    assert.same({ 1, 1, 1 }, { a.closed, b.closed, c.closed })
  end)

  it("closes what flat_map has open", function()
    local inner = {}
    local function open()
      inner[#inner + 1] = source(3)
      return inner[#inner]
    end
    @stream({ 1, 2, 3 }):flat_map(open):take(4):count()
    assert.equal(2, #inner)
    assert.same({ 1, 1 }, { inner[1].closed, inner[2].closed })
  end)

  it("raises in each of two made by tee what fails before it, but not what fails in the other", function()
    local a, b = @stream({ 1, 2, 3 }):map(boom):tee()
    local outs = @all_settled(@(a:count()), @(b:count()))
    assert.same({ "boom", "boom" }, { outs[1].err.value, outs[2].err.value })
    a, b = @stream({ 1, 2, 3 }):tee()
    outs = @all_settled(@(a:map(boom):count()), @(b:count()))
    assert.equal("boom", outs[1].err.value)
    assert.equal(3, outs[2].value)
  end)

  it("to a channel closes it with the error", function()
    local ch = @channel(10)
    fails(function() @stream({ 1, 2, 3 }):map(boom):to(ch) end)
    assert.same({ 1, 2 }, { ch:recv(), ch:recv() })
    assert.equal("boom", fails(ch.recv, ch).value)
  end)

  it("to a channel that somebody closes fails with closed", function()
    local ch, src = @channel(), source(5)
    local task = @async(function() return @stream(src):to(ch) end)
    ch:close()
    assert.equal("closed", fails(task.await, task).kind)
    assert.equal(1, src.closed)
  end)

  it("raises what a channel was closed with", function()
    local ch = @channel(1)
    ch:send(1)
    ch:close("bad")
    assert.equal("bad", fails(function() @stream(ch):buffer(1):count() end).value)
  end)

  it("raises what the task that take_until waits for failed with", function()
    local task = @async(function() @yield() error("stop", 0) end)
    assert.equal("stop", fails(function() @stream(@every("1h")):take_until(task):count() end).value)
  end)
end)

describe("on_error", function()
  for _, width in ipairs { 1, 3 } do
    it("leaves out the items that failed, " .. width .. " at once", function()
      assert.same({ 1, 2, 4 }, @stream({ 1, 2, 3, 4 }):map(boom, { concurrency = width }):on_error("skip"):collect())
    end)

    it("puts something in their place, " .. width .. " at once", function()
      local got = @stream({ 2, 3 }):map(boom, { concurrency = width }):buffer(2)
        :on_error(function(e) return e.value end):collect()
      assert.same({ 2, "boom" }, got)
    end)
  end

  it("sees what partition, filter, flat_map and chunks have failed with", function()
    local got = @stream({ 1, 2, 3, 4 }):filter(boom):flat_map(function(x) return { x } end)
      :partition(same):map(function(x) return x ~= 4 and x or boom(3) end):on_error("skip"):collect()
    table.sort(got)
    assert.same({ 1, 2 }, got)
    assert.same({ { 1, 2 }, { 4 } }, @stream({ 1, 2, 3, 4 }):map(boom):chunks(2):on_error("skip"):collect())
  end)

  it("does not see what comes after it", function()
    assert.equal("boom", fails(function() @stream({ 3 }):on_error("skip"):map(boom):count() end).value or "boom")
    local e = fails(function() @stream({ 3 }):on_error("skip"):map(boom, { concurrency = 2 }):count() end)
    assert.equal("boom", e.value)
  end)

  it("does not hide that the source is broken", function()
    for _, width in ipairs { 1, 3 } do
      local src = source(2, function() error("broken", 0) end)
      local e = fails(function() @stream(src):map(same, { concurrency = width }):on_error("skip"):count() end)
      assert.equal("broken", e.value or e)
      assert.equal(1, src.closed)
    end
  end)

  it("does not hide that it is cancelled", function()
    local e = fails(function() @timeout("2ms", @(@stream({ 1, 2 }):map(park):on_error("skip"):count())) end)
    assert.equal("timeout", e.kind)
  end)

  it("may fail itself", function()
    local e = fails(function() @stream({ 3 }):map(boom):on_error(function() error("worse", 0) end):count() end)
    assert.equal("worse", e.value or e)
  end)
end)

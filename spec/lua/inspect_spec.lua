-- tusk.ps(): the tasks that live, as data.
local inspect = require "tusk.inspect"
local tusk = require "tusk"
local test = require "tusk.test"

local function line()
  return debug.getinfo(2, "l").currentline
end

-- The record of one task.
local function record(task)
  for _, t in ipairs(tusk.ps()) do
    if t.id == task.id then return t end
  end
end

-- fn(task) while a task that runs `body` lives.
local function with_task(body, fn)
  @scope(function(s)
    local task = s:spawn({ name = "probe" }, body)
    fn(task)
    s:cancel()
  end)
end

describe("tusk.ps", function()
  it("says who waits, in which operator, where, since when", function()
    local at
    with_task(function() at = line() + 1
      @sleep("1h")
    end, function(task)
      @sleep("2ms")
      local t = record(task)
      assert.same({ task.id, "probe", "parked", "sleep", at },
        { t.id, t.name, t.state, t.op, t.site.line })
      assert.matches("inspect_spec.lua$", t.site.file)
      assert.is_true(t.since >= 0.002)
      assert.is_nil(t.deadline)
    end)
  end)

  it("says how long is left", function()
    with_task(function() @timeout("1h", @(@sleep("2h"))) end, function(task)
      local left = record(task).deadline
      assert.is_true(left > 3500 and left <= 3600)
    end)
  end)

  it("looks into a generator that waits", function()
    local at
    with_task(function()
      local generator = coroutine.wrap(function()
        local inner = coroutine.wrap(function() at = line() + 1
          @sleep("1h")
        end)
        inner()
      end)
      generator()
    end, function(task)
      local t = record(task)
      assert.same({ "sleep", at }, { t.op, t.site.line })
    end)
  end)

  it("names the method that is waited in, where that is no operator", function()
    local channel = @channel()
    for name, body in pairs {
      recv = function() channel:recv() print() end,
      acquire = function()
        local semaphore = @semaphore(1)
        semaphore:acquire()
        semaphore:acquire()
        print()
      end,
      await = function()
        local task = @async(@(@sleep("1h")))
        task:await()
        print()
      end,
    } do
      with_task(body, function(task)
        local t = record(task)
        assert.same({ nil, name }, { t.op, t.method })
        assert.matches("inspect_spec.lua$", t.site.file)
      end)
    end
  end)

  it("knows who owns whom, owners first", function()
    with_task(function()
      @spawn({ name = "child" }, @(@sleep("1h")))
      @sleep("1h")
    end, function(task)
      local child, seen
      for i, t in ipairs(tusk.ps()) do
        if t.id == task.id then seen = i end
        if t.name == "child" and seen then child = t end
      end
      assert.equal(task.id, child.parent)
    end)
  end)

  it("knows a task that runs, one that is ready and one that waits for its tasks", function()
    @scope(function(s)
      local joining = s:spawn(function() @spawn(@(@sleep("1h"))) end)
      local ready = s:spawn(@(@yield()))
      local me = s:spawn(function(self) assert.is_nil(self) end)
      assert.equal("joining", record(joining).state)
      assert.equal("ready", record(ready).state)
      assert.is_nil(record(me))
      local running = 0
      for _, t in ipairs(tusk.ps()) do running = running + (t.state == "running" and 1 or 0) end
      assert.equal(1, running)
      s:cancel()
    end)
  end)
end)

describe("the tree as text", function()
  it("indents what a task owns, and takes no control bytes from a name", function()
    with_task(function()
      @spawn({ name = "a\nb" }, @(@sleep("1h")))
      @sleep("1h")
    end, function()
      local text = inspect.text()
      local lead, inner = text:match('\n( +)task %d+ "probe" waits[^\n]*\n( +)task %d+ "a%?b" waits since %d+%.%d s in @sleep at [^\n]*inspect_spec.lua:%d+')
      assert.equal(lead .. "  ", inner)
    end)
  end)

  it("bounds a chain of thousands", function()
    local function nest(n, s)
      if n == 0 then return s:spawn(@(@sleep("1h"))) end
      return s:spawn(function() @scope(function(inner) nest(n - 1, inner) end) end)
    end
    @scope(function(s)
      nest(2000, s)
      for _ = 1, 40 do @yield() end -- deep starts are queued
      assert.matches("\n +… and %d+ more", inspect.text())
      s:cancel()
    end)
  end)

  it("says how breakers, limiters and bulkheads with a name stand", function()
    local breaker = @breaker { name = "inspected\n1", min = 2, open = "5s" }
    local bulkhead = @bulkhead { name = "inspected 2", max = 2, queue = 4 }
    local limiter = @limiter { name = "inspected 3", rate = 0.5, burst = 2 }
    test.clock(function()
      @scope(function(s)
        for _ = 1, 3 do @try(function() breaker:run(function() error { kind = "timeout" } end) end) end
        for _ = 1, 3 do s:spawn(function() bulkhead:run(@(@sleep("1h"))) end) end
        for _ = 1, 3 do s:spawn(function() limiter:acquire() end) end
        @sleep(1)
        local text = "\n" .. inspect.text() .. "\n"
        for _, told in ipairs {
          'breaker "inspected?1" is open, 4.0 s more: 2 of 2 failed lately; opened 1×, 1 refused',
          'bulkhead "inspected 2" has 2 of 2 in use: 1 wait; 0 refused',
          'limiter "inspected 3" gives 0.5 a second: 1 waited for; 2 taken, 0 refused' } do
          assert.truthy(text:find("\n" .. told .. "\n", 1, true), text)
        end
        s:cancel()
      end)
    end)
    breaker:isolate()
    assert.truthy(inspect.text():find('breaker "inspected?1" is isolated: ', 1, true))
  end)

  it("bounds thousands of those", function()
    local kept = {}
    for i = 1, 500 do kept[i] = @limiter { name = ("many %03d"):format(i), rate = 1 } end
    local text = inspect.text()
    assert.matches("\n… and %d+ more$", text)
    assert.is_true(#text < 16 * 1024)
    assert.equal(500, #kept)
  end)
end)

-- tusk.test: the virtual clock.
local temp = require "spec.support.temp"
local test = require "tusk.test"
local uv = require "luv"

local function ticking(list, name, period, times)
  return function()
    for i = 1, times do
      @sleep(period)
      list[#list + 1] = name .. i .. "@" .. test.now()
    end
  end
end

describe("test.clock", function()
  it("makes a sleep of a year pass at once", function()
    test.clock(function()
      @sleep("365d")
      assert.equal(365 * 86400, test.now())
    end)
  end)

  it("passes arguments and results through", function()
    assert.same({ 1, nil, 3, n = 3 }, { n = 3, test.clock(function(...) return ... end, 1, nil, 3) })
  end)

  it("fires timers of many tasks in their order", function()
    local list = {}
    test.clock(function()
      @scope(function(s)
        s:spawn(ticking(list, "a", "2h", 3))
        s:spawn(ticking(list, "b", "3h", 2))
      end)
    end)
    assert.same({ "a1@7200", "b1@10800", "a2@14400", "b2@21600", "a3@21600" }, list)
  end)

  it("fires timers of the same moment in the order in which they were begun", function()
    local list = {}
    test.clock(function()
      @scope(function(s)
        for i = 1, 20 do
          s:spawn(function()
            @sleep "1h"
            list[#list + 1] = i
          end)
        end
      end)
    end)
    for i = 1, 20 do assert.equal(i, list[i]) end
  end)

  it("ends scopes at their deadline", function()
    test.clock(function()
      local _, e = @try(@timeout, "1h", @(@sleep "2h"))
      assert.equal("timeout", e.kind)
      assert.equal(3600, e.after)
      assert.equal(3600, test.now())
    end)
  end)

  it("lets the earliest of nested deadlines win", function()
    test.clock(function()
      local _, e = @try(@timeout, "1h", @(@timeout("2h", @(@sleep "3h"))))
      assert.equal(3600, e.after)
    end)
  end)

  it("tells what remains of a deadline set on it", function()
    test.clock(function()
      @timeout("2h", function()
        @sleep "30m"
        assert.equal(5400, @remaining())
      end)
    end)
  end)

  it("leaves the deadline of a scope around it on the real clock", function()
    @timeout("30s", function()
      test.clock(function()
        assert.is_nil(@remaining())
        @sleep "1h"
      end)
      assert.is_true(@remaining() <= 30)
    end)
  end)

  it("makes @every tick", function()
    test.clock(function()
      local n = 0
      for number in @every("10m") do
        n = n + 1
        assert.equal(n, number)
        if n == 6 then break end
      end
      assert.equal(3600, test.now())
    end)
  end)

  it("ticks on exactly through a period that is no whole number of anything", function()
    test.clock(function()
      local n = 0
      for _ in @every(1 / 3) do
        n = n + 1
        if n == 3000 then break end
      end
      assert.is_true(math.abs(test.now() - 1000) < 1e-6)
    end)
  end)

  it("ends a select whose timeout is over", function()
    test.clock(function()
      assert.equal("timeout", (@select { x = @channel(), timeout = "1d" }))
      assert.equal(86400, test.now())
    end)
  end)

  it("lets what is cached expire", function()
    test.clock(function()
      @cache.set("test_clock", "here", "1h")
      @sleep "59m"
      assert.equal("here", @cache.get("test_clock"))
      @sleep "2m"
      assert.is_nil(@cache.get("test_clock"))
    end)
  end)

  it("moves both of @date's clocks", function()
    test.clock({ at = "2026-01-31T23:00:00Z" }, function()
      local before = @date.clock()
      assert.equal("2026-01-31T23:00:00Z", @date.format(@date.now()))
      @sleep "2h"
      assert.equal("2026-02-01T01:00:00Z", @date.format(@date.now()))
      assert.equal(7200, @date.clock() - before)
    end)
  end)

  it("begins with the real date unless told", function()
    local real = @date.now()
    test.clock(function() assert.is_true(@date.now() - real < 60) end)
  end)

  it("gives real time back, also when its body fails", function()
    local before = @date.now()
    local _, e = @try(test.clock, function()
      @sleep "100d"
      error("broken")
    end)
    assert.equal("broken", e.message)
    assert.is_true(@date.now() - before < 86400)
    assert.has_error(test.now)
  end)

  it("gives real time back when its body is cancelled", function()
    local result, why = @scope(function(s)
      test.clock(function()
        s:cancel()
        @sleep "1h"
      end)
    end)
    assert.is_nil(result)
    assert.equal("cancelled", why)
    assert.has_error(test.now)
  end)

  it("waits for the tasks that its body has started", function()
    local at
    test.clock(function()
      @spawn(function()
        @sleep "1h"
        at = test.now()
      end)
    end)
    assert.equal(3600, at)
  end)

  local function beside_a_sleep(body)
    test.clock(function()
      @scope(function(s)
        s:spawn(@(@sleep "1h"))
        body()
        assert.equal(0, test.now())
        s:cancel()
      end)
    end)
  end

  it("stands still while a binding works", function()
    temp.dir(function(dir)
      beside_a_sleep(function() @file.write(dir .. "/f", ("x"):rep(1e6)) end)
    end)
  end)

  it("stands still while a handle of luv is active", function()
    beside_a_sleep(function()
      local rang = @channel(1)
      local timer = uv.new_timer()
      timer:start(5, 0, function()
        timer:close()
        rang:close()
      end)
      rang:recv()
    end)
  end)

  it("may be turned on once at a time", function()
    test.clock(function()
      local _, e = @try(test.clock, function() end)
      assert.equal("argument", e.kind)
    end)
  end)

  it("refuses options it does not know", function()
    local _, e = @try(test.clock, { by_hands = true }, function() end)
    assert.equal("argument", e.kind)
    assert.equal("by_hand", e.suggestion)
  end)

  it("gives a task from before it as long to wait, in real time, as it had", function()
    @scope(function(s)
      local go, woken = @channel(), false
      s:spawn(function()
        go:recv()
        @sleep "1h" -- begun in virtual time by a task that is not the body's
        woken = true
      end)
      test.clock({ by_hand = true }, function()
        go:send(1)
        test.advance "50m"
      end)
      assert.is_false(woken)
      s:cancel()
    end)
  end)
end)

describe("test.advance", function()
  it("moves a clock that is moved by hand, and no further", function()
    test.clock({ by_hand = true }, function()
      local list = {}
      local s1 = @spawn(ticking(list, "a", "1h", 3))
      @yield()
      assert.same({}, list)
      test.advance "90m"
      assert.same({ "a1@3600" }, list)
      assert.equal(5400, test.now())
      test.advance "30m"
      assert.same({ "a1@3600", "a2@7200" }, list)
      s1:cancel()
    end)
  end)

  it("passes every timer on the way at that timer's time", function()
    test.clock({ by_hand = true }, function()
      local list = {}
      @spawn(ticking(list, "a", "1s", 5))
      test.advance "1h"
      assert.same({ "a1@1", "a2@2", "a3@3", "a4@4", "a5@5" }, list)
    end)
  end)

  it("is for use within test.clock", function()
    local _, e = @try(test.advance, "1h")
    assert.equal("argument", e.kind)
  end)

  it("can be cancelled", function()
    test.clock({ by_hand = true }, function()
      local t = @async(function() test.advance("1h") end)
      t:cancel()
      local _, e = @try(t.await, t)
      assert.equal("task_cancelled", e.kind)
      assert.equal(0, test.now())
    end)
  end)
end)

-- @service: a task that is run again when it ends.
local test = require "tusk.test"

local style = require "tusk.log_style"
local level

setup(function() level, style.level = style.level, 3 end) -- each new start is logged
teardown(function() style.level = level end)

-- fn(s) in a scope on a virtual clock; the scope is cancelled when fn has returned.
local function with_scope(fn)
  return test.clock(function()
    return @scope(function(s)
      fn(s)
      s:cancel()
    end)
  end)
end

local EVEN = { base = "1s", cap = "8s" }

-- What @try(@service…) in a scope of its own fails with.
local function failure(...)
  local n, args = select("#", ...), { ... }
  local _, err = @try(function()
    @scope(function() @service(unpack(args, 1, n)) end)
  end)
  return err
end

describe("@service", function()
  it("runs a function that returns once, with its arguments", function()
    test.clock(function()
      local got
      local task = @service("once", function(...) got = { ... } end, 1, "a")
      task:await()
      assert.same({ 1, "a" }, got)
      assert.equal("once", task.name)
    end)
  end)

  it("runs one that fails again, until it returns", function()
    test.clock(function()
      local runs = 0
      @service("thrice", { backoff = EVEN }, function()
        runs = runs + 1
        if runs < 3 then error("no luck") end
      end):await()
      assert.equal(3, runs)
    end)
  end)

  it("waits twice as long after each failure, half of it by chance, never longer than the cap", function()
    with_scope(function()
      local at = {}
      @service("slow", { backoff = EVEN, max = math.huge, within = "1h" }, function()
        at[#at + 1] = test.now()
        error("no luck")
      end)
      @sleep("40s")
      for i, longest in ipairs { 1, 2, 4, 8, 8 } do
        local waited = at[i + 1] - at[i]
        assert.is_true(waited >= longest / 2 - 1e-6 and waited <= longest + 1e-6, ("%d: %g"):format(i, waited))
      end
    end)
  end)

  it("begins with the short wait again when it has served for longer than `within`", function()
    with_scope(function()
      local at, ended = {}, {}
      @service("long", { backoff = EVEN, within = "10s" }, function()
        at[#at + 1] = test.now()
        @sleep("11s")
        ended[#ended + 1] = test.now()
        error("no luck")
      end)
      @sleep("60s")
      assert.is_true(#at >= 4)
      for i = 2, #at do assert.is_true(at[i] - ended[i - 1] <= 1 + 1e-6) end
    end)
  end)

  it("gives up with its max-th failure within a time: that very error is the scope's", function()
    test.clock(function()
      local runs, last = 0, nil
      local err = failure("bad", { backoff = EVEN, max = 4, within = "1m" }, function()
        runs = runs + 1
        last = require("tusk").errors.new("unlucky", "run " .. runs)
        error(last, 0)
      end)
      assert.equal(4, runs)
      assert.equal(last, err)
    end)
  end)

  it("does not give up when its failures are far enough apart", function()
    with_scope(function()
      local runs = 0
      local task = @service("rare", { backoff = EVEN, max = 2, within = "10s" }, function()
        runs = runs + 1
        @sleep("20s")
        error("no luck")
      end)
      @sleep("10m")
      assert.is_true(runs > 10)
      assert.equal("parked", task.state)
    end)
  end)

  it("with restart = \"always\" runs again after a return", function()
    with_scope(function()
      local runs = 0
      @service("always", { restart = "always", backoff = EVEN }, function() runs = runs + 1 end)
      @sleep("5m")
      assert.is_true(runs > 20)
    end)
  end)

  it("with restart = \"never\" fails like any child", function()
    local runs = 0
    local err = failure("never", { restart = "never" }, function()
      runs = runs + 1
      error("no luck")
    end)
    assert.equal(1, runs)
    assert.matches("no luck", err.message)
    assert.equal("never", err.task.name)
  end)

  it("ends what a run has started before the next one begins", function()
    test.clock(function()
      local alive, most, runs = 0, 0, 0
      @service("tidy", { backoff = EVEN }, function()
        runs = runs + 1
        @spawn(function()
          alive = alive + 1
          most = math.max(most, alive)
          @scope(function(s)
            s:defer(function() alive = alive - 1 end)
            if runs < 3 then @sleep("1h") end
          end)
        end)
        if runs < 3 then error("no luck") end
      end):await()
      assert.same({ 3, 1, 0 }, { runs, most, alive })
    end)
  end)

  it("that is cancelled while it serves ends, and does not come back", function()
    test.clock(function()
      local runs, told = 0, nil
      local task = @service("gone", { restart = "always", backoff = EVEN }, function()
        runs = runs + 1
        local ok, e = pcall(@sleep, "1h")
        told = not ok and e.kind
        error(e, 0)
      end)
      task:cancel()
      @sleep("1m")
      assert.same({ "cancelled", 1, "cancelled" }, { task.state, runs, told })
    end)
  end)

  it("that is cancelled while it waits to run again ends", function()
    test.clock(function()
      local runs = 0
      local task = @service("gone", { backoff = { base = "1h", cap = "1h" } }, function()
        runs = runs + 1
        error("no luck")
      end)
      @sleep("1s")
      task:cancel()
      @sleep("3h")
      assert.same({ "cancelled", 1 }, { task.state, runs })
    end)
  end)

  it("that swallows its cancellation is not run again either", function()
    test.clock(function()
      local runs = 0
      local task = @service("deaf", { restart = "always", backoff = EVEN }, function()
        runs = runs + 1
        pcall(@sleep, "1h")
      end)
      task:cancel()
      @sleep("1m")
      assert.same({ "cancelled", 1 }, { task.state, runs })
    end)
  end)

  it("serves beside another, each at its own pace", function()
    with_scope(function()
      local runs = { a = 0, b = 0 }
      for name, every in pairs { a = "1s", b = "10s" } do
        @service(name, { restart = "always", backoff = { base = 0, cap = 0 } }, function()
          runs[name] = runs[name] + 1
          @sleep(every)
        end)
      end
      @sleep("100500ms")
      assert.same({ a = 101, b = 11 }, runs)
    end)
  end)

  it("says what was wrong with its arguments", function()
    local function nothing() end
    for _, case in ipairs {
      { { 7, nothing }, "name: string expected" },
      { { "s" }, "options: table expected" },
      { { "s", {} }, "fn: function expected" },
      { { "s", { restart = "sometimes" }, nothing }, 'restart: write "always", "on-failure" or "never"' },
      { { "s", { restrat = "always" }, nothing }, 'did you mean "restart"?' },
      { { "s", { backoff = { bas = 1 } }, nothing }, 'did you mean "base"?' },
      { { "s", { backoff = 1 }, nothing }, "backoff: table expected" },
      { { "s", { max = 0 }, nothing }, "max: at least 1 is needed" },
      { { "s", { max = 1.5 }, nothing }, "max: integer expected" },
      { { "s", { within = "soon" }, nothing }, 'within: "soon" is not a duration' },
    } do
      local _, err = @try(function() @service(unpack(case[1])) end)
      assert.equal("argument", err.kind)
      assert.matches(case[2], err.message, 1, true)
    end
  end)
end)

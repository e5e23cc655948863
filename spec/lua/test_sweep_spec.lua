-- tusk.test: a body cancelled at each of its checkpoints.
local test = require "tusk.test"

describe("test.sweep", function()
  it("returns how many checkpoints there are", function()
    assert.equal(3, test.sweep(function()
      @sleep(0)
      @yield()
      @sleep(0)
    end))
    assert.equal(0, test.sweep(function() end))
  end)

  it("cancels at each, first on entry, then while it waits", function()
    local trail, seen = nil, {}
    test.sweep(function()
      trail = ""
      @sleep(0)
      trail = "a"
      @sleep(0)
      trail = "ab"
    end, { check = function(_, info) seen[#seen + 1] = ("%s %d %q"):format(info.how or "-", info.checkpoint, trail) end })
    assert.same({
      '- 0 "ab"', 'entry 1 ""', 'entry 2 "a"', 'entry 3 "ab"', 'parked 1 ""', 'parked 2 "a"', 'parked 3 "ab"',
    }, seen)
  end)

  it("counts the checkpoints of every task that the body has started", function()
    assert.equal(4, test.sweep(function()
      @scope(function(s) -- its own opening is the first
        for _ = 1, 3 do s:spawn(@(@sleep(0))) end
      end)
    end))
  end)

  it("does not count those of other tasks", function()
    local t = @spawn(function()
      while true do @sleep(0) end
    end)
    assert.equal(1, test.sweep(@(@sleep "1ms")))
    t:cancel()
  end)

  it("gives the body and the check what setup returns, made anew for each run", function()
    local made = 0
    local function setup()
      made = made + 1
      return { number = made }
    end
    test.sweep(function(v)
      assert.equal(made, v.number)
      @sleep(0)
      v.done = true
    end, { setup = setup, check = function(v, info) assert.equal(info.place == nil, v.done == true) end })
    assert.equal(5, made)
  end)

  it("tells the place at which it was cancelled", function()
    local lines = {}
    test.sweep(function()
      @sleep(0)
      @yield()
    end, { check = function(_, info)
      if info.place then lines[#lines + 1] = info.place.op end
    end })
    assert.same({ "sleep", "yield", "sleep", "yield" }, lines)
  end)

  it("finds an invariant that a cancellation breaks, and says where", function()
    local balance
    local _, e = @try(test.sweep, function()
      balance.a = balance.a - 1
      @sleep(0)
      balance.b = balance.b + 1
    end, {
      setup = function() balance = { a = 1, b = 0 } end,
      check = function() assert.equal(1, balance.a + balance.b) end,
    })
    assert.equal("test", e.kind)
    assert.matches("cancelled on entry to checkpoint 1 %(@sleep at [^ ]*test_sweep_spec.lua:%d+%)", e.message)
  end)

  it("finds a body that makes something else of its cancellation", function()
    local _, e = @try(test.sweep, function()
      if not pcall(@sleep, 0) then error("gave up", 0) end
    end)
    assert.matches("gave up", e.message, 1, true)
    assert.equal("lua", e.cause.kind)
  end)

  it("finds what only a cancellation leaves behind", function()
    local kept
    local _, e = @try(test.sweep, function()
      kept = io.open("/dev/zero")
      @sleep(0)
      kept:close()
    end)
    kept:close()
    assert.matches("left behind: descriptor %d+: /dev/zero", e.message)
  end)

  it("passes a shielded part, which is seen to its end", function()
    local ended = 0
    local n = test.sweep(function()
      @shield(function()
        @sleep(0)
        @sleep(0)
        ended = ended + 1
      end)
    end)
    assert.equal(2 * n + 3, ended)
  end)

  it("raises what the body fails with by itself, as it is", function()
    local own = setmetatable({}, { __tostring = function() return "own" end })
    local ok, e = pcall(test.sweep, function() error(own) end)
    assert.is_false(ok)
    assert.equal(own, e)
  end)

  it("works on a virtual clock", function()
    test.clock(function()
      assert.equal(2, test.sweep(function()
        @sleep "1h"
        @sleep "1d"
      end))
    end)
  end)

  it("is not for use within another", function()
    local _, e = @try(test.sweep, function() test.sweep(function() end) end)
    assert.equal("argument", e.kind)
  end)
end)

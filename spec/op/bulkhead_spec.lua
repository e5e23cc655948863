-- @bulkhead: so many calls at once, so many more that wait, and the others are refused.
local test = require "tusk.test"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function never() @sleep "1h" end

local function in_use(b)
  local stats = b:stats()
  return { stats.in_use, stats.waiting }
end

describe("@bulkhead", function()
  it("passes arguments and all values through, and errors as they are", function()
    local b = @bulkhead { max = 1 }
    local function all(...) return { n = select("#", ...), ... } end
    assert.same({ n = 3, 1, nil, 3 }, all(b:run(function(...) return ... end, 1, nil, 3)))
    local mine = { "mine" }
    assert.is_true(rawequal(mine, fails(b.run, b, error, mine)))
    assert.same({ 0, 0 }, in_use(b))
  end)

  it("lets so many in, so many wait in their order, and refuses the others", function()
    local b, order, refused = @bulkhead { max = 2, queue = 3, name = "spec" }, {}, 0
    @scope(function(s)
      for i = 1, 8 do
        s:spawn(function()
          local ok, e = pcall(b.run, b, function()
            order[#order + 1] = i
            assert.is_true(b:stats().in_use <= 2)
            @yield()
          end)
          if ok then return end
          assert.same({ "limited", true, "spec" }, { e.kind, e.retryable, e.bulkhead })
          assert.matches("all 2 places of the bulkhead \"spec\" are taken, and 3 wait", e.message)
          refused = refused + 1
        end)
      end
      assert.same({ in_use = 2, waiting = 3, max = 2, queue = 3 }, b:stats())
    end)
    assert.same({ 1, 2, 3, 4, 5 }, order)
    assert.equal(3, refused)
    assert.same({ 0, 0 }, in_use(b))
  end)

  it("counts one that was given the place and has not run yet as inside, not as waiting", function()
    local b, order = @bulkhead { max = 1, queue = 1 }, {}
    @scope(function(s)
      local gate = @channel()
      s:spawn(function() b:run(function() gate:recv() end) end)
      s:spawn(function() b:run(function() order[1] = "second" end) end)
      gate:send(1)
      @yield()
      b:run(function() order[2] = "third" end)
    end)
    assert.same({ "second", "third" }, order)
  end)

  it("gets the place back from who is cancelled, times out, or waits no longer", function()
    test.clock(function()
      local b = @bulkhead { max = 1, queue = 1 }
      assert.equal("timeout", fails(@(@timeout("1ms", b.run, b, never))).kind)
      @scope(function(s)
        local holder = s:spawn(b.run, b, never)
        assert.equal("timeout", fails(@(@timeout("1ms", b.run, b, never))).kind)
        assert.same({ 1, 0 }, in_use(b))
        local waiting = s:spawn(b.run, b, never)
        waiting:cancel()
        @yield()
        assert.same({ 1, 0 }, in_use(b))
        holder:cancel()
      end)
      assert.same({ 0, 0 }, in_use(b))
    end)
  end)

  it("gets the place back from a coroutine of one's own that is dropped", function()
    local b = @bulkhead { max = 1 }
    assert.equal(1, coroutine.wrap(function() b:run(function() coroutine.yield(1) end) end)())
    for _ = 1, 1000 do
      collectgarbage()
      @sleep "1ms"
      if b:stats().in_use == 0 then break end
    end
    assert.equal(2, b:run(@(2)))
  end)

  it("is named, with those inside, by tasks that wait for a place", function()
    local tusk = require "tusk"
    local b = @bulkhead { max = 1, queue = 1 }
    @scope(function(s)
      local inside, waiting = s:spawn(b.run, b, never), s:spawn(b.run, b, never)
      local on
      for _, t in ipairs(tusk.ps()) do
        if t.id == waiting.id then on = t.on end
      end
      assert.same({ "bulkhead", { inside.id } }, { on.kind, on.tasks })
      assert.matches("^for bulkhead %d+, held by task %d+$", on.text)
      s:cancel()
    end)
  end)

  it("has figures for @metrics under its name", function()
    local b = @bulkhead { max = 1, queue = 1, name = "spec-figures" }
    @scope(function(s)
      for _ = 1, 2 do s:spawn(b.run, b, never) end
      pcall(b.run, b, never)
      local text = @metrics.prometheus()
      assert.matches('tusk_bulkhead_in_use{name="spec%-figures"} 1', text)
      assert.matches('tusk_bulkhead_waiting{name="spec%-figures"} 1', text)
      assert.matches('tusk_bulkhead_refused_total{name="spec%-figures"} 1', text)
      s:cancel()
    end)
  end)

  it("is refused where it is misused, with a suggestion", function()
    for opts, argument in pairs {
      [{}] = "max", [{ max = 0 }] = "max", [{ max = 1.5 }] = "max", [{ max = 1, queue = -1 }] = "queue",
      [{ max = 1, name = 1 }] = "name", [{ max = 1, queu = 1 }] = "queu",
    } do
      local e = fails(@bulkhead, opts)
      assert.same({ "argument", argument }, { e.kind, e.argument })
    end
    assert.equal("queue", fails(@bulkhead, { max = 1, queu = 1 }).suggestion)
    local b, e = @bulkhead { max = 1 }, nil
    assert.matches("fn: function expected", fails(b.run, b).message)
    assert.matches("with a colon", fails(b.run, never).message);
    ("a"):gsub(".", function() e = fails(b.run, b, never) end)
    assert.matches("string.gsub", e.message)
    assert.equal(0, b:stats().in_use)
  end)
end)

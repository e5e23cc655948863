-- @every: ticks.
local test = require "tusk.test"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

-- fn() as a spec on a clock of its own.
local function timed(fn)
  return function() test.clock(fn) end
end

describe("@every", function()
  it("gives tick after tick, at its time", timed(function()
    local seen = {}
    for number in @every("5s") do
      table.insert(seen, ("%d at %g"):format(number, test.now()))
      if number == 3 then break end
    end
    assert.same({ "1 at 5", "2 at 10", "3 at 15" }, seen)
  end))

  it("keeps its times, however long what is done takes", timed(function()
    local tick, seen = @every("5s"), {}
    for i = 1, 3 do
      tick:wait()
      seen[i] = test.now()
      @sleep("3s")
    end
    assert.same({ 5, 10, 15 }, seen)
  end))

  it("does not make up for ticks that nobody was there for", timed(function()
    local tick = @every("1s")
    @sleep("5500ms")
    assert.equal(5, tick:wait())
    assert.equal(5.5, test.now())
    assert.equal(6, tick:wait())
    assert.equal(6, test.now())
  end))

  it("gives each tick to one task", timed(function()
    local tick, seen = @every("1s"), {}
    @scope(function(s)
      for _ = 1, 3 do s:spawn(function() table.insert(seen, tick:wait()) end) end
    end)
    assert.same({ 1, 2, 3 }, seen)
    assert.equal(3, test.now())
  end))

  it("never gives a tick twice, whatever its period", timed(function()
    for _, period in ipairs { 0.1, 1 / 3, 0.7, 1e-3, 1e-7 } do
      local tick, last = @every(period), 0
      for _ = 1, 200 do
        local number = tick:wait()
        assert.is_true(number > last)
        last = number
      end
    end
  end))

  it("ticks in real time too", function()
    local clock = @date.clock
    local tick, from = @every("1ms"), clock()
    local first = tick:wait()
    assert.is_true(clock() - from >= 0.001 * first - 1e-9)
    assert.is_true(tick:wait() > first)
  end)

  it("is a case of @select", timed(function()
    local tick, a, names = @every("1s"), @channel(), {}
    @scope(function(s)
      s:spawn(function()
        for i = 1, 3 do
          local name, v = @select { tick = tick, a = a, timeout = "1h" }
          names[i] = name .. v
        end
      end)
      a:send("x")
    end)
    assert.same({ "ax", "tick1", "tick2" }, names)
    assert.equal(2, test.now())
  end))

  it("gives way to the earlier timeout of a @select", timed(function()
    assert.equal("timeout", (@select { tick = @every("1h"), timeout = "1m" }))
    assert.equal(60, test.now())
  end))

  it("can be cancelled while it waits", timed(function()
    local e
    @scope(function(s)
      local tick = @every("1h")
      s:spawn(function() e = fails(tick.wait, tick) end):cancel()
    end)
    assert.equal("cancelled", e.kind)
    assert.equal("timeout", fails(@(@timeout("1m", function() for _ in @every("1h") do end end))).kind)
  end))

  for _, bad in ipairs { 0, "0s", -1, "soon", 1 / 0, {} } do
    it("refuses " .. tostring(bad):gsub("0x%x+", "…") .. " as a period", function()
      local e = fails(@(@every(bad)))
      assert.equal("argument", e.kind)
      assert.equal("period", e.argument)
      assert.equal("every", e.op)
    end)
  end
end)

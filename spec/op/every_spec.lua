-- @every: ticks.

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

describe("@every", function()
  it("gives tick after tick", function()
    local last = 0
    for number in @every("1ms") do
      assert.is_true(number > last)
      last = number
      if number >= 3 then break end
    end
    assert.is_true(last >= 3)
  end)

  it("does not tick before its time, nor twice for it", function()
    local clock = @date.clock
    local tick, from = @every(0.002), clock()
    local first = tick:wait()
    assert.is_true(first >= 1)
    assert.is_true(clock() - from >= first * 0.002 - 1e-6)
    local second = tick:wait()
    assert.is_true(second > first)
    assert.is_true(clock() - from >= second * 0.002 - 1e-6)
  end)

  it("does not make up for ticks that nobody was there for", function()
    local tick = @every("1ms")
    @sleep("5ms")
    local late = tick:wait()
    assert.is_true(late >= 5)
    assert.is_true(tick:wait() > late)
  end)

  it("gives each tick to one task", function()
    local tick, seen, count = @every("1ms"), {}, 0
    @scope(function(s)
      for _ = 1, 3 do
        s:spawn(function()
          while count < 6 do
            local number = tick:wait()
            assert.is_nil(seen[number])
            seen[number] = true
            count = count + 1
          end
        end)
      end
    end)
    assert.is_true(count >= 6)
  end)

  it("is a case of @select", function()
    local tick, a, names = @every("1ms"), @channel(), {}
    @scope(function(s)
      s:spawn(function()
        while #names < 3 do
          local name, v = @select { tick = tick, a = a, timeout = "1h" }
          table.insert(names, name)
          assert.is_true(v ~= nil)
        end
      end)
      a:send("x")
    end)
    assert.same({ "a", "tick", "tick" }, names)
  end)

  it("gives way to the earlier timeout of a @select", function()
    assert.equal("timeout", (@select { tick = @every("1h"), timeout = "1ms" }))
  end)

  it("can be cancelled while it waits", function()
    local e
    @scope(function(s)
      local tick = @every("1h")
      s:spawn(function() e = fails(tick.wait, tick) end):cancel()
    end)
    assert.equal("cancelled", e.kind)
    assert.equal("timeout", fails(@(@timeout("1ms", function() for _ in @every("1h") do end end))).kind)
  end)

  for _, bad in ipairs { 0, "0s", -1, "soon", 1 / 0, {} } do
    it("refuses " .. tostring(bad):gsub("0x%x+", "…") .. " as a period", function()
      local e = fails(@(@every(bad)))
      assert.equal("argument", e.kind)
      assert.equal("period", e.argument)
      assert.equal("every", e.op)
    end)
  end
end)

-- @try: an error as a value.

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function values(...)
  return { n = select("#", ...), ... }
end

local function never()
  @sleep("1h")
end

describe("@try", function()
  it("passes all values and arguments through", function()
    assert.same({ n = 3, 1, nil, 3 }, values(@try(function(...) return ... end, 1, nil, 3)))
  end)

  it("gives nil and the error", function()
    local v, e = @try(error, "boom", 0)
    assert.is_nil(v)
    assert.equal("lua", e.kind)
    assert.equal("boom", e.value)
  end)

  it("gives a table that was raised as it is", function()
    local mine = {}
    local _, e = @try(error, mine)
    assert.is_true(rawequal(mine, e))
  end)

  it("never catches a cancel", function()
    local caught = false
    @scope(function(s)
      local task = s:spawn(function()
        @try(never)
        caught = true
      end)
      task:cancel()
    end)
    assert.is_false(caught)
  end)

  it("catches a timeout of its own", function()
    local _, e = @try(@timeout, "1ms", never)
    assert.equal("timeout", e.kind)
  end)

  it("may wait, and be nested", function()
    local _, e = @try(function()
      local _, inner = @try(function()
        @yield()
        error("inner", 0)
      end)
      error("outer after " .. inner.value, 0)
    end)
    assert.equal("outer after inner", e.value)
  end)

  it("refuses what cannot be called", function()
    assert.equal("argument", fails(function() @try(nil) end).kind)
  end)
end)

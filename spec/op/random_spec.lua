-- @random: values from the system's generator.
local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

describe("@random", function()
  it("bytes(n) are n bytes, others each time", function()
    assert.equal("", @random.bytes(0))
    assert.equal(32, #@random.bytes(32))
    assert.equal(2 ^ 20, #@random.bytes(2 ^ 20))
    assert.not_equal(@random.bytes(16), @random.bytes(16))
  end)

  it("uuid() is of version 4, and never the same", function()
    local seen = {}
    for _ = 1, 1000 do
      local id = @random.uuid()
      assert.truthy(id:find("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"), id)
      assert.is_nil(seen[id])
      seen[id] = true
    end
  end)

  it("int(first, last) gives every number between them, and no other", function()
    local seen = {}
    for _ = 1, 2000 do seen[@random.int(-2, 3)] = true end
    assert.same({ [-2] = true, [-1] = true, [0] = true, [1] = true, [2] = true, [3] = true }, seen)
  end)

  it("int gives each as often", function()
    local counts = { 0, 0, 0 }
    for _ = 1, 30000 do
      local i = @random.int(1, 3)
      counts[i] = counts[i] + 1
    end
    for _, n in ipairs(counts) do assert.is_true(n > 9500 and n < 10500, n) end -- six standard deviations
  end)

  it("int works at the limits of whole numbers", function()
    assert.equal(7, @random.int(7, 7))
    for _ = 1, 100 do
      local i = @random.int(0, 2 ^ 53 - 1)
      assert.is_true(i >= 0 and i < 2 ^ 53 and i % 1 == 0)
    end
  end)

  it("choice gives each item of a list", function()
    local seen = {}
    for _ = 1, 500 do seen[@random.choice { "a", "b", "c" }] = true end
    assert.same({ a = true, b = true, c = true }, seen)
  end)

  it("refuses misuse", function()
    for _, case in ipairs {
      { @random.bytes, -1 }, { @random.bytes, 1.5 }, { @random.bytes, 2 ^ 21 }, { @random.bytes }, { @random.int, 1 },
      { @random.int, 2, 1 }, { @random.int, 0.5, 1 }, { @random.int, -2 ^ 52, 2 ^ 53 - 1 }, { @random.choice, {} },
      { @random.choice, "abc" },
    } do
      assert.equal("argument", failure(unpack(case)).kind)
    end
  end)
end)

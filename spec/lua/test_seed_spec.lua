-- tusk.test: what is left to chance, the same again.
local test = require "tusk.test"

local function order_of(n)
  local list = {}
  @scope(function(s)
    local go = @channel()
    for i = 1, n do
      s:spawn(function()
        go:recv()
        list[#list + 1] = i
      end)
    end
    go:close()
  end)
  return list
end

local function sorted(list)
  local copy = { unpack(list) }
  table.sort(copy)
  return copy
end

local function seeded(n, fn)
  return test.seed(n, fn)
end

describe("test.seed", function()
  it("runs what is ready in another order, the same for the same seed", function()
    local first = seeded(1, @(order_of(50)))
    assert.same(first, seeded(1, @(order_of(50))))
    assert.is_not.same(first, seeded(2, @(order_of(50))))
    assert.is_not.same(first, sorted(first))
  end)

  it("runs every task exactly once", function()
    local plain = order_of(50)
    assert.same(plain, sorted(plain))
    for seed = 1, 20 do assert.same(plain, sorted(seeded(seed, @(order_of(50))))) end
  end)

  it("lets all that are ready run before one of them runs again", function()
    test.seed(7, function()
      local turns = { 0, 0, 0, 0 }
      @scope(function(s)
        for i = 1, 4 do
          s:spawn(function()
            @yield() -- from here on all four are in one batch
            for turn = 1, 50 do
              turns[i] = turn
              for k = 1, 4 do assert.is_true(math.abs(turns[k] - turn) <= 1) end
              @yield()
            end
          end)
        end
      end)
    end)
  end)

  it("makes @random's values the same again", function()
    local function draw()
      local out = { @random.bytes(16), @random.uuid() }
      for i = 1, 20 do out[#out + 1] = @random.int(-i, 2 ^ 40) end
      out[#out + 1] = @random.choice { "a", "b", "c" }
      return out
    end
    assert.same(seeded(3, draw), seeded(3, draw))
    assert.is_not.same(seeded(3, draw), seeded(4, draw))
    assert.is_not.same(draw(), draw())
  end)

  it("keeps @random within its bounds, and reaches all of them", function()
    local seen = {}
    test.seed(5, function()
      for _ = 1, 1000 do seen[@random.int(1, 6)] = true end
    end)
    assert.same({ true, true, true, true, true, true }, seen)
  end)

  it("makes @select pick in the same way again", function()
    local function pick()
      local a, b, names = @channel(50), @channel(50), {}
      for i = 1, 50 do
        a:send(i)
        b:send(i)
      end
      for i = 1, 50 do names[i] = (@select { a = a, b = b }) end
      return table.concat(names)
    end
    local first = seeded(11, pick)
    assert.equal(first, seeded(11, pick))
    assert.is_truthy(first:find "a" and first:find "b")
  end)

  it("is over after its body, also if that fails", function()
    pcall(test.seed, 1, function() error "broken" end)
    assert.is_not.equal(@random.uuid(), @random.uuid())
    assert.same(sorted(order_of(50)), order_of(50))
  end)

  it("takes whole numbers", function()
    local _, e = @try(test.seed, "x", function() end)
    assert.equal("argument", e.kind)
  end)
end)

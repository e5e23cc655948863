-- @stream: stages at random, against the same on plain lists.
local ROUNDS = tonumber(os.getenv("N")) or 300

local function wavering(fn)
  return function(x)
    for _ = 1, math.random(0, 2) do @yield() end
    return fn(x)
  end
end

local function filtered(list, fn)
  local out = {}
  for _, x in ipairs(list) do
    if fn(x) then out[#out + 1] = x end
  end
  return out
end

local function mapped(list, fn)
  local out = {}
  for i, x in ipairs(list) do out[i] = fn(x) end
  return out
end

local function slice(list, from, to)
  local out = {}
  for i = from, math.min(to, #list) do out[#out + 1] = list[i] end
  return out
end

local function sorted(list)
  table.sort(list)
  return list
end

local function itself(x)
  return x
end

local function grow(x)
  return x * 3 + 1
end

-- Fails for some; those are left out further down.
local function choosy(x)
  if x % 5 == 0 then error("not this one", 0) end
  return x
end

local function accepted(x)
  return x % 5 ~= 0
end

local function odd(x)
  return x % 2 == 1
end

local function few(x)
  return x % 17 ~= 16
end

local function up_to(list, fn)
  for i, x in ipairs(list) do
    if not fn(x) then return slice(list, 1, i - 1) end
  end
  return list
end

local function doubled(list)
  local out = {}
  for _, x in ipairs(list) do
    out[#out + 1] = x
    out[#out + 1] = x
  end
  return out
end

-- Each: stream, list, a small number -> the stream with one more stage, the list that it stands for.
local stages = {
  function(s, l) return s:map(wavering(grow)), mapped(l, grow) end,
  function(s, l, n) return s:map(wavering(grow), { concurrency = n + 1 }), mapped(l, grow) end,
  function(s, l) return s:filter(wavering(odd)), filtered(l, odd) end,
  function(s, l, n) return s:take(n * 5), slice(l, 1, n * 5) end,
  function(s, l, n) return s:skip(n), slice(l, n + 1, #l) end,
  function(s, l) return s:take_while(few), up_to(l, few) end,
  function(s, l, n) return s:buffer(n), l end,
  function(s, l, n) return s:chunks(n):flat_map(itself), l end,
  function(s, l, n) return s:chunks(n, { within = "1ms" }):flat_map(wavering(itself)), l end,
  function(s, l) return s:flat_map(function(x) return @stream({ x, x }):buffer(1) end), doubled(l) end,
  function(s, l) return s:take_until(@channel()), l end,
  function(s, l, n) return s:map(wavering(choosy), { concurrency = n }):on_error("skip"), filtered(l, accepted) end,
  function(s, l) return s:map(choosy):buffer(1):on_error("skip"), filtered(l, accepted) end,
  function(s, l)
    local a, b = s:tee()
    b:close()
    return a, l
  end,
}

-- These have an order of their own.
local unordered = {
  function(s, l, n) return s:map(wavering(grow), { concurrency = n + 1, ordered = false }), mapped(l, grow) end,
  function(s, l, n) return s:partition(odd, { concurrency = n }):map(wavering(grow)), mapped(l, grow) end,
  function(s, l) return s:merge(@stream(l):map(wavering(itself))), doubled(l) end,
}

local function pipeline()
  local list, names = {}, {}
  for i = 1, math.random(0, 30) do list[i] = math.random(1, 1000) end
  local s = @stream(list)
  for _ = 1, math.random(0, 6) do
    local k = math.random(#stages)
    s, list = stages[k](s, list, math.random(1, 5))
    names[#names + 1] = k
  end
  return s, list, table.concat(names, " ")
end

local function taken(s)
  if math.random(2) == 1 then return s:collect() end
  local out = {}
  for x in s do out[#out + 1] = x end
  return out
end

describe("stages at random", function()
  it("give what they give on lists, in that order", function()
    for seed = 1, ROUNDS do
      math.randomseed(seed)
      local s, want, names = pipeline()
      assert.same(want, taken(s), ("seed %d: stages %s"):format(seed, names))
    end
  end)

  it("give all of it where the order is their own", function()
    for seed = 1, ROUNDS do
      math.randomseed(seed)
      local s, want, names = pipeline()
      local k = math.random(#unordered)
      s, want = unordered[k](s, want, math.random(1, 5))
      assert.same(sorted(want), sorted(taken(s)), ("seed %d: stages %s, then %d"):format(seed, names, k))
    end
  end)

  it("leave no task behind, wherever they are left", function()
    local before = #require("tusk").ps()
    for seed = 1, ROUNDS do
      math.randomseed(seed)
      local s, _, names = pipeline()
      for _ = 1, math.random(0, 10) do s() end
      s:close()
      assert.equal(before, #require("tusk").ps(), ("seed %d: stages %s"):format(seed, names))
    end
  end)
end)

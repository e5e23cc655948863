-- chance.lua: what is left to chance, made the same again for tests.
local bit = require "bit"
local check = require "tusk.check"
local kernel = require "tusk.kernel"
local select_ = require "tusk.select"

local bxor, lshift, rshift = bit.bxor, bit.lshift, bit.rshift

local chance = {}

local state -- nil: values are the system's

local function word() -- 0 to 2^32 - 1: xorshift32 (Marsaglia 2003)
  state = bxor(state, lshift(state, 13))
  state = bxor(state, rshift(state, 17))
  state = bxor(state, lshift(state, 5))
  return state % 2 ^ 32
end

local seeded = {}

function seeded.bytes(n)
  local out = {}
  for i = 1, n do out[i] = string.char(rshift(word(), 24)) end
  return table.concat(out)
end

function seeded.below(n)
  local fraction = (word() * 2 ^ 21 + rshift(word(), 11)) / 2 ^ 53
  return math.floor(fraction * n)
end

--- A generator like the given one, whose values are reproducible while a seed is set.
---@param system table { bytes = fn(n), below = fn(n) }
function chance.over(system)
  local generator = {}
  for name in pairs(seeded) do
    generator[name] = function(n) return (state and seeded or system)[name](n) end
  end
  return generator
end

--- From here on `@random`, `@select` and `math.random` are those of the seed.
---@param n integer|nil nil: as they come
function chance.values(n)
  if n ~= nil then
    check.integer("seed", n)
    math.randomseed(n)
  end
  state = n and bit.tobit(n * 2 + 1)
  for _ = 1, n and 8 or 0 do word() end -- small seeds are alike at first
  select_.seed(n or 0)
end

--- The same, and the order of tasks that are ready.
function chance.seed(n)
  chance.values(n)
  kernel.seed(n)
end

return chance

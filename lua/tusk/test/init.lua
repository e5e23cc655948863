-- tusk.test: what specs of the host and of plugins are written with.
local chance = require "tusk.chance"
local clock = require "tusk.test.clock"
local errors = require "tusk.errors"
local fake = require "tusk.test.fake"
local leaks = require "tusk.test.leaks"
local sweep = require "tusk.test.sweep"

local test = {
  clock = clock.run, advance = clock.advance, now = clock.now,
  fake = fake.operator, real = fake.real, fail = fake.fail,
  leaks = leaks.check, sweep = sweep.run,
}

local function unseeded(ok, ...)
  chance.seed(nil)
  if not ok then errors.rethrow((...)) end
  return ...
end

--- Makes the order of ready tasks, `@select`, `@random` and `math.random` those of a seed: for fn(…), or until the
--- test ends.
---@param n integer|nil nil: as they come again
function test.seed(n, fn, ...)
  chance.seed(n)
  if fn then return unseeded(xpcall(fn, errors.note, ...)) end
end

return test

-- @hedge{ after = }: when an answer takes long, the same is asked once more, and the first answer counts.
local check = require "tusk.check"
local collect = require "tusk.collect"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local quantile = require "tusk.hedge.quantile"
local scope = require "tusk.scope"

local clock, sleep = kernel.clock, kernel.sleep
local note, rethrow = errors.note, errors.rethrow

---@class tusk.Hedge
local Hedge = check.strict({ __name = "hedge" }, "a hedge", { "name" }, { absent = { "name", "run_inside" } })
Hedge.__index = Hedge

local function keep(race, ok, ...)
  if not ok then
    if errors.is((...), "cancelled") then rethrow((...)) end
    return -- the first one may still succeed
  end
  if race.over then return end
  race.over, race.values = true, { n = select("#", ...), ... }
  race.hedge.won = race.hedge.won + 1
  race.scope:cancel()
end

-- The second attempt. If it succeeds before the first has ended, that one is cancelled. Mostly it is cancelled itself
-- while it sleeps, and ends without an error, which would be dear.
local function second(race, fn, ...)
  if sleep(race.after) then return end
  race.begun = true
  race.hedge.started = race.hedge.started + 1
  keep(race, xpcall(fn, note, ...))
end

local function await(task)
  return task:await()
end

-- How long the first one took, or at least: one that was cancelled would have taken longer.
local function measure(self, began)
  if self.times then quantile.add(self.times, clock() - began) end
end

-- The first attempt has failed. The second, if it has begun, may still succeed.
local function wait_for_second(race, other, err)
  if not race.begun or errors.is(err, "cancelled") then
    other:cancel()
    rethrow(err)
  end
  local back = errors.set_aside()
  local ok, e = pcall(await, other)
  back()
  if race.over then return end
  if not ok and errors.is(e, "cancelled") then rethrow(e) end
  rethrow(err)
end

local function first_ended(race, other, ok, ...)
  if ok or race.over then measure(race.hedge, race.began) end
  if race.over then return end
  if not ok then return wait_for_second(race, other, (...)) end
  race.over = true
  other:cancel()
  return ...
end

local function body(s, race, fn, ...)
  race.scope = s
  local other = s:start(second, race, fn, ...)
  return first_ended(race, other, xpcall(fn, note, ...))
end

local function outcome(race, ...)
  if race.values then return unpack(race.values, 1, race.values.n) end
  return ...
end

local function timed(self, began, ...)
  measure(self, began)
  return ...
end

--- All values of fn(…). When that takes longer than `after`, a second fn(…) runs beside it: the first to succeed
--- counts, the other is cancelled and waited for. fn may be carried out twice.
---@param fn function
---@return any ... what fn returns
function Hedge:run(fn, ...)
  dots.colon(Hedge, self, "hedge", "run")
  if type(fn) ~= "function" then check.callable("fn", fn) end
  local after = self.after or quantile.value(self.times)
  if not after then return timed(self, clock(), fn(...)) end
  local race = { hedge = self, after = after, began = clock(), begun = false, over = false, values = nil, scope = nil }
  return outcome(race, scope.run(nil, body, race, fn, ...))
end

-- Figures of those that have a name, for @metrics.
local function figures(self, emit)
  local labels = { name = self.name }
  emit("counter", "tusk_hedge_started_total", "second attempts that a hedge has begun", labels, self.started)
  emit("counter", "tusk_hedge_won_total", "second attempts that were the first to succeed", labels, self.won)
end

-- "p95" -> 0.95; nil for anything else.
local function share_of(after)
  local percent = type(after) == "string" and tonumber(after:match("^p(%d+%.?%d*)$"))
  if not percent then return nil end
  if percent > 0 and percent < 100 then return percent / 100 end
  check.fail('after: a share such as "p95" lies between p0 and p100', { argument = "after" })
end

---@param opts table { after = how long the first may take alone: a duration, or "p95": longer than 95 of the last 100
---  took; name = for figures }
---@return tusk.Hedge
return function(opts)
  check.options(check.table("options", opts), { "name", "after" })
  local share = share_of(opts.after)
  local self = setmetatable({
    name = check.opt_string("name", opts.name), started = 0, won = 0,
    after = not share and check.duration("after", opts.after), times = share and quantile.new(share) or false,
  }, Hedge)
  if self.name then collect.add(self, figures) end
  return self
end

-- load.lua: remember: what is there, or what a function brings, loaded once for all who ask.
local core = require "tusk.core"
local copy = require "tusk.copy"
local errors = require "tusk.errors"
local Flights = require "tusk.cache.flights"
local operators = require "tusk.operators"

local give, within = copy.give, core.within

local STEPS = 2 ^ 20 -- of chance
local RELEASE = 1 -- seconds that giving up a claim may take
local REST = 1 -- seconds between tries to load what has failed, while there is an old value
local RESTING = 1000 -- keys that are known to rest

local load = {}

-- Values that were loaded together do not end together.
local function life(plan)
  if not plan.jitter then return plan.ttl end
  return plan.ttl * (1 - plan.jitter * operators.get("random").int(0, STEPS) / STEPS)
end

--- What the loaded value becomes: kept unless the key was changed after the load began. Not to be changed.
function load.land(space, flight, claim, plan, value)
  local store = space.store
  if flight.stale or value == nil and not plan.negative_ttl then
    store:release(claim, flight.key)
    if value == nil then return nil end
    return (copy.take(value))
  end
  if value == nil then return store:land(claim, flight.key, nil, plan.negative_ttl, 0, plan.tags) end
  return store:land(claim, flight.key, value, life(plan), plan.keep, plan.tags)
end

local function give_up(space, flight, claim)
  core.scope({ shield = true, timeout = RELEASE }, function() space.store:release(claim, flight.key) end)
end

local function loaded(space, flight, claim, plan, fn)
  local ok, value = xpcall(fn, errors.at_base)
  if ok then ok, value = pcall(load.land, space, flight, claim, plan, value) end
  if ok then return value end
  pcall(give_up, space, flight, claim)
  error(value, 0)
end

-- The body of a flight.
local function fly(flight, space, plan, fn)
  local claim, found, value = space.store:claim(flight.key, plan.tags, flight.behind)
  if claim then return loaded(space, flight, claim, plan, fn) end
  if found then return value end
  return Flights.AGAIN
end

local function fetch(space, key, plan, fn)
  return give(space.flights:run(key, plan.tags, fly, space, plan, fn))
end

local function rest(space, key)
  if space.resting >= RESTING then space.rests, space.resting = {}, 0 end
  space.rests[key], space.resting = core.now() + REST, space.resting + 1
end

local function is_resting(space, key)
  local till = space.rests[key]
  if not till then return false end
  local left = till - core.now()
  if left > 0 and left <= REST then return true end
  space.rests[key], space.resting = nil, space.resting - 1
  return false
end

-- The same behind everybody's back. Its failure nobody waits for.
local function fly_behind(flight, space, plan, fn)
  local ok, value = pcall(fly, flight, space, plan, fn)
  if ok then return value end
  if not errors.is(value, "cancelled") then
    rest(space, flight.key)
    space.notice:warn("cache: a value was not refreshed", { key = flight.key, error = value })
  end
  error(value, 0)
end

local function refresh(space, key, plan, fn)
  if space.flights.by_key[key] or is_resting(space, key) then return end
  space.flights:start(key, plan.tags, true, fly_behind, space, plan, fn)
end

-- What is loaded, or the old value when that fails.
local function fetch_or(space, key, plan, fn, old)
  if is_resting(space, key) then return old end
  local ok, value = pcall(within, plan, fetch, space, key, plan, fn)
  if ok then return value end
  if errors.is(value, "cancelled") or errors.is(value, "deadlock") then error(value, 0) end
  rest(space, key)
  space.notice:warn("cache: the old value is given, a new one was not loaded", { key = key, error = value })
  return old
end

-- By the age of what is there.
local function by_age(space, key, plan, fn)
  local found, value, left = space.store:look(key)
  if not found then return within(plan, fetch, space, key, plan, fn) end
  if left > 0 then
    if plan.refresh_ahead and left <= plan.refresh_ahead then refresh(space, key, plan, fn) end
    return value
  end
  if plan.stale and -left < plan.stale then
    refresh(space, key, plan, fn)
    return value
  end
  if plan.on_error_stale and -left < plan.on_error_stale then return fetch_or(space, key, plan, fn, value) end
  return within(plan, fetch, space, key, plan, fn)
end

--- What fn() returns, where there is no value.
load.fetch = fetch

--- The value of a key, or what fn() returns.
---@param space table { store =, flights =, notice =, rests = key → until when it is not loaded, resting = how many }
---@param key string
---@param plan tusk.cache.Plan
---@param fn fun(): any
function load.remember(space, key, plan, fn)
  if plan.looks then return by_age(space, key, plan, fn) end
  local found, value = space.store:get(key)
  if found then return value end
  if plan.timeout then return within(plan, fetch, space, key, plan, fn) end
  return fetch(space, key, plan, fn)
end

return load

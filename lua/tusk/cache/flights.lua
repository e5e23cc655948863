-- flights.lua: one load per key however many ask for it. A flight belongs to the plugin or the
-- application, never to the task that asked first: a cancelled caller only leaves it.
local core = require "tusk.core"
local errors = require "tusk.errors"

local Flights = { __name = "cache.flights" }
Flights.__index = Flights

local MINE = {} -- key of the running task's own flight among its locals

--- No load under way yet.
function Flights.new()
  return setmetatable({ by_key = {}, loads = 0 }, Flights)
end

-- Runs in the flight's own task. Keeps what fn raises for those who wait.
local function fly(self, flight, fn, land)
  local before = core.local_get(MINE)
  core.local_set(MINE, flight)
  local ok, value = pcall(fn)
  if ok then ok, value = pcall(land, value, not flight.stale) end
  core.local_set(MINE, before)
  flight.done, flight.ok, flight.value = true, ok, value
  if self.by_key[flight.key] == flight then self.by_key[flight.key] = nil end
  flight.queue:wake_all()
  if not ok and errors.is(value, "cancelled") then error(value, 0) end
end

local function start(self, key, fn, land)
  local flight = { key = key, queue = core.Queue.new() }
  self.by_key[key], self.loads = flight, self.loads + 1
  local scope = core.flight_scope()
  if scope then
    scope:spawn(fly, self, flight, fn, land)
  else
    core.shield(fly, self, flight, fn, land)
  end
  return flight
end

-- A flight that waits for one that waits for it would wait for ever.
local function deadlock_check(mine, flight)
  local at = flight
  while at do
    if at == mine then
      errors.raise("deadlock", ("remember(%q) is asked for by its own loading"):format(flight.key))
    end
    at = at.waits_for
  end
end

local function wait(flight)
  local mine = core.local_get(MINE)
  if mine then
    deadlock_check(mine, flight)
    mine.waits_for = flight
  end
  local ok, err = pcall(flight.queue.park, flight.queue)
  if mine then mine.waits_for = nil end
  if not ok then error(err, 0) end
end

local function cut_short(key, err)
  errors.raise("task_cancelled", ("the loading of %q was cancelled"):format(key), { cause = err })
end

--- What land(fn(), keep) returns, or either fails with, for all who ask meanwhile. keep is false
--- when the key was changed after the flight began.
function Flights:run(key, fn, land)
  local flight = self.by_key[key] or start(self, key, fn, land)
  if not flight.done then wait(flight) end
  if flight.ok then return flight.value end
  if errors.is(flight.value, "cancelled") then cut_short(key, flight.value) end
  error(flight.value, 0)
end

--- The value of key has changed: what a flight under way brings is not to be kept.
function Flights:overtake(key)
  local flight = self.by_key[key]
  if flight then
    flight.stale = true
    self.by_key[key] = nil
  end
end

--- The same for all keys that begin with prefix.
function Flights:overtake_all(prefix)
  for key in pairs(self.by_key) do
    if key:sub(1, #prefix) == prefix then self:overtake(key) end
  end
end

return Flights

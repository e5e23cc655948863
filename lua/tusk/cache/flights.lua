-- flights.lua: one load per key however many ask for it. A flight belongs to the plugin or the
-- application, never to the task that asked first: a cancelled caller only leaves it.
local core = require "tusk.core"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"

---@class tusk.cache.Flight
---@field key string
---@field tags string[]|nil
---@field behind boolean nobody asked for it: the old value is good enough meanwhile
---@field stale boolean|nil the key was changed after it began: what it brings is not to be kept
---@field line userdata|nil those who wait
---@field waits table those that tasks of its own wait for: flight → how many
---@field group table|nil what it is a part of: one load of several keys, whose flights share `waits`

local cancelled, info, park_in, wake_in = kernel.cancelled, kernel.info, kernel.park_in, kernel.wake_in

local Flights = { __name = "cache.flights" }
Flights.__index = Flights

local flying = setmetatable({}, { __mode = "k" }) -- task → the flight that it runs

--- What a flight's body returns when it did not load, and whoever waits is to ask again.
Flights.AGAIN = {}

--- No load under way yet.
function Flights.new()
  return setmetatable({ by_key = {}, loads = 0, failures = 0 }, Flights)
end

--- What a flight has brought is there, for all who wait for it.
---@param ok boolean
---@param value any or what it failed with
function Flights:finish(flight, ok, value)
  flight.done, flight.ok, flight.value = true, ok, value
  if self.by_key[flight.key] == flight then self.by_key[flight.key] = nil end
  local line = flight.line
  while line and wake_in(line) do end
end

-- Runs in the flight's own task. Keeps what body raises for those who wait.
local function fly(self, flight, body, a, b, c)
  local me = core.current()
  local before = flying[me]
  flying[me] = flight
  local ok, value = xpcall(body, errors.at_base, flight, a, b, c)
  flying[me] = before
  if not ok then self.failures = self.failures + 1 end
  for _, member in ipairs(flight.members or {}) do
    if not member.done then self:finish(member, ok, not ok and value or nil) end
  end
  self:finish(flight, ok, value)
  if not ok and errors.is(value, "cancelled") then error(value, 0) end
end

-- Who was cancelled meanwhile cannot start a task: then there is no flight that others could wait for.
local function launched(self, flight, ok, ...)
  if ok or flight.done then return ok, ... end
  for _, member in ipairs(flight.members or {}) do self:finish(member, false, (...)) end
  self:finish(flight, false, (...))
  return false, ...
end

local function launch(self, flight, body, a, b, c)
  local scope = core.flight_scope()
  local ok, e
  if scope then
    ok, e = launched(self, flight, pcall(scope.spawn, scope, fly, self, flight, body, a, b, c))
  else
    ok, e = launched(self, flight, pcall(core.shield, fly, self, flight, body, a, b, c))
  end
  if not ok then error(e, 0) end
  return flight
end

--- Starts body(flight, a, b, c) in a task of the plugin's or the application's; behind: nobody waits for it.
---@return tusk.cache.Flight
function Flights:start(key, tags, behind, body, a, b, c)
  local flight = { key = key, tags = tags, behind = behind, line = kernel.queue_new(), waits = {} }
  self.by_key[key], self.loads = flight, self.loads + 1
  return launch(self, flight, body, a, b, c)
end

--- Starts body(group, a, b, c) alike, for several keys: each has a flight in group.members, which body finishes, or
--- which end as it does.
---@param keys string[] for which there is none
---@return table group a flight without a key
function Flights:start_many(keys, tags, body, a, b, c)
  local group = { key = {}, line = kernel.queue_new(), waits = {}, members = {} }
  for i, key in ipairs(keys) do
    local member = { key = key, tags = tags, waits = group.waits, group = group }
    group.members[i], self.by_key[key] = member, member
  end
  self.loads = self.loads + #keys
  return launch(self, group, body, a, b, c)
end

-- The flight that the running task is part of: its own task, or one that some task of it started.
local function mine()
  local task = core.current()
  while task do
    if flying[task] then return flying[task] end
    local _, _, _, owner = info(task)
    task = owner
  end
end

local function reaches(from, flight, seen)
  if (from.group or from) == flight then return true end
  seen[from] = true
  for other in pairs(from.waits) do
    if not seen[other] and reaches(other, flight, seen) then return true end
  end
  return false
end

-- Part of a flight waits for another. One that waits for this one would never end.
local function park_within(own, flight)
  if reaches(flight, own, {}) then
    errors.raise("deadlock", ("remember(%q) is asked for by its own loading"):format(flight.key), { key = flight.key })
  end
  own.waits[flight] = (own.waits[flight] or 0) + 1
  local ok, was_cancelled = pcall(park_in, flight.line)
  local n = own.waits[flight] - 1
  own.waits[flight] = n > 0 and n or nil
  if not ok then error(was_cancelled, 0) end
  if was_cancelled then cancelled() end
end

local function wait(flight)
  flight.line = flight.line or kernel.queue_new()
  local own = next(flying) and mine()
  if own then return park_within(own, flight) end
  if park_in(flight.line) then cancelled() end
end

local function cut_short(key, err)
  errors.raise("task_cancelled", ("the loading of %q was cancelled"):format(key), { cause = err })
end

--- What body(flight, a, b, c) returns or fails with, for all who ask meanwhile.
function Flights:run(key, tags, body, a, b, c)
  local flight
  repeat
    flight = self.by_key[key] or self:start(key, tags, false, body, a, b, c)
    if not flight.done then wait(flight) end
  until flight.value ~= Flights.AGAIN
  if flight.ok then return flight.value end
  if errors.is(flight.value, "cancelled") then cut_short(key, flight.value) end
  error(flight.value, 0)
end

--- Waits until it has ended; raises what it failed with.
---@param what string for the message when it was cancelled: a key
function Flights.await(flight, what)
  if not flight.done then wait(flight) end
  if flight.ok then return end
  if errors.is(flight.value, "cancelled") then cut_short(what, flight.value) end
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

--- The same for all that have a tag.
function Flights:overtake_tag(tag)
  for key, flight in pairs(self.by_key) do
    for _, own in ipairs(flight.tags or {}) do
      if own == tag then self:overtake(key) end
    end
  end
end

--- How many are under way.
function Flights:count()
  local n = 0
  for _ in pairs(self.by_key) do n = n + 1 end
  return n
end

return Flights

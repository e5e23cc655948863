-- @pool{ open =, … }: things that are dear to open, used by one task at a time, and used again.
local kernel = require "tusk.kernel"
local check = require "tusk.check"
local collect = require "tusk.collect"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local scope = require "tusk.scope"
local semaphore = require "tusk.semaphore"

local clock = kernel.clock
local MAX = 10
local GRACE = 5 -- seconds that closing one may take

---@class tusk.Pool
local Pool = check.strict({ __name = "pool" }, "a pool", { "name" }, { absent = { "name" } })
Pool.__index = Pool

local function suppress(err, e)
  if getmetatable(err) ~= errors.Error then return require("tusk.report").callback(e) end
  errors.suppress(err, e)
end

local function call_close(_, self, value)
  self.close_one(value)
end

-- Closes one, shielded. What that fails with joins what its holder failed with, or is logged.
local function discard(self, entry, err)
  if not self.close_one then return end
  local ok, e = xpcall(scope.run, errors.note, { shield = true, timeout = GRACE }, call_close, self, entry.value)
  if not ok then suppress(err, errors.wrap(e)) end
end

local function is_old(self, entry, now)
  return now - entry.born >= self.max_age or entry.since and now - entry.since >= self.max_idle
end

-- Closes those that have lain too long: the oldest lie first.
local function purge(self)
  local now = clock()
  for i = #self.entries, 1, -1 do
    local entry = self.entries[i]
    if entry and is_old(self, entry, now) then
      table.remove(self.entries, i)
      discard(self, entry)
    end
  end
end

-- Is what lay in the pool still good? Not if the check says so, or fails.
local function is_good(self, holder)
  if not self.check then return true end
  local ok, good = xpcall(self.check, errors.note, holder.entry.value)
  if not ok and errors.is(good, "cancelled") then error(good, 0) end
  return ok and good
end

-- Gives the holder the one that was used last and is still good, or a new one.
local function fill(self, holder)
  purge(self)
  while self.entries[1] do
    holder.entry = table.remove(self.entries)
    if is_good(self, holder) then return holder.entry.value end
    local bad = holder.entry
    holder.entry = nil
    discard(self, bad)
  end
  local value = self.open()
  if value == nil then errors.raise("pool", "open returned nothing") end
  holder.entry = { value = value, born = clock() }
  return value
end

local function work(self, holder, fn, ...)
  local value = fill(self, holder)
  return fn(value, ...)
end

local function free(self)
  self.in_use = self.in_use - 1
  semaphore.give(self.gate)
end

-- The same in a coroutine of the user's, which may be dropped with the thing in its hands: a scope sees to that.
local function work_in_scope(s, self, holder, ...)
  scope.on_abandon(s, function()
    holder.gone = true
    if holder.entry then discard(self, holder.entry) end
    free(self)
  end)
  return work(self, holder, ...)
end

-- Back into the pool, unless its holder failed or was cancelled: then nobody knows what state it is in.
local function put_back(self, entry, ok, err)
  entry.since = nil
  if not ok or self.closed or is_old(self, entry, clock()) then return discard(self, entry, err) end
  entry.since = clock()
  table.insert(self.entries, entry)
end

local function leave(self, holder, ok, ...)
  if not holder.gone then
    if holder.entry then put_back(self, holder.entry, ok, not ok and (...) or nil) end
    free(self)
  end
  if ok then return ... end
  errors.rethrow((...))
end

local function check_open(self)
  if self.closed then errors.raise("closed", "the pool is closed") end
end

--- fn(thing, …) with one of the pool, opened if none lies there. Afterwards it goes back, or is closed if fn failed
--- or was cancelled. Waits while `max` are in use.
---@param fn function
---@return any ... what fn returns
function Pool:with(fn, ...)
  dots.colon(Pool, self, "pool", "with")
  check.callable("fn", fn)
  check_open(self)
  semaphore.take(self.gate)
  if self.closed then semaphore.give(self.gate) end
  check_open(self)
  self.in_use = self.in_use + 1
  local holder = {}
  if kernel.in_generator() then
    return leave(self, holder, xpcall(scope.run, errors.note, nil, work_in_scope, self, holder, fn, ...))
  end
  return leave(self, holder, xpcall(work, errors.note, self, holder, fn, ...))
end

local function gate_of(self)
  return self.gate
end
semaphore.holders[Pool.with], semaphore.holders[leave] = gate_of, gate_of

--- Closes what lies in the pool now, and what is in use when it comes back. Who waits, and whoever comes later, gets
--- `closed`.
function Pool:close()
  dots.colon(Pool, self, "pool", "close")
  self.closed = true
  semaphore.release_all(self.gate)
  while self.entries[1] do discard(self, table.remove(self.entries)) end
end

--- How it stands: { in_use, idle, max }.
function Pool:stats()
  dots.colon(Pool, self, "pool", "stats")
  return { in_use = self.in_use, idle = #self.entries, max = self.gate.size }
end

-- Figures of those that have a name, for @metrics.
local function figures(self, emit)
  emit("gauge", "tusk_pool_in_use", "things of a pool that somebody holds", { pool = self.name }, self.in_use)
  emit("gauge", "tusk_pool_idle", "things that lie in a pool", { pool = self.name }, #self.entries)
  emit("gauge", "tusk_pool_max", "how many a pool may have open", { pool = self.name }, self.gate.size)
end

local OPTIONS = { "name", "open", "close", "check", "max", "idle", "max_age" }

---@param opts table { name = for messages and figures, open = fn() → thing, close = fn(thing), check = fn(thing) → still good?, max = 10 at once, idle =
---  how long one may lie unused, max_age = how long one is used at all }
---@return tusk.Pool
return function(opts)
  check.table("options", opts)
  check.options(opts, OPTIONS)
  local max = check.integer("max", opts.max or MAX)
  if max < 1 then check.fail("max: at least 1 is needed, got " .. max, { argument = "max" }) end
  local pool = setmetatable({
    name = check.opt_string("name", opts.name),
    open = check.callable("open", opts.open),
    close_one = check.opt_callable("close", opts.close) or false,
    check = check.opt_callable("check", opts.check) or false,
    max_idle = check.duration("idle", opts.idle, math.huge),
    max_age = check.duration("max_age", opts.max_age, math.huge),
    gate = semaphore.new(max), entries = {}, in_use = 0, closed = false,
  }, Pool)
  if pool.name then collect.add(pool, figures) end
  return pool
end

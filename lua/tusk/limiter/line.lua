-- line.lua: those who wait for a key of a limiter, first come, first served. The first waits for the time at which it
-- may, the others for it: there is one timer.
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local wait = require "tusk.wait"

local clock, remaining = kernel.clock, kernel.remaining

local line = {}

---@class tusk.limiter.Line
---@field line userdata those behind the first
---@field limiter tusk.Limiter
---@field wanted integer how many all of them want
---@field first integer how many the first wants
---@field due number when the first may, as far as known: those behind it may a gap later for each that is wanted
---@field busy boolean is there a first?
---@field failed any what the store has failed with: so do all who stand here

local Line = { __name = "limiter line" }

local function new(limiter)
  return setmetatable({
    line = kernel.queue_new(), limiter = limiter, wanted = 0, first = 0, due = clock(), busy = false,
  }, Line)
end

--- Seconds that somebody who comes now, for n, will wait.
function line.expected(self, n)
  return math.max(self.due - clock() + (self.wanted - self.first + n) * self.limiter.gap, 0)
end

-- What the first does: asks, and waits as long as it is told to.
local function be_first(self, key, n, refuse)
  local limiter = self.limiter
  while true do
    local seconds = limiter.store:take(key, n)
    if seconds <= 0 then return end
    if seconds >= (remaining() or math.huge) then refuse(limiter, seconds) end
    self.due = clock() + seconds
    wait.sleep(math.max(seconds, 1e-9))
  end
end

-- The next is the first; or there is nobody left. What one that has failed wanted is there for the next.
local function pass_on(limiter, self, key, ok)
  if not ok then self.due = self.due - self.first * limiter.gap end
  self.first = 0
  if kernel.wake_in(self.line) then return end
  self.busy = false
  limiter.lines[key] = nil
end

-- The store is away: nobody waits for it to fail once more for each of them.
local function fail_all(limiter, self, key, err)
  self.failed = err
  limiter.lines[key] = nil
  while kernel.wake_in(self.line) do end
end

-- Is it about the one who asked alone?
local function is_own(err)
  return errors.is(err, "cancelled") or errors.is(err, "limited")
end

-- Stands behind the others. Who is woken is the first: a cancelled one has left before.
local function stand(self, n)
  local ok, gone = pcall(kernel.park_in, self.line)
  if ok and not gone then
    if self.failed ~= nil then error(self.failed, 0) end
    return
  end
  self.wanted = self.wanted - n
  if not ok then error(gone, 0) end
  kernel.cancelled()
end

--- Waits until n may be had, behind those who came before. `refuse(limiter, seconds)` raises.
---@param seconds number how long that will be, as far as known
function line.wait(limiter, key, n, seconds, refuse)
  local self = limiter.lines[key]
  if self then seconds = line.expected(self, n) end
  if seconds >= (remaining() or math.huge) then refuse(limiter, seconds) end
  if not self then
    self = new(limiter)
    limiter.lines[key] = self
  end
  self.wanted = self.wanted + n
  if self.busy then stand(self, n) end
  self.busy, self.first = true, n
  local ok, err = xpcall(be_first, errors.note, self, key, n, refuse)
  self.wanted = self.wanted - n
  if ok or is_own(err) then pass_on(limiter, self, key, ok) else fail_all(limiter, self, key, err) end
  if not ok then errors.rethrow(err) end
end

return line

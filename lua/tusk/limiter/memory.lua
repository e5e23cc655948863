-- memory.lua: how far each key is ahead of its rate, in this host. The algorithm is GCRA (the "virtual scheduling"
-- of ITU-T I.371): one time per key, at which all that was taken will have been earned. It is kept as a time and how
-- many were taken since, so that a rate of 1/3 does not drift: `from + taken * gap` is rounded once, not at each step.
local kernel = require "tusk.kernel"

local clock = kernel.clock

local memory = {}

---@class tusk.limiter.Memory
local Memory = {}
Memory.__index = Memory

local SWEEP_AT = 1024 -- keys

---@param gap number seconds between two
---@param burst integer
---@param max_keys integer
function memory.new(gap, burst, max_keys)
  return setmetatable({
    gap = gap, burst = burst, max_keys = max_keys, keys = {}, count = 0, sweep_at = math.min(SWEEP_AT, max_keys),
    full_until = 0,
  }, Memory)
end

local function is_over(self, bucket, now)
  return bucket.from + bucket.taken * self.gap <= now
end

-- Forgets the keys that have earned all they took: a new one is the same.
local function sweep(self, now)
  local soonest = math.huge
  for key, bucket in pairs(self.keys) do
    if is_over(self, bucket, now) then
      self.keys[key], self.count = nil, self.count - 1
    else
      soonest = math.min(soonest, bucket.from + bucket.taken * self.gap)
    end
  end
  self.full_until = soonest
  self.sweep_at = math.min(math.max(SWEEP_AT, 2 * self.count), self.max_keys)
end

-- The bucket of a new key; nil, and for how many seconds, while there are as many as may be.
local function add(self, key, now)
  if self.count >= self.sweep_at and (self.count < self.max_keys or now >= self.full_until) then sweep(self, now) end
  if self.count >= self.max_keys then return nil, self.full_until - now end
  local bucket = { from = now, taken = 0 }
  self.keys[key], self.count = bucket, self.count + 1
  return bucket
end

--- Takes n, if they are there.
---@param key string
---@param n integer at most the burst; 0: looks only
---@return number wait seconds until they are; 0: they were taken
---@return number ahead how many are taken that are not earned yet
function Memory:take(key, n)
  local now = clock()
  local bucket = self.keys[key]
  if not bucket then
    local full_for
    bucket, full_for = add(self, key, now)
    if not bucket then return full_for, self.burst end
  end
  if is_over(self, bucket, now) then bucket.from, bucket.taken = now, 0 end
  local ahead = bucket.taken - (now - bucket.from) / self.gap
  local wait = bucket.from + (bucket.taken + n - self.burst) * self.gap - now
  if wait > 0 then return wait, ahead end
  bucket.taken = bucket.taken + n
  return 0, ahead + n
end

--- How many keys there are.
function Memory:size()
  return self.count
end

return memory

-- shared.lua: the same in Redis, for all processes that use the same name. A script decides by the server's clock.
local operators = require "tusk.operators"

local shared = {}

-- KEYS: the key. ARGV: microseconds between two, burst, how many, "1" to look only. What is kept: from when (µs), how
-- many were taken since. -> microseconds to wait, 0 if they were taken; how many are taken and not earned.
local SCRIPT = [[
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local gap, burst, n = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'from', 'taken')
local from, taken = tonumber(kept[1] or now), tonumber(kept[2] or 0)
if from > now then from = now end
if from + taken * gap <= now then from, taken = now, 0 end
local ahead = taken - (now - from) / gap
local wait = from + (taken + n - burst) * gap - now
if wait > 0 then return { string.format('%.0f', math.ceil(wait)), string.format('%.17g', ahead) } end
if n > 0 then
  redis.call('HSET', KEYS[1], 'from', string.format('%.0f', from), 'taken', string.format('%.0f', taken + n))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil((ahead + n) * gap / 1000) + 1))
end
return { '0', string.format('%.17g', ahead + n) }
]]

---@class tusk.limiter.Shared
local Shared = {}
Shared.__index = Shared

---@param gap number seconds between two
---@param burst integer
---@param prefix string of its keys
---@param handle table|nil what @redis.open gave; @redis
function shared.new(gap, burst, prefix, handle)
  return setmetatable({ gap = ("%.17g"):format(gap * 1e6), burst = burst, prefix = prefix, handle = handle }, Shared)
end

local function script_of(self)
  self.script = self.script or (self.handle or operators.get("redis")).script(SCRIPT)
  return self.script
end

--- As that of memory.lua; may wait, and fails as @redis does.
function Shared:take(key, n)
  local answer = script_of(self)({ self.prefix .. key }, self.gap, self.burst, n)
  return tonumber(answer[1]) / 1e6, tonumber(answer[2])
end

--- Unknown: the server has them.
function Shared:size() end

return shared

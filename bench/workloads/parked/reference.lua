-- Bare coroutines that have yielded.
local uv = require "luv"
local n, parked = tonumber((...)), 0
local function wait()
  parked = parked + 1
  coroutine.yield()
end

collectgarbage()
local before, all = uv.resident_set_memory(), {}
for i = 1, n do
  all[i] = coroutine.create(wait)
  coroutine.resume(all[i])
end
collectgarbage()
print((uv.resident_set_memory() - before) / n, parked)

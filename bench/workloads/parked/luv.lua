local uv = require "luv"
local n, parked = tonumber((...)), 0
local function wait()
  parked = parked + 1
  local co, timer = coroutine.running(), uv.new_timer()
  timer:start(3600e3, 0, function() coroutine.resume(co) end)
  coroutine.yield()
end

collectgarbage()
local before = uv.resident_set_memory()
for _ = 1, n do coroutine.wrap(wait)() end
collectgarbage()
print((uv.resident_set_memory() - before) / n, parked)
os.exit(0)

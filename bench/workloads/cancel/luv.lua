-- The same with a timer each, which is closed.
local uv = require "luv"
local n, ended, parked = tonumber((...)), 0, {}
local yield = coroutine.yield
local function sleep(timer)
  local co = coroutine.running()
  timer:start(3600e3, 0, function() coroutine.resume(co) end)
  local cancelled = yield()
  timer:close()
  if cancelled then error({ kind = "cancelled" }, 0) end
end

local function wait(timer)
  local ok, err = pcall(sleep, timer)
  ended = ended + 1
  if not ok then error(err, 0) end
end

for i = 1, n do
  parked[i] = coroutine.create(function(timer) return pcall(wait, timer) end)
  coroutine.resume(parked[i], uv.new_timer())
end
local began = uv.hrtime()
for i = 1, n do coroutine.resume(parked[i], true) end
uv.run()
print((uv.hrtime() - began) / 1e6, ended)

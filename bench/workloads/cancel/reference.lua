-- Coroutines that are resumed, throw an error and catch it twice: what LuaJIT itself takes.
local uv = require "luv"
local n, ended, parked = tonumber((...)), 0, {}
local yield = coroutine.yield
local function sleep()
  if yield() then error({ kind = "cancelled" }, 0) end
end

local function wait()
  local ok, err = pcall(sleep)
  ended = ended + 1
  if not ok then error(err, 0) end
end

for i = 1, n do
  parked[i] = coroutine.create(function() return pcall(wait) end)
  coroutine.resume(parked[i])
end
local began = uv.hrtime()
for i = 1, n do coroutine.resume(parked[i], true) end
print((uv.hrtime() - began) / 1e6, ended)

local uv = require "luv"
local n, parked = tonumber((...)), 0
local function wait()
  parked = parked + 1
  @sleep("1h")
end

collectgarbage()
local before = uv.resident_set_memory()
@scope(function(s)
  for _ = 1, n do s:spawn(wait) end
  collectgarbage()
  print((uv.resident_set_memory() - before) / n, parked)
  s:cancel()
end)

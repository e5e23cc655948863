-- A timer each, as one writes it.
local uv = require "luv"
local n, done = tonumber((...)), 0
local function work() done = done + 1 end

local function timeout(ms, fn)
  local timer, late = uv.new_timer(), false
  timer:start(ms, 0, function() late = true end)
  fn()
  timer:stop()
  timer:close()
  return late
end

for _ = 1, 1000 do uv.new_timer():start(1800e3, 0, work) end
local began = uv.hrtime()
for i = 1, n do
  timeout(3600e3, work)
  if i % 1000 == 0 then uv.run("nowait") end -- closes what was stopped
end
print((uv.hrtime() - began) / 1e6, done)
os.exit(0)

local uv = require "luv"
local n, fired, began = tonumber((...)), 0, os.clock()
local function wait(i)
  local co, timer = coroutine.running(), uv.new_timer()
  timer:start(i % 100 + 1, 0, function()
    timer:close()
    coroutine.resume(co)
  end)
  coroutine.yield()
  fired = fired + 1
end

for i = 1, n do coroutine.wrap(wait)(i) end
uv.run()
print((os.clock() - began) * 1000, fired)

-- Bare coroutines, used again: what LuaJIT itself takes.
local uv = require "luv"
local n, sum, began = tonumber((...)), 0, uv.hrtime()
local function work(i) return i % 7 end
local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield

local function body(i)
  while true do i = yield(work(i)) end
end

local free, values = {}, {}
for first = 1, n, 1000 do
  for i = 1, 1000 do
    local co = table.remove(free) or create(body)
    local _, value = resume(co, first + i)
    values[i], free[#free + 1] = value, co
  end
  for i = 1, 1000 do sum = sum + values[i] end
end
print((uv.hrtime() - began) / 1e6, sum)

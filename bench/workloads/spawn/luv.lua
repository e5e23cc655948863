-- A coroutine for each task, as one writes it without anything on top.
local uv = require "luv"
local n, sum, began = tonumber((...)), 0, uv.hrtime()
local function work(i) return i % 7 end

local tasks = {}
for first = 1, n, 1000 do
  for i = 1, 1000 do
    local co = coroutine.create(work)
    local _, value = coroutine.resume(co, first + i)
    tasks[i] = value
  end
  for i = 1, 1000 do sum = sum + tasks[i] end
end
print((uv.hrtime() - began) / 1e6, sum)

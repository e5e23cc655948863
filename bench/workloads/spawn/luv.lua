-- A coroutine for each task, as one writes it without anything on top.
local uv = require "luv"
local n, sum, began = tonumber((...)), 0, uv.hrtime()
local function work(i)
  coroutine.yield()
  return i % 7
end

local tasks = {}
for first = 1, n, 1000 do
  for i = 1, 1000 do
    tasks[i] = coroutine.create(work)
    coroutine.resume(tasks[i], first + i)
  end
  for i = 1, 1000 do
    local _, value = coroutine.resume(tasks[i])
    sum = sum + value
  end
end
print((uv.hrtime() - began) / 1e6, sum)

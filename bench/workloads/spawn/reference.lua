-- Bare coroutines, used again: what LuaJIT itself takes.
local uv = require "luv"
local n, sum, began = tonumber((...)), 0, uv.hrtime()
local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield
local function work(i)
  yield()
  return i % 7
end

local function body(i)
  while true do i = yield(work(i)) end
end

local tasks = {}
for i = 1, 1000 do tasks[i] = create(body) end
for first = 1, n, 1000 do
  for i = 1, 1000 do resume(tasks[i], first + i) end
  for i = 1, 1000 do
    local _, value = resume(tasks[i])
    sum = sum + value
  end
end
print((uv.hrtime() - began) / 1e6, sum)

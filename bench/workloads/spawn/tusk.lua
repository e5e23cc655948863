local n, sum, began = tonumber((...)), 0, @date.clock()
local function work(i)
  @yield()
  return i % 7
end

local tasks = {}
for first = 1, n, 1000 do
  for i = 1, 1000 do tasks[i] = @async(work, first + i) end
  for i = 1, 1000 do sum = sum + tasks[i]:await() end
end
print((@date.clock() - began) * 1000, sum)

-- Calls that go well, through all that a policy can be made of but a hedge, which starts a task.
local n, sum = tonumber((...)), 0
local policy = @policy {
  timeout = "30s", attempt_timeout = "5s", retry = { attempts = 3 }, breaker = {}, bulkhead = { max = 64 },
  limiter = { rate = 1e9, burst = 1000000 },
}

local function work(i)
  return i % 7
end

local began = @date.clock()
for i = 1, n do sum = sum + policy:run(work, i) end
print((@date.clock() - began) * 1000, sum)

local n, sum, began = tonumber(ngx.var.arg_n), 0, bench_now()
local spawn, wait = ngx.thread.spawn, ngx.thread.wait
local function work(i)
  coroutine.yield()
  return i % 7
end

local threads = {}
for first = 1, n, 1000 do
  for i = 1, 1000 do threads[i] = spawn(work, first + i) end
  for i = 1, 1000 do
    local _, value = wait(threads[i])
    sum = sum + value
  end
end
ngx.say(bench_now() - began, " ", sum)

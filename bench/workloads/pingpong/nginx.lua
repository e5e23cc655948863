-- Values lie in a table; semaphores tell that there is one.
local semaphore = require "ngx.semaphore"
local n, sum, began = tonumber(ngx.var.arg_n), 0, bench_now()
local there, back = { full = semaphore.new() }, { full = semaphore.new() }

local function send(ch, value)
  ch.value = value
  ch.full:post()
end

local function recv(ch)
  assert(ch.full:wait(60))
  return ch.value
end

local echo = ngx.thread.spawn(function()
  for _ = 1, n / 2 do send(back, recv(there) + 1) end
end)
for i = 1, n / 2 do
  send(there, i)
  sum = sum + recv(back)
end
ngx.thread.wait(echo)
ngx.say(bench_now() - began, " ", sum)

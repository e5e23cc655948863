-- Coroutines and a list of those that are ready, run by the loop.
local uv = require "luv"
local n, sum, began = tonumber((...)), 0, uv.hrtime()
local ready, first, last, idle = {}, 1, 0, uv.new_idle()

local function wake(co)
  last = last + 1
  ready[last] = co
end

local function drain()
  while first <= last do
    local co = ready[first]
    ready[first], first = nil, first + 1
    assert(coroutine.resume(co))
  end
  idle:stop()
end

local function start(fn) wake(coroutine.create(fn)) end

local function send(ch, value)
  while ch.full do
    ch.sender = coroutine.running()
    coroutine.yield()
  end
  ch.value, ch.full = value, true
  if ch.receiver then
    wake(ch.receiver)
    ch.receiver = nil
  end
end

local function recv(ch)
  while not ch.full do
    ch.receiver = coroutine.running()
    coroutine.yield()
  end
  ch.full = false
  if ch.sender then
    wake(ch.sender)
    ch.sender = nil
  end
  return ch.value
end

local there, back = {}, {}
start(function()
  for _ = 1, n / 2 do send(back, recv(there) + 1) end
end)
start(function()
  for i = 1, n / 2 do
    send(there, i)
    sum = sum + recv(back)
  end
end)
idle:start(drain)
uv.run()
print((uv.hrtime() - began) / 1e6, sum)

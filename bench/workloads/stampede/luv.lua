-- What one writes by hand: a table of values, and one of those who wait.
local uv = require "luv"
local n, _, at_once = ...
n, at_once = tonumber(n), tonumber(at_once)
local values, loading, loads, sum = {}, {}, 0, 0

local function load(done)
  loads = loads + 1
  local mine, timer = loads, uv.new_timer()
  timer:start(1, 0, function()
    timer:close()
    done(mine)
  end)
end

local function fetch(key)
  local waiters = { coroutine.running() }
  loading[key] = waiters
  load(function(value)
    values[key], loading[key] = { value = value, ends = uv.now() + 3600e3 }, nil
    for i = 1, #waiters do coroutine.resume(waiters[i], value) end
  end)
  return coroutine.yield()
end

local function remember(key)
  local entry, waiters = values[key], loading[key]
  if entry and entry.ends > uv.now() then return entry.value end
  if not waiters then return fetch(key) end
  waiters[#waiters + 1] = coroutine.running()
  return coroutine.yield()
end

local began = uv.hrtime()
for first = 1, n, at_once do
  local function ask()
    local value = remember("key:" .. first)
    sum = sum + value
  end
  for _ = 1, at_once do coroutine.wrap(ask)() end
  uv.run()
end
print((uv.hrtime() - began) / 1e6, sum)

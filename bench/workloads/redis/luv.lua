-- Just enough of the protocol for short strings: what a turn asks for is sent in one piece.
local uv = require "luv"
local n, url, at_once = ...
local port = tonumber(url:match(":(%d+)$"))
local tcp, began, sum, left = uv.new_tcp(), nil, 0, tonumber(n)
local out, waiting, first, last = {}, {}, 1, 0 -- coroutines, in the order they asked

local function get(key)
  out[#out + 1] = ("*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n"):format(#key, key)
  last = last + 1
  waiting[last] = coroutine.running()
  return coroutine.yield()
end

local function flush()
  if not out[1] then return end
  tcp:write(table.concat(out))
  out = {}
end

local function worker()
  while left > 0 do
    left = left - 1
    local value = get("key:" .. left % 1000)
    sum = sum + #value
  end
end

local function answer(value)
  local co = waiting[first]
  waiting[first] = nil
  first = first + 1
  coroutine.resume(co, value)
end

-- Answers what is complete; returns the rest.
local function take(text)
  local at = 1
  while true do
    local length, from = text:match("^%$(%d+)\r\n()", at)
    local stop = from and from + tonumber(length) + 2
    if not stop or #text < stop - 1 then return text:sub(at) end
    answer(text:sub(from, stop - 3))
    at = stop
  end
end

tcp:connect("127.0.0.1", port, function(err)
  assert(not err, err)
  tcp:nodelay(true)
  local text = ""
  tcp:read_start(function(problem, bytes)
    text = take(text .. assert(bytes, problem))
    flush()
    if left <= 0 and first > last then tcp:close() end
  end)
  began = uv.hrtime()
  for _ = 1, tonumber(at_once) do coroutine.wrap(worker)() end
  flush()
end)
uv.run()
print((uv.hrtime() - began) / 1e6, sum)

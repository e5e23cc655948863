-- Just enough of Redis for these answers, what a turn asks for in one piece; SQLite through LuaJIT's FFI.
local sqlite = require "bench.lib.sqlite"
local uv = require "luv"
local n, where, at_once = ...
local port, path = where:match(":(%d+) (.*)$")
local db = sqlite.open(path)
local find = db:prepare("select id, name, email from users where id = ?")
local tcp, began, sum, left = uv.new_tcp(), nil, 0, tonumber(n)
local out, waiting, first, last = {}, {}, 1, 0 -- coroutines, in the order they asked

local function ask(...)
  local words = { ("*%d\r\n"):format(select("#", ...)) }
  for i, word in ipairs { ... } do words[i + 1] = ("$%d\r\n%s\r\n"):format(#word, word) end
  out[#out + 1] = table.concat(words)
  last = last + 1
  waiting[last] = coroutine.running()
  return coroutine.yield()
end

local function flush()
  if not out[1] then return end
  tcp:write(table.concat(out))
  out = {}
end

local function lookup(id)
  local key = "user:" .. id
  local text = ask("GET", key)
  if text then return text end
  find:bind(1, id)
  find:step()
  text = ('{"id":%d,"name":"%s","email":"%s"}'):format(find:number(0), find:text(1), find:text(2))
  find:reset()
  ask("SET", key, text, "EX", "3600")
  return text
end

local function worker()
  while left > 0 do
    left = left - 1
    local text = lookup(left + 1)
    sum = sum + #text
  end
end

local function answer(value)
  local co = waiting[first]
  waiting[first] = nil
  first = first + 1
  coroutine.resume(co, value)
end

-- The answer at `at`, and where it ends: "+OK", "$-1", "$5\r\nvalue"; nil if it is not complete.
local function read(text, at)
  local line, from = text:match("^(%S+)\r\n()", at)
  local length = line and line:match("^%$(%d+)$")
  if not length then return nil, from end
  local stop = from + tonumber(length) + 2
  if #text < stop - 1 then return nil end
  return text:sub(from, stop - 3), stop
end

-- Answers what is complete; returns the rest.
local function take(text)
  local at = 1
  while true do
    local value, stop = read(text, at)
    if not stop then return text:sub(at) end
    answer(value)
    at = stop
  end
end

tcp:connect("127.0.0.1", tonumber(port), function(err)
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

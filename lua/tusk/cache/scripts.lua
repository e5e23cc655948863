-- scripts.lua: what a Redis server does for the cache, each in one step. See redis.lua for what is kept where.
local scripts = {}

-- An entry is its bytes (codec.lua), or, if it has tags or is kept after its time, "x" and a list: how many ms it is
-- kept after it, the bytes, and each tag with the mark that the tag had. A tag that is forgotten loses its mark.
-- A lock is a list: the token, and each tag with its mark. What a server without memory may refuse comes first in a
-- script: after a DEL it would refuse nothing.

-- What scripts are made of, each after what it needs.
local PARTS = {
  { "base", [[
local base = ARGV[1]
]] },
  { "call", [[
local call = redis.call
]] },
  { "lock_of", [[
local function lock_of(key) return base .. "l:" .. key:sub(#base + 3) end
]] },
  { "mark_of", [[
local function mark_of(tag) return call("GET", base .. "t:" .. tag) end
]] },
  { "are_marked", [[
local function are_marked(list, from)
  for i = from, #list, 2 do
    if mark_of(list[i]) ~= list[i + 1] then return false end
  end
  return true
end
]] },
  { "read", [[
-- bytes, ms that it is kept, the list; nil if there is none
local function read(key)
  local raw = call("GET", key)
  if not raw or raw:sub(1, 1) ~= "x" then return raw or nil, 0 end
  local list = cmsgpack.unpack(raw:sub(2))
  if not are_marked(list, 3) then return nil end
  return list[2], list[1], list
end
]] },
  { "left", [[
-- for how many ms it is fresh; nil: for ever
local function left(key, keep)
  local ms = call("PTTL", key)
  if ms < 0 then return nil end
  return ms - keep
end
]] },
  { "read_fresh", [[
local function read_fresh(key)
  local bytes, keep, list = read(key)
  if not bytes then return nil end
  local ms = left(key, keep)
  if ms and ms <= 0 then return nil end
  return bytes, keep, list
end
]] },
  { "put", [[
local function put(key, value, ms)
  if ms then call("SET", key, value, "PX", ms) else call("SET", key, value) end
end
]] },
  { "prolong", [[
-- A mark lives at least as long as what has it.
local function prolong(tag, ms)
  local key = base .. "t:" .. tag
  local now = call("PTTL", key)
  if now >= 0 and not ms then call("PERSIST", key)
  elseif now >= 0 and now < ms + 1000 then call("PEXPIRE", key, ms + 1000) end
end
]] },
  { "marked", [[
local function marked(tag, new, ms)
  local mark = mark_of(tag)
  if mark then prolong(tag, ms)
  else
    put(base .. "t:" .. tag, new, ms and ms + 1000)
    mark = new
  end
  return mark
end
]] },
  { "write", [[
local function write(key, bytes, ttl, keep, new, tags)
  local ms = ttl and ttl + keep
  if keep == 0 and #tags == 0 then return put(key, bytes, ms) end
  local list = { keep, bytes }
  for _, tag in ipairs(tags) do
    list[#list + 1] = tag
    list[#list + 1] = marked(tag, new, ms)
  end
  put(key, "x" .. cmsgpack.pack(list), ms)
end
]] },
  { "rest", [[
local function rest(from)
  local list = {}
  for i = from, #ARGV do list[#list + 1] = ARGV[i] end
  return list
end
]] },
  { "held_by", [[
local function held_by(lock, token)
  local raw = call("GET", lock)
  local list = raw and cmsgpack.unpack(raw)
  return list and list[1] == token and list or nil
end
]] },
}

-- { bytes, ms left, "" for ever } or nil
scripts.look = [[
local bytes, keep = read(KEYS[1])
if not bytes then return false end
return { bytes, left(KEYS[1], keep) or "" }
]]

-- for each key its bytes or false
scripts.get = [[
local out = {}
for i, key in ipairs(KEYS) do out[i] = read_fresh(key) or false end
return out
]]

scripts.has = [[
local bytes = read_fresh(KEYS[1])
return bytes and bytes ~= "-" and 1 or 0
]]

-- ttl, keep, new mark, number of tags, tags, bytes for each key
scripts.set = [[
local tags, n = {}, tonumber(ARGV[5])
for i = 1, n do tags[i] = ARGV[5 + i] end
for i, key in ipairs(KEYS) do
  write(key, ARGV[5 + n + i], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tags)
  call("DEL", lock_of(key))
end
]]

scripts.forget = [[
local bytes = read_fresh(KEYS[1])
call("DEL", lock_of(KEYS[1]), KEYS[1])
return bytes and bytes ~= "-" and 1 or 0
]]

-- ttl
scripts.touch = [[
local bytes, keep, list = read_fresh(KEYS[1])
if not bytes or bytes == "-" then return 0 end
local ms = tonumber(ARGV[2]) and tonumber(ARGV[2]) + keep
for i = 3, list and #list or 0, 2 do prolong(list[i], ms) end
if ms then call("PEXPIRE", KEYS[1], ms) else call("PERSIST", KEYS[1]) end
return 1
]]

-- ttl, new mark, n, tags; "n…", the bytes of what is no number, or "" for what is none
scripts.incr = [[
local key = KEYS[1]
local bytes, keep, list = read_fresh(key)
if not bytes or bytes == "-" then
  write(key, ARGV[4], tonumber(ARGV[2]), 0, ARGV[3], rest(5))
  call("DEL", lock_of(key))
  return ARGV[4]
end
if bytes:sub(1, 1) ~= "n" then return bytes:sub(1, 1) end
local sum = tonumber(bytes:sub(2)) + tonumber(ARGV[4]:sub(2))
if sum == math.huge or sum == -math.huge then return "" end
local text, ms = string.format("n%.17g", sum), call("PTTL", key)
if list then list[2] = text end
put(key, list and "x" .. cmsgpack.pack(list) or text, ms >= 0 and math.max(ms, 1) or nil)
call("DEL", lock_of(key))
return text
]]

-- token, lease, how, tags; how: "ask", "behind": a value that is there is no answer, "force": nor that it is being loaded
scripts.claim = [[
local key, how, tags = KEYS[1], ARGV[4], rest(5)
local bytes = how == "ask" and read_fresh(key)
if bytes then return { "found", bytes } end
local raw = call("GET", lock_of(key))
if raw and how ~= "force" and are_marked(cmsgpack.unpack(raw), 2) then return { "wait" } end
local list, lease = { ARGV[2] }, tonumber(ARGV[3])
for _, tag in ipairs(tags) do
  list[#list + 1] = tag
  list[#list + 1] = marked(tag, ARGV[2], lease)
end
put(lock_of(key), cmsgpack.pack(list), lease)
return { "claimed" }
]]

-- token, lease
scripts.renew = [[
local list = held_by(KEYS[1], ARGV[2])
if not list then return 0 end
for i = 2, #list, 2 do prolong(list[i], tonumber(ARGV[3])) end
call("PEXPIRE", KEYS[1], ARGV[3])
return 1
]]

-- token, ttl, keep, bytes, tags
scripts.land = [[
local list = held_by(lock_of(KEYS[1]), ARGV[2])
if not list then return 0 end
local good = are_marked(list, 2)
if good then write(KEYS[1], ARGV[5], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[2], rest(6)) end
call("DEL", lock_of(KEYS[1]))
return good and 1 or 0
]]

-- token
scripts.release = [[
if held_by(KEYS[1], ARGV[2]) then call("DEL", KEYS[1]) end
]]

-- A script with the parts that it needs, and no others: the server makes them at each call.
local function whole(text)
  for i = #PARTS, 1, -1 do
    local name, part = PARTS[i][1], PARTS[i][2]
    if text:find("%f[%w_]" .. name .. "%f[^%w_]") then text = part .. text end
  end
  return text
end

for name, text in pairs(scripts) do scripts[name] = whole(text) end

return scripts

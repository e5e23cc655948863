-- memory.lua: a byte-bounded store of values in plain tables: what has expired goes first, then
-- what was not used for longest.
local core = require "tusk.core"
local copy = require "tusk.copy"
local errors = require "tusk.errors"

local give, take = copy.give, copy.take
local floor, huge = math.floor, math.huge

local ENTRY = 160 -- bytes of an entry besides its key and value
local absent = {} -- the value of an entry that remembers that there is nothing

local Memory = { __name = "cache.memory" }
Memory.__index = Memory

--- An empty store of at most `size` bytes.
---@param size number
---@param now (fun(): number)|nil the clock, in seconds; the host's
function Memory.new(size, now)
  local ring = {} -- sentinel: next is the last used, prev the one to evict
  ring.next, ring.prev = ring, ring
  return setmetatable({
    size = size, now = now or core.now, entries = {}, ring = ring, due = {}, ndue = 0, bytes = 0, count = 0,
    hits = 0, misses = 0, evictions = 0, expirations = 0,
  }, Memory)
end

local function unlink(e)
  e.prev.next, e.next.prev = e.next, e.prev
end

local function link_first(ring, e)
  local first = ring.next
  e.next, e.prev = first, ring
  ring.next, first.prev = e, e
end

-- The entries that expire, as a binary heap by time; entry.slot says where each lies.

local function place(due, slot, e)
  due[slot], e.slot = e, slot
end

local function sift_up(due, slot, e)
  while slot > 1 do
    local up = floor(slot / 2)
    if due[up].expires <= e.expires then break end
    place(due, slot, due[up])
    slot = up
  end
  place(due, slot, e)
end

local function sift_down(due, n, slot, e)
  while slot * 2 <= n do
    local child = slot * 2
    if child < n and due[child + 1].expires < due[child].expires then child = child + 1 end
    if due[child].expires >= e.expires then break end
    place(due, slot, due[child])
    slot = child
  end
  place(due, slot, e)
end

local function due_remove(self, e)
  local due, slot, n = self.due, e.slot, self.ndue
  if not slot then return end
  local last = due[n]
  due[n], self.ndue, e.slot = nil, n - 1, nil
  if last == e then return end
  sift_up(due, slot, last)
  sift_down(due, n - 1, last.slot, last)
end

local function due_add(self, e)
  if e.expires == huge then return end
  self.ndue = self.ndue + 1
  sift_up(self.due, self.ndue, e)
end

local function drop(self, e)
  self.entries[e.key] = nil
  self.bytes, self.count = self.bytes - e.bytes, self.count - 1
  unlink(e)
  due_remove(self, e)
end

local function drop_expired(self, most)
  local time = self.now()
  for _ = 1, most do
    local e = self.due[1]
    if not e or e.expires > time then return end
    drop(self, e)
    self.expirations = self.expirations + 1
  end
end

-- Room for `bytes` more: first what has expired, then the least recently used.
local function make_room(self, bytes)
  if self.bytes + bytes <= self.size then return end
  drop_expired(self, huge)
  while self.bytes + bytes > self.size do
    drop(self, self.ring.prev)
    self.evictions = self.evictions + 1
  end
end

-- The living entry of a key, now the last used one, or nil.
local function find(self, key)
  local e = self.entries[key]
  if not e then return nil end
  if e.expires ~= huge and e.expires <= self.now() then
    drop(self, e)
    self.expirations = self.expirations + 1
    return nil
  end
  local ring = self.ring
  if ring.next ~= e then
    unlink(e)
    link_first(ring, e)
  end
  return e
end

--- found, value: found is also true for a remembered absence, whose value is nil.
function Memory:get(key)
  local e = find(self, key)
  if not e then
    self.misses = self.misses + 1
    return false
  end
  self.hits = self.hits + 1
  local value = e.value
  if value == absent then return true, nil end
  return true, give(value)
end

local function put(self, key, value, size, expires)
  local bytes = ENTRY + #key + size
  if bytes > self.size then
    errors.raise("cache.too_large", ("the value of %q takes about %d bytes, the whole cache is %d")
      :format(key:sub(1, 60), bytes, self.size), { key = key })
  end
  local old = self.entries[key]
  if old then drop(self, old) end
  drop_expired(self, 2)
  make_room(self, bytes)
  local e = { key = key, value = value, bytes = bytes, expires = expires }
  self.entries[key] = e
  self.bytes, self.count = self.bytes + bytes, self.count + 1
  link_first(self.ring, e)
  due_add(self, e)
end

--- Keeps a copy of value for ttl seconds (nil: for ever) and returns it; it is not to be changed.
function Memory:set(key, value, ttl)
  local kept, size = take(value)
  put(self, key, kept, size, ttl and self.now() + ttl or huge)
  return kept
end

--- Remembers for ttl seconds that there is no value.
function Memory:set_absent(key, ttl)
  put(self, key, absent, 0, self.now() + ttl)
end

--- Whether there was a value to forget.
function Memory:forget(key)
  local e = find(self, key)
  if not e then return false end
  drop(self, e)
  return e.value ~= absent
end

--- Is there a value? A remembered absence is none.
function Memory:has(key)
  local e = find(self, key)
  return e ~= nil and e.value ~= absent
end

--- Whether there was a value whose time could be set anew.
function Memory:touch(key, ttl)
  local e = find(self, key)
  if not e or e.value == absent then return false end
  due_remove(self, e)
  e.expires = ttl and self.now() + ttl or huge
  due_add(self, e)
  return true
end

--- Adds to a number, 0 if there is none; ttl counts only for a new one.
function Memory:incr(key, n, ttl)
  local e = find(self, key)
  if not e or e.value == absent then
    self:set(key, n, ttl)
    return n
  end
  if type(e.value) ~= "number" then
    errors.raise("cache.type", ("the value of %q is a %s, not a number"):format(key:sub(1, 60), type(e.value)),
      { key = key })
  end
  e.value = e.value + n
  return e.value
end

--- Forgets all keys that begin with prefix.
function Memory:clear(prefix)
  for key, e in pairs(self.entries) do
    if key:sub(1, #prefix) == prefix then drop(self, e) end
  end
end

--- What it holds and has done, as @cache.stats gives it.
function Memory:stats()
  return {
    hits = self.hits, misses = self.misses, entries = self.count, bytes = self.bytes, size = self.size,
    evictions = self.evictions, expirations = self.expirations,
  }
end

return Memory

-- memory.lua: a byte-bounded store of values in plain tables: what has expired goes first, then what was not used
-- for longest. See store.lua for what every store does.
local core = require "tusk.core"
local copy = require "tusk.copy"
local errors = require "tusk.errors"
local Due = require "tusk.cache.due"
local Groups = require "tusk.cache.groups"
local store = require "tusk.cache.store"

local give, take, is_dead = copy.give, copy.take, Groups.is_dead
local huge = math.huge

local ENTRY, TAG = 160, 64 -- bytes of an entry besides its key and value, and of each tag that it has
local SIZE = 64 * 1024 * 1024
local absent = {} -- the value of an entry that remembers that there is nothing

---@class tusk.cache.Memory: tusk.cache.Store
local Memory = { __name = "cache.memory", at_once = true }
Memory.__index = Memory

local function empty(self)
  local ring = {} -- sentinel: next is the last used, prev the one to evict
  ring.next, ring.prev = ring, ring
  self.entries, self.ring, self.due, self.groups = {}, ring, Due.new(), Groups.new()
  self.bytes, self.count = 0, 0
end

--- An empty store of at most `size` bytes.
---@param size number|nil 64 MiB
---@param now (fun(): number)|nil the clock, in seconds; the host's
function Memory.new(size, now)
  local self = setmetatable({
    size = size or SIZE, now = now or core.now, hits = 0, misses = 0, evictions = 0, expirations = 0,
  }, Memory)
  empty(self)
  return self
end

local function unlink(e)
  e.prev.next, e.next.prev = e.next, e.prev
end

local function link_first(ring, e)
  local first = ring.next
  e.next, e.prev = first, ring
  ring.next, first.prev = e, e
end

local function drop(self, e)
  self.entries[e.key] = nil
  self.bytes, self.count = self.bytes - e.bytes, self.count - 1
  unlink(e)
  self.due:remove(e)
  if e.groups then self.groups:leave(e) end
end

local function drop_expired(self, most)
  local time = self.now()
  for _ = 1, most do
    local e = self.due:first(time) or self.groups:next_dead()
    if not e then return end
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

local function drop_if_over(self, e, time)
  if e.expires > time and not (e.groups and is_dead(e)) then return end
  drop(self, e)
  self.expirations = self.expirations + 1
end

-- The entry of a key that is still good, now the last used one; nil for one that is only kept to be given while
-- another is loaded.
local function find(self, key)
  local e = self.entries[key]
  if not e then return nil end
  local fresh = e.fresh
  if (fresh ~= huge and fresh <= self.now()) or (e.groups and is_dead(e)) then
    drop_if_over(self, e, self.now())
    return nil
  end
  local ring = self.ring
  if ring.next ~= e then
    unlink(e)
    link_first(ring, e)
  end
  return e
end

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

function Memory:look(key)
  local found, value = self:get(key)
  local e = self.entries[key]
  if found then return true, value, e.fresh - self.now() end
  if not e or e.value == absent then return false end
  return true, give(e.value), e.fresh - self.now()
end

function Memory:get_many(keys)
  local found, values = {}, {}
  for i = 1, #keys do found[i], values[i] = self:get(keys[i]) end
  return found, values
end

local function too_large(self, key, bytes)
  errors.raise("cache.too_large", ("the value of %q takes about %d bytes, the whole cache is %d")
    :format(key:sub(1, 60), bytes, self.size), { key = key })
end

local function put(self, key, value, size, ttl, keep, tags)
  local bytes = ENTRY + #key + size + (tags and #tags * TAG or 0)
  if bytes > self.size then too_large(self, key, bytes) end
  local old = self.entries[key]
  if old then drop(self, old) end
  drop_expired(self, 2)
  make_room(self, bytes)
  local fresh = ttl and self.now() + ttl or huge
  local e = { key = key, value = value, bytes = bytes, fresh = fresh, keep = keep or 0, expires = fresh + (keep or 0) }
  self.entries[key] = e
  self.bytes, self.count = self.bytes + bytes, self.count + 1
  link_first(self.ring, e)
  if fresh ~= huge then self.due:add(e) end
  if tags then self.groups:join(e, tags) end
end

function Memory:set(key, value, ttl, keep, tags)
  local kept, size = take(value)
  put(self, key, kept, size, ttl, keep, tags)
  return kept
end

function Memory:set_many(keys, values, ttl, tags)
  local kept, sizes = {}, {}
  for i = 1, #keys do kept[i], sizes[i] = take(values[i]) end -- all, or none
  for i = 1, #keys do put(self, keys[i], kept[i], sizes[i], ttl, 0, tags) end
end

-- Nobody else loads into this memory: a load may begin, and keeps its value unless its flight was overtaken.
function Memory.claim()
  return true
end

function Memory:land(_, key, value, ttl, keep, tags)
  if value ~= nil then return self:set(key, value, ttl, keep, tags) end
  put(self, key, absent, 0, ttl, keep, tags)
end

function Memory.release() end

function Memory:forget(key)
  local was = self:has(key)
  local e = self.entries[key] -- also one that is only kept
  if e then drop(self, e) end
  return was
end

function Memory:forget_tag(tag)
  self.groups:forget(tag)
end

function Memory:has(key)
  local e = find(self, key)
  return e ~= nil and e.value ~= absent
end

function Memory:touch(key, ttl)
  local e = find(self, key)
  if not e or e.value == absent then return false end
  self.due:remove(e)
  e.fresh = ttl and self.now() + ttl or huge
  e.expires = e.fresh + e.keep
  if e.fresh ~= huge then self.due:add(e) end
  return true
end

function Memory:incr(key, n, ttl, tags)
  local e = find(self, key)
  if not e or e.value == absent then
    self:set(key, n, ttl, 0, tags)
    return n
  end
  local sum = store.sum(key, e.value, n)
  e.value = sum
  return sum
end

function Memory:clear(prefix)
  if prefix == "" then return empty(self) end
  for key, e in pairs(self.entries) do
    if key:find(prefix, 1, true) == 1 then drop(self, e) end
  end
end

function Memory:stats()
  return {
    hits = self.hits, misses = self.misses, entries = self.count, bytes = self.bytes, size = self.size,
    evictions = self.evictions, expirations = self.expirations,
  }
end

function Memory:close()
  empty(self)
end

return Memory

-- redis.lua: a store in a Redis server, shared by all processes with the same prefix. See store.lua for what every
-- store does.
--
--   PREFIX v:KEY  an entry      PREFIX t:TAG  the mark of a tag      PREFIX l:KEY  who loads it
--
-- A load is announced by a lock with a token and a lease that its process renews; who sets or forgets the key takes
-- the lock away, and the load's value with it. Other processes look again after a while that grows with the time the
-- load takes: a message would be quicker, but says nothing of a process that has died, so looking is needed anyway.
local codec = require "tusk.cache.codec"
local core = require "tusk.core"
local operators = require "tusk.operators"
local scripts = require "tusk.cache.scripts"
local Server = require "tusk.cache.server"
local store = require "tusk.cache.store"

local ceil, max, min = math.ceil, math.max, math.min
local encode = codec.encode
local unpack = unpack

local LEASE = 10 -- seconds that a lock outlives its process
local PATIENCE = 30 -- seconds until what another process loads is loaded here as well
local PAUSE, PAUSE_MAX = 0.005, 0.1 -- seconds between two looks
local MANY = 500 -- keys of one command

---@class tusk.cache.Redis: tusk.cache.Store
local Redis = { __name = "cache.redis" }
Redis.__index = Redis

--- A store at a server, which is connected to when first used.
---@param url string
---@param opts { prefix: string, timeout: number, on_down: string|nil }
---@param notice table see notice.lua
function Redis.new(url, opts, notice)
  local server = Server.new(url, opts, notice)
  local run = {}
  for name, text in pairs(scripts) do run[name] = server.client.script(text) end
  return setmetatable({
    server = server, notice = notice, run = run, base = opts.prefix, values = opts.prefix .. "v:",
    name = operators.get("random").bytes(12) .. core.clock() .. ":", hits = 0, misses = 0, tokens = 0,
  }, Redis)
end

local function ms(seconds)
  return seconds and max(1, ceil(seconds * 1000 - 1e-6)) or ""
end

-- Runs a script for one key.
local function run(self, name, key, ...)
  return self.server:ask(self.run[name], { self.values .. key }, self.base, ...)
end

-- A name that nobody has given yet.
local function token(self)
  self.tokens = self.tokens + 1
  return self.name .. self.tokens
end

-- found, value: what cannot be read was written by another version, and is not there.
local function decoded(self, key, bytes)
  local ok, value = pcall(codec.decode, bytes)
  if ok then return true, value end
  self.notice:warn("cache: a value cannot be read", { key = key, error = value })
  return false
end

local function counted(self, found, ...)
  if found then self.hits = self.hits + 1 else self.misses = self.misses + 1 end
  return found, ...
end

function Redis:get(key)
  local _, bytes = self.server:ask(self.server.client.get, self.values .. key)
  if bytes and bytes:byte() == 120 then -- "x": see scripts.lua
    local _, list = run(self, "get", key)
    bytes = list and list[1]
  end
  if not bytes then return counted(self, false) end
  return counted(self, decoded(self, key, bytes))
end

function Redis:look(key)
  local _, answer = run(self, "look", key)
  if not answer then return counted(self, false) end
  local left = answer[2] == "" and math.huge or answer[2] / 1000
  local found, value = decoded(self, key, answer[1])
  if left <= 0 then
    counted(self, false)
    if answer[1] == codec.ABSENT then return false end
    return found, value, left
  end
  return counted(self, found, value, left)
end

local function whole(self, keys, first, last)
  local list = {}
  for i = first, last do list[#list + 1] = self.values .. keys[i] end
  return list
end

-- The bytes of keys first … last by position, of which those with tags are read anew.
local function bytes_of(self, keys, first, last)
  local list = whole(self, keys, first, last)
  local _, all = self.server:ask(self.server.client.mget, unpack(list))
  local again, places = {}, {}
  for i = 1, all and #list or 0 do
    if all[i] and all[i]:byte() == 120 then again[#again + 1], places[#places + 1] = list[i], i end
  end
  if not again[1] then return all or {} end
  local _, better = self.server:ask(self.run.get, again, self.base)
  for i, place in ipairs(places) do all[place] = better and better[i] or nil end
  return all
end

function Redis:get_many(keys)
  local found, values = {}, {}
  for first = 1, #keys, MANY do
    local last = min(first + MANY - 1, #keys)
    local bytes = bytes_of(self, keys, first, last)
    for i = first, last do
      local mine = bytes[i - first + 1]
      if mine then found[i], values[i] = counted(self, decoded(self, keys[i], mine))
      else found[i] = counted(self, false) end
    end
  end
  return found, values
end

-- tags with their number before them
local function set(self, keys, bytes, ttl, keep, tags)
  local more = { tags and #tags or 0 }
  for _, tag in ipairs(tags or {}) do more[#more + 1] = tag end
  for i = 1, #bytes do more[#more + 1] = bytes[i] end
  self.server:ask(self.run.set, keys, self.base, ms(ttl), keep and ms(keep) or 0, tags and token(self) or "", unpack(more))
end

function Redis:set(key, value, ttl, keep, tags)
  local bytes, kept = encode(value)
  set(self, { self.values .. key }, { bytes }, ttl, keep ~= 0 and keep, tags)
  return kept
end

function Redis:set_many(keys, values, ttl, tags)
  local bytes = {}
  for i = 1, #keys do bytes[i] = encode(values[i]) end -- all, or none
  for first = 1, #keys, MANY do
    local last = min(first + MANY - 1, #keys)
    set(self, whole(self, keys, first, last), { unpack(bytes, first, last) }, ttl, nil, tags)
  end
end

function Redis:forget(key)
  local _, was = run(self, "forget", key)
  return was == 1
end

function Redis:forget_tag(tag)
  self.server:ask(self.server.client.del, self.base .. "t:" .. tag)
end

function Redis:has(key)
  local _, there = run(self, "has", key)
  return there == 1
end

function Redis:touch(key, ttl)
  local _, was = run(self, "touch", key, ms(ttl))
  return was == 1
end

function Redis:incr(key, n, ttl, tags)
  local ok, answer = run(self, "incr", key, ms(ttl), tags and token(self) or "", codec.number(n), unpack(tags or {}))
  if not ok then return n end
  if answer == "" then store.beyond(key) end
  if answer:sub(1, 1) ~= "n" then store.no_number(key, codec.kind(answer)) end
  return tonumber(answer:sub(2))
end

-- Removes all keys that begin so. A pattern means what it says only without its special characters.
local function remove(self, beginning)
  local client, cursor = self.server.client, "0"
  local pattern = beginning:gsub("[%*%?%[%]\\]", "\\%0") .. "*"
  repeat
    local ok, answer = self.server:ask(client.scan, cursor, "MATCH", pattern, "COUNT", 1000)
    if not ok then return end
    cursor = answer[1]
    if answer[2][1] then self.server:ask(client.unlink, unpack(answer[2])) end
  until cursor == "0"
end

function Redis:clear(prefix)
  remove(self, self.base .. "l:" .. prefix) -- first, so that no load lands after it
  remove(self, self.values .. prefix)
  if prefix == "" then remove(self, self.base .. "t:") end
end

-- ---- loads ----

-- What cannot be renewed is lost, and so is the load's value: that is found out when it lands.
local function renew(self, claims)
  while true do
    core.sleep(LEASE / 3)
    for _, claim in ipairs(claims) do
      pcall(self.server.ask, self.server, self.run.renew, { claim.lock }, self.base, claim.token, LEASE * 1000)
    end
  end
end

--- Claims that were asked for `once` are renewed by a task of the running one, until it is cancelled.
---@return tusk.Task
function Redis:hold(claims)
  return core.async(renew, self, claims)
end

local function claim_of(self, key, name, once)
  local claim = { lock = self.base .. "l:" .. key, token = name }
  if not once then claim.task = self:hold { claim } end
  return claim
end

-- From half of it to one and a half: those who wait do not come all at once.
local function pause(seconds)
  core.sleep(seconds * (0.5 + operators.get("random").int(0, 1000) / 1000))
end

function Redis:claim(key, tags, behind, once)
  local name, since = token(self), core.now()
  local seconds, how = PAUSE, behind and "behind" or "ask"
  while true do
    local ok, answer = run(self, "claim", key, name, LEASE * 1000, how, unpack(tags or {}))
    if not ok then return {} end -- nobody can be asked: it is loaded here
    if answer[1] == "claimed" then return claim_of(self, key, name, once) end
    if answer[1] == "found" then
      local found, value = decoded(self, key, answer[2])
      if found then return nil, true, value end
      how = "force" -- nobody can read it
    elseif behind or once then
      return nil
    else
      pause(seconds)
      seconds = min(seconds * 1.5, PAUSE_MAX)
      if core.now() - since > PATIENCE then how = "force" end
    end
  end
end

local function let_go(claim)
  if claim.task then claim.task:cancel() end
  return claim.token
end

function Redis:land(claim, key, value, ttl, keep, tags)
  local bytes, kept = codec.ABSENT, nil
  if value ~= nil then bytes, kept = encode(value) end
  local name = let_go(claim)
  if name then
    run(self, "land", key, name, ms(ttl), keep ~= 0 and ms(keep) or 0, bytes, unpack(tags or {}))
  end
  return kept
end

function Redis:release(claim)
  local name = let_go(claim)
  if name then self.server:ask(self.run.release, { claim.lock }, self.base, name) end
end

function Redis:stats()
  return { hits = self.hits, misses = self.misses, down = self.server.down ~= nil }
end

function Redis:close()
  self.server.client.close()
end

return Redis

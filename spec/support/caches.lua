-- caches.lua: the caches that the specs of @cache are run against. Each: name, and each(fn), which calls
-- fn(cache, pass) with an empty one; pass(seconds) lets so much of what it keeps time by go by.
local redis = require "spec.support.redis"
local test = require "tusk.test"

local caches = {}

local memory = { name = "in memory" }
caches[1] = memory

function memory.start() end
function memory.stop() end

--- On a virtual clock that moves by hand.
function memory.each(fn)
  test.clock({ by_hand = true }, function()
    fn(@cache.open("memory:"), test.advance)
  end)
end

local on_server = { name = "on a server" }
caches[2] = on_server

local SHIFT = [[
  for _, key in ipairs(redis.call("KEYS", "*")) do
    local left = redis.call("PTTL", key)
    if left > tonumber(ARGV[1]) then redis.call("PEXPIRE", key, left - ARGV[1])
    elseif left >= 0 then redis.call("DEL", key) end
  end
]]

--- Makes all that a server keeps for a time so many seconds older, at once.
function caches.older(client, seconds)
  client.eval(SHIFT, 0, ("%d"):format(seconds * 1000))
end

--- The specs that use it call this in their setup, and stop in their teardown.
function on_server.start()
  on_server.server = redis.start()
  on_server.client = on_server.server:open()
end

function on_server.stop()
  on_server.client.close()
  on_server.server:stop()
end

--- A real server, and its clock turned by hand.
function on_server.each(fn)
  on_server.client.flushall()
  local cache = @cache.open(on_server.server.url)
  local ok, e = pcall(fn, cache, function(seconds) caches.older(on_server.client, seconds) end)
  cache.close()
  if not ok then error(e, 0) end
end

return caches

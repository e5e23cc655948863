-- redis.lua: @redis: the default server. See docs/operators/redis.md.
local client = require "tusk.redis.client"
local core = require "tusk.core"

local options, url = {}, nil
for key, value in pairs(core.config("redis")) do
  if key == "url" then url = value else options[key] = value end
end

return client.open(url or "redis://127.0.0.1:6379", options)

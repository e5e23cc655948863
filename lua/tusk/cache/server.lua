-- server.lua: a Redis server that may be down: then there is no answer, and a line in the log.
local core = require "tusk.core"
local errors = require "tusk.errors"
local operators = require "tusk.operators"

local RETRY = 1 -- seconds that a server which was down is left alone
local DOWN, BACK = "cache: the server is down, nothing is kept", "cache: the server is back"
local REFUSES = "cache: the server refuses, this is not kept"

---@class tusk.cache.Server
---@field client table the functions of @redis
---@field down number|nil when it may be tried again
local Server = { __name = "cache.server" }
Server.__index = Server

---@param url string
---@param opts { timeout: number, on_down: string|nil }
---@param notice table see notice.lua
function Server.new(url, opts, notice)
  local client = operators.get("redis").open(url, { timeout = opts.timeout, connect_timeout = opts.timeout })
  return setmetatable({
    client = client, notice = notice, timeout = opts.timeout, raises = opts.on_down == "raise",
  }, Server)
end

-- What the server, or the way to it, failed with; not what the caller did.
local function is_fault(err)
  return errors.is(err, "redis") or errors.is(err, "timeout")
end

-- It is there, and will not do this: it has no room, it is a replica …
local function is_refusal(err)
  return errors.is(err, "redis.reply") or errors.is(err, "redis.auth") or errors.is(err, "redis.busy")
end

local function answered(self, ok, ...)
  if ok then return true, ... end
  local err = (...)
  if self.raises or not is_fault(err) then error(err, 0) end
  if is_refusal(err) then
    self.notice:warn(REFUSES, { error = err })
    return false
  end
  self.down = core.now() + RETRY
  self.notice:warn(DOWN, { error = err })
  return false
end

local function is_back(self, ok, ...)
  if ok then
    self.down = nil
    self.notice:info(BACK, {})
  end
  return answered(self, ok, ...)
end

-- It may be back: one task finds out, which does not wait for long.
local function try(self, fn, ...)
  self.down = core.now() + RETRY
  return is_back(self, pcall(core.timeout, self.timeout, fn, ...))
end

--- true and what fn(…) returns, or false if the server is down.
---@param fn function of the client
---@return boolean, any
function Server:ask(fn, ...)
  local down = self.down
  if not down then return answered(self, pcall(fn, ...)) end
  local left = down - core.now()
  if left > 0 and left <= RETRY then return false end
  return try(self, fn, ...)
end

return Server

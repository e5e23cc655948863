-- channel.lua: values handed from task to task, first in, first out.
local kernel = require "tusk.kernel"
local check = require "tusk.check"
local dots = require "tusk.dots"
local errors = require "tusk.errors"

local c_send, c_recv = kernel.channel_send, kernel.channel_recv
local c_try_send, c_try_recv = kernel.channel_try_send, kernel.channel_try_recv
local c_state, cancelled = kernel.channel_state, kernel.cancelled
local CAPACITY_MAX = 2 ^ 30

---@class tusk.Channel
---@field len integer values in the buffer, also #channel
---@field cap integer how many the buffer can hold; 0: none
---@field closed boolean
local Channel = {}
local channel = { Channel = Channel, is = kernel.is_channel }
local meta = { __name = "channel" }

-- What a channel that is closed and empty gives.
local function ended(ch)
  local err = kernel.channel_error(ch)
  if err ~= nil then error(err, 0) end
  return nil, "closed"
end
channel.ended = ended

local function not_sent(how)
  if how == true then cancelled() end
  errors.raise("closed", "the channel was closed before anybody took the value")
end

--- Waits until the value is in the buffer, or taken by a receiver. Raises `closed` when the channel is, or
--- is closed meanwhile: then, and when cancelled, the value did not arrive.
---@param value any not nil
function Channel:send(value)
  if getmetatable(self) ~= meta then dots.colon(meta, self, "channel", "send") end
  local how = c_send(self, value)
  if how then not_sent(how) end
end

--- Waits for the next value. nil, "closed" once the channel is closed and empty; what it was closed with is raised.
---@return any value
---@return string|nil closed
function Channel:recv()
  if getmetatable(self) ~= meta then dots.colon(meta, self, "channel", "recv") end
  local how, value = c_recv(self)
  if how == false then return value end
  if how then cancelled() end
  return ended(self)
end

--- Sends without waiting; also from where nothing can wait.
---@return boolean sent false: nobody waits for it and the buffer is full
function Channel:try_send(value)
  if getmetatable(self) ~= meta then dots.colon(meta, self, "channel", "try_send") end
  return c_try_send(self, value)
end

--- The next value if it is there already; or nil and "empty" or "closed".
function Channel:try_recv()
  if getmetatable(self) ~= meta then dots.colon(meta, self, "channel", "try_recv") end
  local how, value = c_try_recv(self)
  if how == false then return value end
  if self.closed then return ended(self) end
  return nil, "empty"
end

--- No more values: receivers get those in the buffer, then nil, "closed", or err raised. Senders that wait
--- raise `closed`. Closing again does nothing.
---@param err any|nil
function Channel:close(err)
  if getmetatable(self) ~= meta then dots.colon(meta, self, "channel", "close") end
  kernel.channel_close(self, err)
end

function meta.__index(ch, key)
  local method = Channel[key]
  if method then return method end
  local len, cap, closed = c_state(ch)
  if key == "len" then return len elseif key == "cap" then return cap elseif key == "closed" then return closed end
  if type(key) ~= "string" then return nil end
  check.no_field("a channel", key, Channel, { "cap", "closed", "len" })
end

function meta.__len(ch)
  return (c_state(ch))
end

--- `for value in ch do`
meta.__call = Channel.recv

function meta.__tostring(ch)
  local len, cap, closed = c_state(ch)
  return ("channel %d/%d%s"):format(len, cap, closed and " closed" or "")
end

---@param capacity integer|nil how many values may wait in it; 0 or nil: each is handed over directly
---@return tusk.Channel
function channel.new(capacity)
  capacity = check.opt_integer("capacity", capacity) or 0
  if capacity < 0 or capacity > CAPACITY_MAX then
    check.fail(("capacity: 0 to %d, got %s"):format(CAPACITY_MAX, capacity), { argument = "capacity" })
  end
  return kernel.channel_new(capacity, meta)
end

--- One that is closed when the scope ends: with an error if that failed or was cancelled, so that nobody takes
--- what is missing for the end.
---@param s tusk.Scope
---@param capacity integer|nil
function channel.owned(s, capacity)
  local ch = channel.new(capacity)
  s:defer(function()
    if kernel.scope_reason(s) == 0 then return ch:close() end
    ch:close(errors.new("closed", "the scope that owned the channel failed or was cancelled"))
  end)
  return ch
end

return channel

-- messages.lua: subscriptions: a connection of their own, and the stream of what it brings.
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local operators = require "tusk.operators"
local raw = require "tusk.binding.redis"

local settle = core.settle
local messages = {}

-- kind → what it means
local MESSAGES = {
  message = function(m) return { channel = m[2], message = m[3] } end,
  smessage = function(m) return { channel = m[2], message = m[3] } end,
  pmessage = function(m) return { pattern = m[2], channel = m[3], message = m[4] } end,
}

-- The names, given one by one or as a list.
local function names_of(what, first, ...)
  local list = type(first) == "table" and getmetatable(first) == nil and first or { first, ... }
  if #list == 0 then check.fail(what .. ": a name expected, or several", { argument = what }) end
  for i, name in ipairs(list) do check.string(what .. " " .. i, name) end
  return list
end

-- Waits until the server has confirmed all; what it sends meanwhile is kept.
local function confirm(handle, command, list)
  raw.say(handle, command, unpack(list))
  local kind, left, early = command:lower(), #list, {}
  while left > 0 do
    local m = settle(raw.listen(handle))
    if m[1] == kind then left = left - 1 else early[#early + 1] = m end
  end
  return early
end

-- What gives the next message; the handle's end is its end.
local function reader(handle, early)
  local at = 0
  local function take()
    at = at + 1
    if early[at] then return early[at] end
    return settle(raw.listen(handle))
  end
  return function()
    while true do
      local m = take()
      local shape = MESSAGES[m[1]]
      if shape then return shape(m) end
    end
  end
end

--- A stream of messages, subscribed when this returns; its end, and that of the scope around, unsubscribe.
---@param open fun(): userdata a subscriber's connection
---@param command string "SUBSCRIBE", "PSUBSCRIBE" or "SSUBSCRIBE"
---@return tusk.Stream
function messages.subscribe(open, command, ...)
  local list = names_of(command == "PSUBSCRIBE" and "pattern" or "channel", ...)
  core.checkpoint()
  local handle = open()
  raw.own(handle)
  local ok, early = xpcall(confirm, errors.note, handle, command, list)
  if not ok then
    raw.close(handle)
    errors.rethrow(early)
  end
  local next = reader(handle, early)
  local source = { close = function() raw.close(handle) end }
  return operators.get("stream")(setmetatable(source, { __call = function() return next() end, __collects = true }))
end

return messages

-- keys: what rows are found by, and what the cache calls them.
local check = require("tusk").check

local keys = {}

--- The name in the cache. Numbers have all their digits: of tostring's 14 two keys may have the same.
---@param id number|string|ffi.cdata*
---@return string
function keys.of(id)
  if type(id) == "number" then return ("%.17g"):format(id) end
  return tostring(id)
end

--- Raises unless it can be a key.
---@param what string the call, for the message
function keys.check(id, what)
  local kind = type(id)
  if kind == "number" or kind == "string" or kind == "cdata" then return end
  check.dotted(id, what)
  check.fail(("%s: a key expected, a number or a string, got %s"):format(what, id == nil and "nil" or "a " .. kind))
end

return keys

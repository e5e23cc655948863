-- @try(fn, …): all values of fn(…), or nil, err. Never catches cancellation.
local check = require "tusk.check"
local errors = require "tusk.errors"

local function settle(ok, ...)
  if ok then return ... end
  local err = errors.wrap((...))
  if errors.is(err, "cancelled") then error(err, 0) end
  return nil, err
end

---@param fn function
return function(fn, ...)
  return settle(xpcall(check.callable("fn", fn), errors.note, ...))
end

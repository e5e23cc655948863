-- @timeout(duration, fn, …): all values of fn(…), or `timeout` once the duration has passed.
local check = require "tusk.check"
local scope = require "tusk.scope"

---@param duration number|string
---@param fn function
return function(duration, fn, ...)
  return scope.timeout(duration, check.callable("fn", fn), ...)
end

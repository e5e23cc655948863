-- @shield([opts,] fn): runs fn with cancellation held off.
local check = require "tusk.check"
local scope = require "tusk.scope"

local function body(_, fn, ...)
  return fn(...)
end

---@param opts table|function { timeout } or the function itself
return function(opts, fn, ...)
  if type(opts) == "function" then return scope.shield(opts, fn, ...) end
  check.options(opts, { "timeout" })
  return scope.run({ shield = true, timeout = opts.timeout }, body, check.callable("fn", fn), ...)
end

-- @scope([opts,] fn): an owner of tasks; returns when all its children have ended.
local check = require "tusk.check"
local scope = require "tusk.scope"

---@param opts table|function { name, timeout, grace, on_error } or the body itself
---@param fn function|nil body(s)
return function(opts, fn, ...)
  if type(opts) == "function" then return scope.run(nil, opts, fn, ...) end
  check.table("opts", opts)
  return scope.run(opts, check.callable("fn", fn), ...)
end

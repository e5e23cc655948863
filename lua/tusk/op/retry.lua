-- @retry([opts,] fn, …): all values of fn(…), tried again when it fails for a passing reason.
local check = require "tusk.check"
local retry = require "tusk.retry"

---@param opts tusk.RetryOptions|function options, or the function itself
---@param fn function|nil
return function(opts, fn, ...)
  if check.is_callable(opts) then return retry.run(retry.policy(nil), opts, fn, ...) end
  if check.table("opts", opts).budget ~= nil then
    check.fail("budget: is for many calls; write @policy{ retry = { budget = … } }, and keep it", { argument = "budget" })
  end
  return retry.run(retry.policy(opts), check.callable("fn", fn), ...)
end

-- @service(name, [options,] fn, …): a task that is run again when it ends.
local check = require "tusk.check"
local service = require "tusk.service"
local task = require "tusk.task"

local function start(name, opts, fn, ...)
  local policy = service.policy(opts)
  return task.spawn({ name = name }, service.run, policy, check.callable("fn", fn), ...)
end

--- Starts fn(…) as a child of the current scope and keeps it running. It ends when the scope is cancelled, when fn
--- returns (unless restart is "always"), or, with the last failure, after `max` failures within `within`.
---@param name string
---@param opts tusk.ServiceOptions|function the options, or the function itself
---@param fn function|nil
---@return tusk.Task
return function(name, opts, fn, ...)
  check.string("name", name)
  if check.is_callable(opts) then return start(name, {}, opts, fn, ...) end
  return start(name, check.table("options", opts), fn, ...)
end

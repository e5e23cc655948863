-- named.lua: what may stand where a task's function is expected: options before it, or anything callable.
local check = require "tusk.check"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local sites = require "tusk.sites"

local OPTIONS = { "name" }

local function start_named(start, opts, fn, ...)
  check.options(opts, OPTIONS)
  check.opt_string("name", opts.name)
  check.callable("fn", fn)
  local site = sites.here()
  return start(function(...)
    local me = kernel.current()
    errors.names[me], errors.spawn_sites[me] = opts.name, site
    return fn(...)
  end, ...)
end

--- start(fn, …) for `{ name = }, fn, …`, or for a table that can be called.
---@param start fun(fn: function, ...: any): tusk.Task
---@param first any what stands where a function was expected
---@return tusk.Task
return function(start, first, ...)
  if type(first) ~= "table" or check.is_callable(first) then
    check.callable("fn", first)
    return start(function(...) return first(...) end, ...)
  end
  return start_named(start, first, ...)
end

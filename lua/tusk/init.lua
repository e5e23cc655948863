-- tusk: every operator `@x` is also `tusk.x`, for pure-Lua modules.
local operators = require "tusk.operators"
local loader = require "tusk.loader"
local kernel = require "tusk.kernel"

local tusk = {
  version = "0.1.0",
  null = require "tusk.null",
  array = require "tusk.array",
  errors = require "tusk.errors",
}

--- The plain Lua of a source, line for line; or nil, message.
function tusk.expand(source, chunkname)
  return loader.expand(source, chunkname or "=source")
end

--- From here on `@select` picks among what is ready in the same way again, for tests.
---@param seed integer
function tusk.select_seed(seed)
  require("tusk.select").seed(seed)
end

--- All tasks that live: { { id, name, state, seconds parked }, … }.
function tusk.ps()
  local list = {}
  for i, t in ipairs(kernel.tasks()) do
    list[i] = { id = t.id, name = t.name, state = t.state, parked_for = kernel.parked_for(t) }
  end
  return list
end

return setmetatable(tusk, { __index = function(_, name) return operators.get(name) end })

-- tusk: every operator `@x` is also `tusk.x`, for pure-Lua modules.
local operators = require "tusk.operators"
local loader = require "tusk.loader"

local tusk = {
  version = "0.1.0",
  null = require "tusk.null",
  array = require "tusk.array",
  errors = require "tusk.errors",
  check = require "tusk.check",
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

--- All tasks that live: { { id, name, parent, state, op, method, site, since, deadline }, … }; see inspect.lua.
---@return tusk.Inspected[]
function tusk.ps()
  return require("tusk.inspect").tasks()
end

-- tusk.text is there when it is first asked for.
return setmetatable(tusk, { __index = function(_, name)
  if name ~= "text" then return operators.get(name) end
  tusk.text = require "tusk.text"
  return tusk.text
end })

-- library.lua: a plugin in C: what its library defines, as the manifest of a plugin.
local embed = require "tusk.embed"
local kernel = require "tusk.kernel"

local library = {}

--- Opens a library. Raises kind `plugin` for one that is no plugin, or one for another ABI.
---@param file string
---@return tusk.Plugin
function library.open(file)
  local operators, name, version, description, handle = embed.gather(function()
    return kernel.library_open(file)
  end)
  return {
    name = name, version = version, description = description, operators = operators,
    teardown = function() kernel.library_close(handle) end,
  }
end

return library

-- streamed.lua: gives objects that are iterators the stages and sinks of streams as methods.
local operators = require "tusk.operators"

local streamed = {
  methods = nil, -- name → method of streams: set by their room when it is loaded
}

local function methods()
  if not streamed.methods then operators.get("stream") end
  return streamed.methods
end

--- What a class's objects have besides its own: lines:map(fn) is @stream(lines):map(fn).
---@param class table
function streamed.extend(class)
  return setmetatable(class, { __index = function(_, key)
    local method = methods()[key]
    if not method then return nil end
    return function(self, ...)
      return method(operators.get("stream")(self), ...)
    end
  end })
end

return streamed

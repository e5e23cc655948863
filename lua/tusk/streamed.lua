-- streamed.lua: gives objects that are iterators the stages and sinks of streams as methods.
local check = require "tusk.check"
local operators = require "tusk.operators"

local streamed = {
  methods = nil, -- name → method of streams: set by their room when it is loaded
}

local function methods()
  if not streamed.methods then operators.get("stream") end
  return streamed.methods
end

-- Raises: neither the class nor streams have that.
local function no_method(class, what, key)
  local all = {}
  for name in pairs(methods()) do all[name] = true end
  for name, value in pairs(class) do all[name] = type(value) == "function" or nil end
  check.no_field(what, key, all, {})
end

--- What a class's objects have besides its own: lines:map(fn) is @stream(lines):map(fn).
---@param class table
---@param what string "an iterator over lines", for messages
function streamed.extend(class, what)
  return setmetatable(class, { __index = function(_, key)
    if type(key) ~= "string" or key:sub(1, 2) == "__" then return nil end
    local method = rawget(methods(), key)
    if not method then no_method(class, what, key) end
    return function(self, ...)
      return method(operators.get("stream")(self), ...)
    end
  end })
end

return streamed

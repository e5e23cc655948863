-- dots.lua: namespaces are called with a dot; a colon puts the namespace where the first argument
-- should be.
local check = require "tusk.check"

local dots = {}

--- Is it an operator, or a table of functions that plays one?
function dots.is_namespace(value)
  local mt = getmetatable(value)
  return type(mt) == "table" and rawget(mt, "__namespace") == true
end

--- Raises when the first argument is the namespace itself.
---@param op string "file"
---@param namespace table
---@param value any the first argument
---@param example string "read(path)"
function dots.check(op, namespace, value, example)
  if type(value) ~= "table" or not (value == namespace or dots.is_namespace(value)) then return end
  check.fail(("called with a colon; write @%s.%s with a dot"):format(op, example))
end

return dots

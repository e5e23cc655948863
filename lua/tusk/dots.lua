-- dots.lua: namespaces are called with a dot; a colon puts the namespace where the first argument
-- should be. Methods are called with a colon; a dot puts the first argument where the object should be.
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

-- An argument as it may have been written.
local function written(v)
  local kind = type(v)
  if kind == "string" then return #v <= 40 and not v:find("%c") and ("%q"):format(v) or "…" end
  if kind == "nil" or kind == "number" or kind == "boolean" then return tostring(v) end
  return kind == "table" and "{…}" or "…"
end

--- Raises: a function of a namespace was called with a colon, with these arguments.
---@param called string "@db.users.find"
function dots.wrong(called, ...)
  local list = {}
  for i = 1, math.min(select("#", ...), 4) do list[i] = written((select(i, ...))) end
  check.fail(("called with a colon; write %s(%s) with a dot"):format(called, table.concat(list, ", ")))
end

--- Raises when a method was called with a dot: then self is not what has it.
---@param meta table the metatable of what has the method
---@param self any
---@param what string "channel"
---@param method string
function dots.colon(meta, self, what, method)
  if getmetatable(self) == meta then return end
  check.fail(("called with a dot; write %s:%s() with a colon"):format(what, method))
end

return dots

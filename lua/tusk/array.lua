-- array.lua: marks a table as a JSON array, so that an empty one is written [] and not {}.

local mark = { __name = "array" }

local array = setmetatable({ mark = mark }, {
  --- The list itself, marked. array{} is the empty array.
  ---@param _ table
  ---@param list table|nil
  ---@return table
  __call = function(_, list) return setmetatable(list or {}, mark) end,
})

--- True for a table that array() or a decoder has marked.
---@param value any
---@return boolean
function array.is(value)
  return type(value) == "table" and getmetatable(value) == mark
end

return array

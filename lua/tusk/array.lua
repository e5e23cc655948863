-- array.lua: marks a table as a JSON array, so that an empty one is written [] and not {}.

local mark = { __name = "array" }

local array = setmetatable({ mark = mark }, {
  --- The list itself, marked. array{} is the empty array.
  ---@param _ table
  ---@param list table|nil
  ---@return table
  __call = function(_, list) return setmetatable(list or {}, mark) end,
})

--- The list itself, marked, with `n` to be read but not among its keys: what @map and @all return.
---@param list table
---@param n integer how many there are, nil ones too
---@return table
function array.counted(list, n)
  return setmetatable(list, setmetatable({ __name = "array", __index = { n = n } }, mark))
end

--- True for a table that array(), array.counted or a decoder has marked.
---@param value any
---@return boolean
function array.is(value)
  local mt = type(value) == "table" and getmetatable(value)
  return mt == mark or type(mt) == "table" and getmetatable(mt) == mark
end

return array

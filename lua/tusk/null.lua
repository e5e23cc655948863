-- null.lua: the value that stands for SQL NULL and JSON null where nil cannot.

local null = newproxy(true)
local meta = getmetatable(null)

meta.__name = "null"
meta.__metatable = false
function meta.__tostring() return "null" end

return null

-- raw.lua: @db.raw: a piece of SQL that is put into a builder's statement as it is written.
local check = require "tusk.check"

---@class tusk.db.Raw
---@field text string
---@field values any[] with n: its parameters
local Raw = { __name = "tusk.db.Raw" }
Raw.__index = Raw

local raw = {}

function raw.is(value)
  return type(value) == "table" and getmetatable(value) == Raw
end

local function value_check(i, value)
  if type(value) == "table" then
    check.fail(("parameter %d of the expression: a table is not a value"):format(i))
  end
end

--- raw(text, …): an expression, with a value for each of its `?`. What is in the text is never checked or quoted.
---@param text string "count(*) as n"
function raw.new(text, ...)
  check.string("text", text)
  if not text:find("%S") or text:find(";", 1, true) or text:find("%z") then
    check.fail("text: an expression expected, such as \"count(*)\"", { argument = "text" })
  end
  local values = { n = select("#", ...), ... }
  for i = 1, values.n do value_check(i, values[i]) end
  return setmetatable({ text = text, values = values }, Raw)
end

--- The text, its values put into params.
---@param put fun(params: table, value: any)
function raw.render(expression, params, put)
  for i = 1, expression.values.n do put(params, expression.values[i]) end
  return expression.text
end

--- The name that it gives itself: "count(*) as n" → "n", or nil.
function raw.alias(expression)
  return expression.text:match("%s[aA][sS]%s+\"?([%w_]+)\"?%s*$")
end

function Raw:__tostring()
  return "raw SQL: " .. self.text
end

return raw

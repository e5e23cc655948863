-- where.lua: a builder's conditions.
local check = require "tusk.check"
local raw = require "tusk.db.raw"
local sql = require "tusk.db.sql"
local text = require "tusk.db.text"

local where = {
  inner = nil, -- builder → an empty one for the same table: set by builder.lua
}

local OPERATORS = {
  ["="] = "=", ["=="] = "=", ["!="] = "<>", ["<>"] = "<>", ["<"] = "<", ["<="] = "<=", [">"] = ">", [">="] = ">=",
  like = "LIKE", ["not like"] = "NOT LIKE", glob = "GLOB", is = "IS", ["is not"] = "IS NOT",
}

--- SQL's word for an operator, or an argument error.
function where.operator(verb, word)
  local known = type(word) == "string" and OPERATORS[word:lower()]
  if not known then
    check.fail(("%s: %s is not an operator (= != < <= > >= like, not like, glob, is, is not)"):format(verb, tostring(word)))
  end
  return known
end

--- A column's name, or an expression.
function where.column(name)
  return raw.is(name) and name or check.string("column", name)
end

local function add(list, joiner, entry)
  entry.joiner = joiner
  table.insert(list, entry)
end

local function add_table(list, verb, joiner, conditions)
  local keys = sql.keys(conditions)
  if not keys[1] then
    check.fail(verb .. ": no condition is given (a nil value is none; for NULL use where_null)")
  end
  local group = {}
  for i, key in ipairs(keys) do
    text.value(key, conditions[key])
    group[i] = { joiner = "AND", column = key, operator = "=", value = conditions[key] }
  end
  add(list, joiner, { group = group })
end

-- Conditions in brackets: fn(q) adds to q, which has the methods of this file.
local function add_group(list, verb, joiner, fn, outer)
  local q = where.inner(outer)
  fn(q)
  if not q.wheres[1] then check.fail(verb .. ": the function has added no condition") end
  if q.chosen or q.most or q.skip or q.orders[1] or q.joins[1] or q.groups[1] or q.havings[1] then
    check.fail(verb .. ": the function may add conditions only")
  end
  add(list, joiner, { group = q.wheres })
end

--- Adds what where(…), or_where(…), having(…) were called with.
---@param outer tusk.db.Builder|nil allows a function, which adds to one like it
function where.add(list, verb, joiner, outer, n, column, operator, value)
  if n == 1 and raw.is(column) then return add(list, joiner, { column = column }) end
  if n == 1 and type(column) == "table" then return add_table(list, verb, joiner, column) end
  if n == 1 and outer and check.is_callable(column) then return add_group(list, verb, joiner, column, outer) end
  where.column(column)
  if n < 2 then check.fail(verb .. ": (column, value), (column, operator, value) or a table expected") end
  if n == 2 then operator, value = "=", operator end
  text.value(column, value)
  add(list, joiner, { column = column, operator = where.operator(verb, operator), value = value })
end

-- ---- the builder's methods ----

local methods = {}
where.methods = methods

--- where(column, value), where(column, operator, value), where{ column = value, … }, where(expression), or
--- where(function(q) … end), which is in brackets: AND.
function methods:where(...)
  where.add(self.wheres, "where", "AND", self, select("#", ...), ...)
  return self
end

--- The same, joined by OR.
function methods:or_where(...)
  where.add(self.wheres, "or_where", "OR", self, select("#", ...), ...)
  return self
end

--- Conditions on groups, of the same forms; a name given by select is a column here.
function methods:having(...)
  where.add(self.havings, "having", "AND", nil, select("#", ...), ...)
  return self
end

local function add_list(self, word, column, list)
  add(self.wheres, "AND", { column = where.column(column), word = word, list = check.table("list", list) })
  return self
end

--- The column is one of a list; of an empty one it is never.
function methods:where_in(column, list)
  return add_list(self, "IN", column, list)
end

--- The column is none of a list; of an empty one it always is.
function methods:where_not_in(column, list)
  return add_list(self, "NOT IN", column, list)
end

local function add_word(self, word, column)
  add(self.wheres, "AND", { column = where.column(column), word = word })
  return self
end

--- The column is NULL.
function methods:where_null(column)
  return add_word(self, "IS NULL", column)
end

--- The column is not NULL.
function methods:where_not_null(column)
  return add_word(self, "IS NOT NULL", column)
end

return where

-- builder.lua: @db.table(name): a statement put together by methods, run by the last one.
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local raw = require "tusk.binding.sqlite"
local rows_of = require "tusk.db.rows"
local sql = require "tusk.db.sql"
local text = require "tusk.db.text"
local verbs = require "tusk.db.verbs"

local settle = core.settle

---@class tusk.db.Builder
local Builder = { __name = "tusk.db.Builder" }
local builder = {}

local function names_of(methods)
  local names = {}
  for name in pairs(methods) do
    if name:sub(1, 2) ~= "__" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

function Builder.__index(_, key)
  local method = rawget(Builder, key)
  if method then return method end
  local names = names_of(Builder)
  local hint, near = check.hint(tostring(key), names)
  errors.raise("operator", ("the query builder has no method %q%s"):format(tostring(key), hint),
    { suggestion = near, help = { "methods: " .. table.concat(names, ", ") } })
end

--- A builder for one table of a database or transaction.
function builder.new(via, name)
  return setmetatable({ via = via, name = name, wheres = {}, orders = {}, chosen = false, most = false, skip = false },
    Builder)
end

local function self_given(self, method)
  if getmetatable(self) ~= Builder then
    check.fail(("%s: the builder's methods are called with a colon (:%s)"):format(method, method))
  end
  return self
end

-- ---- conditions ----

local OPERATORS = {
  ["="] = "=", ["=="] = "=", ["!="] = "<>", ["<>"] = "<>", ["<"] = "<", ["<="] = "<=", [">"] = ">", [">="] = ">=",
  like = "LIKE", ["not like"] = "NOT LIKE", glob = "GLOB", is = "IS", ["is not"] = "IS NOT",
}

local function operator_of(word)
  local known = type(word) == "string" and OPERATORS[word:lower()]
  if not known then
    check.fail(("where: %s is not an operator (= != < <= > >= like, not like, glob, is, is not)"):format(tostring(word)))
  end
  return known
end

local function add(self, joiner, entry)
  entry.joiner = joiner
  table.insert(self.wheres, entry)
  return self
end

local function add_table(self, joiner, conditions)
  local keys = sql.keys(conditions)
  if not keys[1] then check.fail("where: no condition is given (a nil value is none; for NULL use where_null)") end
  local group = {}
  for i, key in ipairs(keys) do
    text.value(key, conditions[key])
    group[i] = { joiner = "AND", column = key, operator = "=", value = conditions[key] }
  end
  return add(self, joiner, { group = group })
end

local function add_where(self, joiner, n, column, operator, value)
  if type(column) == "table" and n == 1 then return add_table(self, joiner, column) end
  check.string("column", column)
  if n < 2 then check.fail("where: (column, value), (column, operator, value) or a table expected") end
  if n == 2 then operator, value = "=", operator end
  text.value(column, value)
  return add(self, joiner, { column = column, operator = operator_of(operator), value = value })
end

--- where(column, value), where(column, operator, value) or where{ column = value, … }: AND.
function Builder:where(...)
  return add_where(self_given(self, "where"), "AND", select("#", ...), ...)
end

--- The same, joined by OR.
function Builder:or_where(...)
  return add_where(self_given(self, "or_where"), "OR", select("#", ...), ...)
end

local function add_list(self, word, column, list)
  check.string("column", column)
  check.table("list", list)
  return add(self, "AND", { column = column, word = word, list = list })
end

--- The column is one of a list; of an empty one it is never.
function Builder:where_in(column, list)
  return add_list(self_given(self, "where_in"), "IN", column, list)
end

--- The column is none of a list; of an empty one it always is.
function Builder:where_not_in(column, list)
  return add_list(self_given(self, "where_not_in"), "NOT IN", column, list)
end

--- The column is NULL.
function Builder:where_null(column)
  return add(self_given(self, "where_null"), "AND", { column = check.string("column", column), word = "IS NULL" })
end

--- The column is not NULL.
function Builder:where_not_null(column)
  return add(self_given(self, "where_not_null"), "AND", { column = check.string("column", column), word = "IS NOT NULL" })
end

-- ---- shape ----

--- The columns of the rows; all of them if this is not called.
function Builder:select(...)
  self_given(self, "select")
  local columns = type((...)) == "table" and (...) or { ... }
  for _, name in ipairs(columns) do check.string("column", name) end
  self.chosen = columns[1] and columns or check.fail("select: no column is given")
  return self
end

--- direction: "asc" (default) or "desc".
function Builder:order_by(column, direction)
  self_given(self, "order_by")
  direction = direction == nil and "asc" or direction
  if direction ~= "asc" and direction ~= "desc" then
    check.fail('order_by: the direction is "asc" or "desc"', { argument = "direction" })
  end
  table.insert(self.orders, { column = check.string("column", column), direction = direction:upper() })
  return self
end

local function amount(name, n)
  check.integer(name, n)
  if n < 0 then check.fail(("%s: %d is negative"):format(name, n), { argument = name }) end
  return n
end

--- At most n rows.
function Builder:limit(n)
  self_given(self, "limit").most = amount("limit", n)
  return self
end

--- Without the first n rows.
function Builder:offset(n)
  self_given(self, "offset").skip = amount("offset", n)
  return self
end

-- ---- ends ----

local function compose(self, fn, ...)
  return verbs.compose(self.via, self.name, fn, ...)
end

-- ---- ends that read ----

--- The statement and the list of its parameters.
function Builder:to_sql()
  local statement, params = compose(self_given(self, "to_sql"), text.select, self)
  params.n = nil
  return statement, params
end

--- All rows.
function Builder:get()
  local statement, params = compose(self_given(self, "get"), text.select, self)
  return rows_of(settle(raw.query(self.via:handle(), statement, unpack(params, 1, params.n))))
end

--- The first row, or nil.
function Builder:first()
  local statement, params = compose(self_given(self, "first"), text.first, self)
  return settle(raw.one(self.via:handle(), statement, unpack(params, 1, params.n)))
end

--- How many rows.
function Builder:count()
  local statement, params = compose(self_given(self, "count"), text.count, self)
  return settle(raw.value(self.via:handle(), statement, unpack(params, 1, params.n)))
end

-- ---- ends that write ----

local function plain(self, method)
  if self_given(self, method).wheres[1] or self.chosen or self.most or self.skip or self.orders[1] then
    check.fail(method .. ": takes no conditions, order or limit")
  end
  return self.via, self.name
end

local function restricted(self, method)
  if not self_given(self, method).wheres[1] then
    check.fail(method .. ": without a where it would reach every row; say which")
  end
  if self.chosen or self.most or self.skip or self.orders[1] then
    check.fail(method .. ": takes conditions only, no columns, order or limit")
  end
end

--- The row with its key.
function Builder:insert(row)
  return verbs.makers.insert(plain(self, "insert"))(row)
end

--- All rows or none; how many.
function Builder:insert_many(rows)
  return verbs.makers.insert_many(plain(self, "insert_many"))(rows)
end

--- The key of the new row.
function Builder:insert_get_id(row)
  plain(self, "insert_get_id")
  check.table("row", row)
  local statement, params = compose(self, verbs.values_text, row)
  return settle(raw.exec(self.via:handle(), statement, unpack(params, 1, params.n))).last_id
end

local function changes_of(self, fn, ...)
  local statement, params = compose(self, fn, self, ...)
  return settle(raw.exec(self.via:handle(), statement, unpack(params, 1, params.n))).changes
end

--- How many rows were changed.
function Builder:update(changes)
  restricted(self, "update")
  if next(check.table("changes", changes)) == nil then check.fail("update: nothing to change is given") end
  return changes_of(self, text.update, changes)
end

--- Adds n (1) to a column; how many rows were changed.
function Builder:increment(column, n)
  restricted(self, "increment")
  check.string("column", column)
  return changes_of(self, text.increment, column, check.number("n", n == nil and 1 or n))
end

--- How many rows were deleted.
function Builder:delete()
  restricted(self, "delete")
  return changes_of(self, text.delete)
end

return builder

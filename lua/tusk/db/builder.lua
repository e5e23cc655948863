-- builder.lua: @db.table(name): a statement put together by methods, run by the last one.
local check = require "tusk.check"
local errors = require "tusk.errors"
local ends = require "tusk.db.ends"
local raw = require "tusk.db.raw"
local sources = require "tusk.db.sources"
local where = require "tusk.db.where"

---@class tusk.db.Builder
---@field via table the database or transaction
---@field sources { table: string, alias: string|nil }[] the table, then those joined
local Builder = { __name = "tusk.db.Builder" }
local builder = {}
local methods = {}

--- A builder for one table of a database or transaction.
---@param name string "users" or "users as u"
function builder.new(via, name)
  return setmetatable({
    via = via, sources = { sources.parse(name) }, joins = {}, wheres = {}, groups = {}, havings = {}, orders = {},
    chosen = false, most = false, skip = false,
  }, Builder)
end

function where.inner(outer)
  return builder.new(outer.via, outer.sources[1].table)
end

-- ---- shape ----

--- The columns of the rows, "column", "table.column", "column as name", "table.*" or @db.raw("count(*) as n"); all of
--- them if this is not called.
function methods:select(...)
  local columns = type((...)) == "table" and not raw.is((...)) and (...) or { ... }
  for _, name in ipairs(columns) do where.column(name) end
  self.chosen = columns[1] and columns or check.fail("select: no column is given")
  return self
end

local function join(self, word, verb, name, n, left, operator, right)
  if n == 2 then operator, right = "=", operator end
  if n < 2 then check.fail(verb .. ': (table, column, column) expected: "orders", "orders.user_id", "users.id"') end
  check.string("left", left)
  check.string("right", right)
  table.insert(self.sources, sources.parse(name))
  table.insert(self.joins, { word = word, left = left, operator = where.operator(verb, operator), right = right })
  return self
end

--- join(table, column, column) or join(table, column, operator, column): rows of both for which that holds.
---@param name string "orders" or "orders as o"
function methods:join(name, ...)
  return join(self, "JOIN", "join", name, select("#", ...), ...)
end

--- The same, with the rows that have no counterpart too.
function methods:left_join(name, ...)
  return join(self, "LEFT JOIN", "left_join", name, select("#", ...), ...)
end

--- One row for all that agree in these columns.
function methods:group_by(...)
  if select("#", ...) == 0 then check.fail("group_by: no column is given") end
  for i = 1, select("#", ...) do table.insert(self.groups, where.column((select(i, ...)))) end
  return self
end

--- direction: "asc" (default) or "desc".
function methods:order_by(column, direction)
  direction = direction == nil and "asc" or direction
  if direction ~= "asc" and direction ~= "desc" then
    check.fail('order_by: the direction is "asc" or "desc"', { argument = "direction" })
  end
  table.insert(self.orders, { column = where.column(column), direction = direction:upper() })
  return self
end

local function amount(name, n)
  check.integer(name, n)
  if n < 0 then check.fail(("%s: %d is negative"):format(name, n), { argument = name }) end
  return n
end

--- At most n rows.
function methods:limit(n)
  self.most = amount("limit", n)
  return self
end

--- Without the first n rows.
function methods:offset(n)
  self.skip = amount("offset", n)
  return self
end

-- ---- the class ----

local function add(list)
  for name, method in pairs(list) do
    Builder[name] = function(self, ...)
      if getmetatable(self) ~= Builder then
        check.fail(("%s: the builder's methods are called with a colon (:%s)"):format(name, name))
      end
      return method(self, ...)
    end
  end
end

add(methods)
add(where.methods)
add(ends)

local NAMES = {}
for name in pairs(Builder) do
  if name:sub(1, 2) ~= "__" then NAMES[#NAMES + 1] = name end
end
table.sort(NAMES)

function Builder.__index(_, key)
  local method = rawget(Builder, key)
  if method then return method end
  local hint, near = check.hint(tostring(key), NAMES)
  errors.raise("operator", ("the query builder has no method %q%s"):format(tostring(key), hint),
    { suggestion = near, help = { "methods: " .. table.concat(NAMES, ", ") } })
end

return builder

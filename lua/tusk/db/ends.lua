-- ends.lua: the methods of a builder that run its statement.
local check = require "tusk.check"
local core = require "tusk.core"
local raw = require "tusk.binding.sqlite"
local raw_sql = require "tusk.db.raw"
local rows_of = require "tusk.db.rows"
local sources = require "tusk.db.sources"
local stream = require "tusk.db.stream"
local text = require "tusk.db.text"
local verbs = require "tusk.db.verbs"

local settle = core.settle
local ends = {}

-- fn(sources, params, self, …) → a statement; with its parameters
local function compose(self, fn, ...)
  local params
  local function make(src, ...)
    params = { n = 0 }
    return fn(src, params, self, ...)
  end
  return sources.with(self.via, self.sources, make, ...), params
end

local function run(self, verb, fn, ...)
  local statement, params = compose(self, fn, ...)
  return settle(raw[verb](self.via:handle(), statement, unpack(params, 1, params.n)))
end

-- ---- reading ----

--- The statement and the list of its parameters.
function ends:to_sql()
  local statement, params = compose(self, text.select)
  params.n = nil
  return statement, params
end

--- All rows.
function ends:get()
  return rows_of(run(self, "query", text.select))
end

--- The first row, or nil.
function ends:first()
  return (run(self, "one", text.first))
end

--- The rows one by one, never all of them in memory.
---@return tusk.db.Rows a stream
function ends:each()
  local statement, params = compose(self, text.select)
  return stream.new(self.via, statement, unpack(params, 1, params.n))
end

--- fn(rows) for n rows at a time, the last perhaps fewer, until it returns false. How many rows it was given.
---@param n integer
---@param fn fun(rows: table[]): boolean|nil
function ends:chunk(n, fn)
  check.integer("n", n)
  if n < 1 then check.fail("chunk: at least one row at a time", { argument = "n" }) end
  check.callable("fn", fn)
  local rows, list, total = self:each(), {}, 0
  local ok, e = pcall(function()
    for row in rows do
      list[#list + 1] = row
      if #list == n then
        total = total + n
        if fn(list) == false then return end
        list = {}
      end
    end
    if not list[1] then return end
    total = total + #list
    fn(list)
  end)
  rows:close()
  if not ok then error(e, 0) end
  return total
end

--- How many rows.
function ends:count()
  return (run(self, "value", text.count))
end

--- Is there any row?
function ends:exists()
  return run(self, "value", text.exists) ~= nil
end

for _, name in ipairs { "sum", "avg", "min", "max" } do
  --- Of a column or an expression over all rows; of none it is nil, the sum 0.
  ends[name] = function(self, column)
    if self.groups[1] or self.most or self.skip then
      check.fail(name .. ": is of all rows; for groups select @db.raw(\"" .. name .. "(…) as x\")")
    end
    if not raw_sql.is(column) then check.string("column", column) end
    return (run(self, "value", text.aggregate, name, column))
  end
end

-- ---- writing ----

local function shaped(self)
  return self.chosen or self.most or self.skip or self.orders[1] or self.joins[1] or self.groups[1] or self.havings[1]
end

local function plain(self, method)
  if self.wheres[1] or shaped(self) or self.sources[1].alias then
    check.fail(method .. ": takes no conditions, joins, order or limit")
  end
  return self.via, self.sources[1].table
end

local function restricted(self, method)
  if not self.wheres[1] then check.fail(method .. ": without a where it would reach every row; say which") end
  if shaped(self) then check.fail(method .. ": takes conditions only, no columns, joins, order or limit") end
end

--- The row with its key.
function ends:insert(row)
  return verbs.makers.insert(plain(self, "insert"))(row)
end

--- All rows or none; how many.
function ends:insert_many(rows)
  return verbs.makers.insert_many(plain(self, "insert_many"))(rows)
end

--- The key of the new row.
function ends:insert_get_id(row)
  local via, name = plain(self, "insert_get_id")
  local statement, params = verbs.compose(via, name, verbs.values_text, check.table("row", row))
  return settle(raw.exec(via:handle(), statement, unpack(params, 1, params.n))).last_id
end

--- How many rows were changed.
function ends:update(changes)
  restricted(self, "update")
  if next(check.table("changes", changes)) == nil then check.fail("update: nothing to change is given") end
  return run(self, "exec", text.update, changes).changes
end

--- Adds n (1) to a column; how many rows were changed.
function ends:increment(column, n)
  restricted(self, "increment")
  check.string("column", column)
  return run(self, "exec", text.increment, column, check.number("n", n == nil and 1 or n)).changes
end

--- How many rows were deleted.
function ends:delete()
  restricted(self, "delete")
  return run(self, "exec", text.delete).changes
end

return ends

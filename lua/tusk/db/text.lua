-- text.lua: what a query builder stands for, as SQL. Each takes the sources, a list for the parameters (with n) and
-- the builder; pieces are made in the order they are written in, since so are their parameters.
local check = require "tusk.check"
local null = require "tusk.null"
local raw = require "tusk.db.raw"
local sql = require "tusk.db.sql"

local text = {}

--- A condition's value must be one.
function text.value(column, value)
  if value == nil then
    check.fail(('where: the value for "%s" is nil; for NULL use where_null'):format(tostring(column)))
  end
  if type(value) == "table" and not raw.is(value) then
    check.fail(('where: a table is not a value for "%s"; for one of several use where_in'):format(tostring(column)))
  end
end

local PARAMETERS = 7000 -- of one call

local function put(params, value)
  if params.n >= PARAMETERS then
    check.fail(("more than %d values in one statement; take them in portions"):format(PARAMETERS))
  end
  params.n = params.n + 1
  params[params.n] = value
  return "?"
end

local function value_text(params, value)
  if raw.is(value) then return "(" .. raw.render(value, params, put) .. ")" end
  return put(params, value)
end

-- ---- conditions ----

local render

local function render_list(entry, column, params)
  if not entry.list[1] then return entry.word == "IN" and "0" or "1" end
  local marks = {}
  for i, value in ipairs(entry.list) do
    text.value(entry.column, value)
    marks[i] = value_text(params, value)
  end
  return ("%s %s (%s)"):format(column, entry.word, table.concat(marks, ", "))
end

local function subject(src, entry, params, find)
  if raw.is(entry.column) then return raw.render(entry.column, params, put) end
  return find(src, entry.column)
end

local function render_one(src, entry, params, find)
  if entry.group then return "(" .. render(src, entry.group, params, find) .. ")" end
  local column = subject(src, entry, params, find)
  if entry.list then return render_list(entry, column, params) end
  if entry.word then return column .. " " .. entry.word end
  if not entry.operator then return "(" .. column .. ")" end
  if entry.value == null and (entry.operator == "=" or entry.operator == "<>") then
    return column .. (entry.operator == "=" and " IS NULL" or " IS NOT NULL")
  end
  return column .. " " .. entry.operator .. " " .. value_text(params, entry.value)
end

function render(src, entries, params, find)
  local parts = {}
  for i, entry in ipairs(entries) do
    parts[i] = (i > 1 and " " .. entry.joiner .. " " or "") .. render_one(src, entry, params, find)
  end
  return table.concat(parts)
end

local function conditions(word, src, entries, params, find)
  return entries[1] and " " .. word .. " " .. render(src, entries, params, find) or ""
end

local function where_text(src, self, params)
  return conditions("WHERE", src, self.wheres, params, src.column)
end

-- ---- the parts of a SELECT ----

local function table_text(source)
  return sql.quote(source.info.name) .. (source.alias and " AS " .. source.quoted or "")
end

local function from_text(src, self)
  local parts = { " FROM " .. table_text(src[1]) }
  for i, join in ipairs(self.joins) do
    parts[i + 1] = (" %s %s ON %s %s %s"):format(join.word, table_text(src[i + 1]), src:column(join.left),
      join.operator, src:column(join.right))
  end
  return table.concat(parts)
end

local function columns_text(src, self, params)
  if not self.chosen then return "*" end
  local parts = {}
  for i, what in ipairs(self.chosen) do parts[i] = src:selected(what, params, put) end
  return table.concat(parts, ", ")
end

local function group_text(src, self, params)
  local parts = {}
  for i, column in ipairs(self.groups) do parts[i] = subject(src, { column = column }, params, src.named) end
  return (parts[1] and " GROUP BY " .. table.concat(parts, ", ") or "")
    .. conditions("HAVING", src, self.havings, params, src.named)
end

local function order_text(src, self, params)
  local parts = {}
  for i, order in ipairs(self.orders) do parts[i] = subject(src, order, params, src.named) .. " " .. order.direction end
  return parts[1] and " ORDER BY " .. table.concat(parts, ", ") or ""
end

local function page_text(self, params)
  if not self.most and not self.skip then return "" end
  local limit = " LIMIT " .. (self.most and put(params, self.most) or "-1")
  return self.skip and limit .. " OFFSET " .. put(params, self.skip) or limit
end

local function body(src, params, self)
  local from = from_text(src, self)
  local where = where_text(src, self, params)
  return from .. where .. group_text(src, self, params)
end

local function all_but_page(src, params, self)
  local columns = columns_text(src, self, params)
  local rest = body(src, params, self)
  return "SELECT " .. columns .. rest .. order_text(src, self, params)
end

function text.select(src, params, self)
  local statement = all_but_page(src, params, self)
  return statement .. page_text(self, params)
end

function text.first(src, params, self)
  local statement = all_but_page(src, params, self) .. " LIMIT 1"
  return self.skip and statement .. " OFFSET " .. put(params, self.skip) or statement
end

local function is_plain(self)
  return not (self.most or self.skip or self.groups[1] or self.havings[1])
end

function text.count(src, params, self)
  if is_plain(self) then return "SELECT count(*)" .. body(src, params, self) end
  local columns = self.havings[1] and columns_text(src, self, params) or "1"
  local rest = body(src, params, self)
  return "SELECT count(*) FROM (SELECT " .. columns .. rest .. page_text(self, params) .. ")"
end

function text.exists(src, params, self)
  local columns = self.havings[1] and columns_text(src, self, params) or "1"
  local rest = body(src, params, self)
  return "SELECT " .. columns .. rest .. " LIMIT 1" .. (self.skip and " OFFSET " .. put(params, self.skip) or "")
end

--- sum, avg, min or max of a column or an expression.
function text.aggregate(src, params, self, fn, column)
  local what = subject(src, { column = column }, params, src.column)
  local call = ("%s(%s)"):format(fn, what)
  return "SELECT " .. (fn == "sum" and ("coalesce(%s, 0)"):format(call) or call) .. body(src, params, self)
end

-- ---- what changes rows ----

function text.update(src, params, self, changes)
  local assignments = sql.assignments(src[1].info, changes, params)
  return ("UPDATE %s SET %s"):format(table_text(src[1]), assignments) .. where_text(src, self, params)
end

function text.increment(src, params, self, name, n)
  local column = src:column(name)
  return ("UPDATE %s SET %s = %s + %s"):format(table_text(src[1]), column, column, put(params, n))
    .. where_text(src, self, params)
end

function text.delete(src, params, self)
  return "DELETE FROM " .. table_text(src[1]) .. where_text(src, self, params)
end

return text

-- text.lua: what a query builder stands for, as SQL.
local check = require "tusk.check"
local null = require "tusk.null"
local sql = require "tusk.db.sql"

local text = {}

--- A condition's value must be one.
function text.value(column, value)
  if value == nil then
    check.fail(('where: the value for "%s" is nil; for NULL use where_null'):format(tostring(column)))
  end
  if type(value) == "table" then
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

local render

local function render_list(entry, column, params)
  if not entry.list[1] then return entry.word == "IN" and "0" or "1" end
  local marks = {}
  for i, value in ipairs(entry.list) do
    text.value(entry.column, value)
    marks[i] = put(params, value)
  end
  return ("%s %s (%s)"):format(column, entry.word, table.concat(marks, ", "))
end

local function render_one(info, entry, params)
  if entry.group then return "(" .. render(info, entry.group, params) .. ")" end
  local column = sql.column(info, entry.column)
  if entry.list then return render_list(entry, column, params) end
  if entry.word then return column .. " " .. entry.word end
  if entry.value == null and (entry.operator == "=" or entry.operator == "<>") then
    return column .. (entry.operator == "=" and " IS NULL" or " IS NOT NULL")
  end
  return ("%s %s %s"):format(column, entry.operator, put(params, entry.value))
end

function render(info, entries, params)
  local parts = {}
  for i, entry in ipairs(entries) do
    parts[i] = (i > 1 and " " .. entry.joiner .. " " or "") .. render_one(info, entry, params)
  end
  return table.concat(parts)
end

local function where_text(info, self, params)
  return self.wheres[1] and " WHERE " .. render(info, self.wheres, params) or ""
end

local function order_text(info, self)
  local parts = {}
  for i, order in ipairs(self.orders) do parts[i] = sql.column(info, order.column) .. " " .. order.direction end
  return parts[1] and " ORDER BY " .. table.concat(parts, ", ") or ""
end

local function page_text(self, params)
  if not self.most and not self.skip then return "" end
  local limit = " LIMIT " .. (self.most and put(params, self.most) or "-1")
  return self.skip and limit .. " OFFSET " .. put(params, self.skip) or limit
end

local function columns_text(info, self)
  if not self.chosen then return "*" end
  local parts = {}
  for i, name in ipairs(self.chosen) do parts[i] = name == "*" and "*" or sql.column(info, name) end
  return table.concat(parts, ", ")
end

--- Each takes the table, a list for the parameters (with n) and the builder; returns SQL.
function text.select(info, params, self)
  return ("SELECT %s FROM %s%s%s%s"):format(columns_text(info, self), info.quoted, where_text(info, self, params),
    order_text(info, self), page_text(self, params))
end

function text.first(info, params, self)
  return ("SELECT %s FROM %s%s%s LIMIT 1%s"):format(columns_text(info, self), info.quoted,
    where_text(info, self, params), order_text(info, self), self.skip and " OFFSET " .. put(params, self.skip) or "")
end

function text.count(info, params, self)
  if not self.most and not self.skip then
    return ("SELECT count(*) FROM %s%s"):format(info.quoted, where_text(info, self, params))
  end
  return ("SELECT count(*) FROM (SELECT 1 FROM %s%s%s)")
    :format(info.quoted, where_text(info, self, params), page_text(self, params))
end

function text.update(info, params, self, changes)
  local columns = sql.row(info, changes, params)
  return ("UPDATE %s SET %s = ?%s"):format(info.quoted, table.concat(columns, " = ?, "), where_text(info, self, params))
end

function text.increment(info, params, self, name, n)
  local column = sql.column(info, name)
  return ("UPDATE %s SET %s = %s + %s%s"):format(info.quoted, column, column, put(params, n),
    where_text(info, self, params))
end

function text.delete(info, params, self)
  return "DELETE FROM " .. info.quoted .. where_text(info, self, params)
end

return text

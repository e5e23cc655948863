-- sql.lua: pieces of SQL from checked names. Values never become text: they are bound.
local check = require "tusk.check"
local null = require "tusk.null"
local failure = require "tusk.db.failure"
local raw = require "tusk.db.raw"

local sql = {}

--- A quoted identifier.
function sql.quote(name)
  if name:find("%z") then check.fail("a name cannot contain a zero byte") end
  return '"' .. name:gsub('"', '""') .. '"'
end

--- The quoted name of a column that the table has; raises db.column otherwise.
---@param info tusk.db.Table
---@param name string "column" or "table.column"
function sql.column(info, name)
  if type(name) ~= "string" then
    check.fail(("a column's name expected, got %s"):format(type(name)))
  end
  local known = info.known[name] or info.known[name:lower()]
  if not known then
    local prefix, rest = name:match("^([^.]+)%.(.+)$")
    known = prefix and prefix:lower() == info.name:lower() and info.known[rest:lower()]
  end
  if not known then failure.no_column(info.name, name, info.columns) end
  return known
end

--- The keys of a row or of conditions, in a fixed order.
function sql.keys(t)
  local keys = {}
  for key in pairs(t) do
    if type(key) ~= "string" then check.fail(("a column's name expected, got %s"):format(tostring(key))) end
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

local function no_list(column, value)
  if type(value) == "table" then
    check.fail(("%s: a table is not a value; for one of several use where_in"):format(column), { argument = column })
  end
end

--- "a" = ? AND "b" IS NULL, its values appended to params (a list with n).
function sql.conditions(info, where, params)
  local parts = {}
  for i, key in ipairs(sql.keys(where)) do
    local column, value = sql.column(info, key), where[key]
    no_list(key, value)
    if value == null then
      parts[i] = column .. " IS NULL"
    else
      parts[i] = column .. " = ?"
      params.n = params.n + 1
      params[params.n] = value
    end
  end
  return table.concat(parts, " AND ")
end

local function put(params, value)
  params.n = params.n + 1
  params[params.n] = value
  return "?"
end

--- The columns and values of a row: "a", "b" and ?, ?
function sql.row(info, row, params)
  local columns, marks = {}, {}
  for i, key in ipairs(sql.keys(row)) do
    local value = row[key]
    columns[i] = sql.column(info, key)
    if raw.is(value) then
      marks[i] = "(" .. raw.render(value, params, put) .. ")"
    elseif type(value) == "table" then
      check.fail(("%s: a table is not a value; keep its text, as @json.encode gives it"):format(key), { argument = key })
    else
      marks[i] = put(params, value)
    end
  end
  return columns, marks
end

--- "a" = ?, "b" = ?
function sql.assignments(info, changes, params)
  local columns, marks = sql.row(info, changes, params)
  for i, column in ipairs(columns) do columns[i] = column .. " = " .. marks[i] end
  return table.concat(columns, ", ")
end

return sql

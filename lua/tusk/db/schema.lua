-- schema.lua: what a database's tables look like, read when first needed.
local check = require "tusk.check"
local core = require "tusk.core"
local raw = require "tusk.binding.sqlite"
local failure = require "tusk.db.failure"
local sql = require "tusk.db.sql"

local settle = core.settle
local schema = {}

---@class tusk.db.Table
---@field name string
---@field quoted string
---@field columns string[]
---@field known table<string, string> column (also in lower case) → quoted
---@field key string|nil its primary key, if that is one column; "rowid" if it has none
---@field statements table<string, string> SQL made for it

local COLUMNS = "SELECT name, pk, hidden FROM pragma_table_xinfo(?)"
local TABLES = [[SELECT name FROM sqlite_schema
  WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name]]

local function tables_of(via)
  local names = {}
  for i, row in ipairs(settle(raw.query(via:handle(), TABLES))) do names[i] = row.name end
  return names
end

local function read(via, name)
  local rows = settle(raw.query(via:handle(), COLUMNS, name))
  if not rows[1] then failure.no_table(name, tables_of(via)) end
  local info = { name = name, quoted = sql.quote(name), columns = {}, known = {}, keys = {}, statements = {} }
  for _, row in ipairs(rows) do
    local quoted = sql.quote(row.name)
    if row.hidden ~= 1 then table.insert(info.columns, row.name) end
    info.known[row.name:lower()] = quoted
    if row.pk > 0 then info.keys[row.pk] = row.name end
  end
  for _, column in ipairs(info.columns) do info.known[column] = sql.quote(column) end
  info.key = not info.keys[2] and (info.keys[1] or "rowid") or nil
  return info
end

--- The table; raises db.table when there is none of that name.
---@return tusk.db.Table
function schema.table(via, name)
  local tables = via.database.tables
  local info = tables[name]
  if not info then
    info = read(via, name)
    tables[name] = info
  end
  return info
end

--- The name of its one key column, quoted.
function schema.key(info)
  if not info.key then
    check.fail(("table %q has a key of several columns (%s): use find_by or the builder")
      :format(info.name, table.concat(info.keys, ", ")))
  end
  return sql.quote(info.key)
end

--- Does fn(info); if a column is unknown, once more with the schema read anew: it may have changed.
function schema.with(via, name, fn, ...)
  local known = via.database.tables[name]
  if not known then return fn(schema.table(via, name), ...) end
  local ok, a, b = pcall(fn, known, ...)
  if ok then return a, b end
  if not failure.is_column(a) then error(a, 0) end
  via.database.tables[name] = nil
  return fn(schema.table(via, name), ...)
end

return schema

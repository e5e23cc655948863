-- failure.lua: what SQLite, or the binding, says went wrong, as errors with kinds.
local check = require "tusk.check"
local errors = require "tusk.errors"

local failure = {}

--- Raises db.table: there is no such table.
---@param name string
---@param tables string[] those that there are
function failure.no_table(name, tables, fields)
  local err = fields or {}
  err.table, err.tables = name, tables
  err.suggestion = check.nearest(name, tables)
  err.help = { tables[1] and "tables: " .. table.concat(tables, ", ") or "the database has no tables" }
  errors.raise("db.table", ('there is no table "%s"'):format(name), err)
end

--- Raises db.column: the table (nil: none that the statement names) has no such column.
function failure.no_column(in_table, name, columns, fields)
  local err = fields or {}
  err.table, err.column, err.columns = in_table, name, columns
  err.suggestion = err.suggestion or check.nearest(name, columns)
  err.help = columns[1] and { "columns: " .. table.concat(columns, ", ") } or nil
  local what = in_table and ('table "%s" has no column "%s"') or '%sthere is no column "%s"'
  errors.raise("db.column", what:format(in_table or "", name), err)
end

--- Is it that a column is unknown?
function failure.is_column(err)
  return errors.is(err, "db.column")
end

local databases = setmetatable({}, { __mode = "k" })

--- What is known of the database's tables is forgotten when SQLite does not know a name: another connection may have
--- changed the schema.
---@param database table with `tables`
function failure.watch(database)
  databases[database] = true
end

local function forget_schemas()
  for database in pairs(databases) do database.tables = {} end
end

-- "table US column RS …" → { { table =, columns = {…} }, … } in the schema's order
local function parse_names(text)
  local list, by_name = {}, {}
  for name, column in (text or ""):gmatch("([^\31]*)\31([^\30]*)\30") do
    local entry = by_name[name]
    if not entry then
      entry = { table = name, columns = {} }
      by_name[name], list[#list + 1] = entry, entry
    end
    if column ~= "" then table.insert(entry.columns, column) end
  end
  return list
end

local function unquoted(name)
  name = name:match("([^.]+)$") or name
  return (name:gsub('^["`%[](.-)["`%]]$', "%1"))
end

-- The tables that a statement names.
local function tables_in(sql, list)
  local words, found = {}, {}
  for word in sql:lower():gmatch("[%w_\128-\255]+") do words[word] = true end
  for _, entry in ipairs(list) do
    if words[entry.table:lower()] then found[#found + 1] = entry end
  end
  return found
end

local function unknown_column(message, sql, names, fields)
  forget_schemas()
  local in_table, name = message:match("^table (.-) has no column named (.+)$")
  name = unquoted(name or message:match("no such column: (.+)$") or "")
  local tables = tables_in(sql, parse_names(names))
  local columns = {}
  for _, entry in ipairs(tables) do
    for _, column in ipairs(entry.columns) do columns[#columns + 1] = column end
  end
  if not in_table and #tables == 1 then in_table = tables[1].table end
  failure.no_column(in_table and unquoted(in_table), name, columns, fields)
end

local function unknown_table(message, names, fields)
  forget_schemas()
  local tables = {}
  for i, entry in ipairs(parse_names(names)) do tables[i] = entry.table end
  failure.no_table(unquoted(message:match("no such table: (.+)$")), tables, fields)
end

local function plain_error(message, sql, names, fields)
  if message:find("no such column: ", 1, true) or message:find(" has no column named ", 1, true) then
    unknown_column(message, sql, names, fields)
  elseif message:find("no such table: ", 1, true) then
    unknown_table(message, names, fields)
  elseif message:find("ambiguous column name", 1, true) then
    errors.raise("db.column", message, fields)
  elseif message:find("syntax error", 1, true) or message:find("incomplete input", 1, true)
    or message:find("unrecognized token", 1, true) or message:find("^no such function") then
    errors.raise("db.syntax", message, fields)
  end
  errors.raise("db.error", message, fields)
end

local CONSTRAINTS = { -- SQLite's extended codes
  [275] = "check", [787] = "foreign_key", [1299] = "not_null", [1555] = "primary_key",
  [1811] = "trigger", [2067] = "unique", [2579] = "rowid", [3091] = "datatype",
}

local function constraint(code, message, fields)
  local name = message:match(" constraint failed: (.+)$")
  fields.type, fields.constraint = CONSTRAINTS[code] or "constraint", name
  if name and (code == 2067 or code == 1555 or code == 1299) then
    fields.columns = {}
    for in_table, column in name:gmatch("([^., ]+)%.([^., ]+)") do
      fields.table = in_table
      table.insert(fields.columns, column)
    end
  end
  errors.raise("db.constraint", message, fields)
end

local KINDS = { -- by SQLite's primary code
  [5] = "db.busy", [6] = "db.busy", [7] = "db.memory", [8] = "db.readonly", [10] = "db.io", [11] = "db.corrupt",
  [13] = "db.full", [14] = "db.open", [18] = "db.too_big", [20] = "db.type", [26] = "db.corrupt",
}

local OURS = { -- the binding's own codes
  [-1] = "argument", [-2] = "closed", [-3] = "db.aborted", [-4] = "argument", [-5] = "db.busy", [-6] = "db.busy",
}

-- Written, and perhaps on the disk: nobody can tell whether it is done.
local FLUSHES = { [1034] = true, [1290] = true }

--- Called by the binding for every failure; raises.
---@param code integer SQLite's extended result code, or a negative one of the binding's
---@param sql string the statement
---@param names string|nil the schema's names, when the message is about one
---@param line integer of the text, where it is wrong or the statement begins; 0: not known
function failure.raise(code, message, sql, names, line)
  local fields = { code = code, sql = sql ~= "" and sql or nil, line = line > 0 and line or nil }
  if code < 0 then
    if code == -5 then fields.help = { "use the tx it was given, or write after it has ended" } end
    if code == -6 then fields.help = { "close them (:close()), or read fewer at a time" } end
    errors.raise(OURS[code], message, fields)
  end
  local primary = code % 256
  if primary == 1 then plain_error(message, sql, names, fields) end
  if primary == 19 then constraint(code, message, fields) end
  if primary == 9 then errors.raise("closed", "the database was closed while the statement ran", fields) end
  fields.sent = FLUSHES[code]
  fields.retryable = (primary == 5 or primary == 6) or nil
  errors.raise(KINDS[primary] or "db.error", message, fields)
end

return failure

-- verbs.lua: @db.<table>: find, find_by, all, insert, insert_many, update, upsert, delete, count, exists.
local check = require "tusk.check"
local core = require "tusk.core"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local null = require "tusk.null"
local raw = require "tusk.binding.sqlite"
local rows_of = require "tusk.db.rows"
local schema = require "tusk.db.schema"
local sql = require "tusk.db.sql"

local settle = core.settle
local verbs = {}

local makers = {}
local NAMES = { "all", "count", "delete", "exists", "find", "find_by", "insert", "insert_many", "update", "upsert" }

-- ---- helpers ----

local function colon(verb)
  check.fail(("called with a colon; write %s(…) with a dot"):format(verb))
end

local function key_given(verb, id)
  if dots.is_namespace(id) then colon(verb) end
  if type(id) == "table" then
    check.fail(("%s: a key expected, got a table (call it with a dot; for conditions use find_by)"):format(verb))
  end
  if id == nil or id == null then
    check.fail(("%s: a key expected, got %s"):format(verb, tostring(id)), { argument = "id" })
  end
end

local function row_given(verb, row)
  if type(row) ~= "table" then
    check.fail(("%s: a table of columns expected, got %s"):format(verb, type(row)))
  end
  if getmetatable(row) and dots.is_namespace(row) then colon(verb) end
  return row
end

-- The statement kept for this table under a name, made on first use.
local function kept(info, name, make)
  local text = info.statements[name]
  if not text then
    text = make(info)
    info.statements[name] = text
  end
  return text
end

local function star(info)
  return "SELECT * FROM " .. info.quoted
end

local function where_text(info, where, params)
  if where == nil or next(where) == nil then return "" end
  return " WHERE " .. sql.conditions(info, where, params)
end

-- fn(info, params) → a statement; with its parameters
local function compose(via, name, fn, ...)
  local params = { n = 0 }
  local function make(info, ...)
    params = { n = 0 }
    return fn(info, params, ...)
  end
  return schema.with(via, name, make, ...), params
end

-- ---- reading ----

local function find_text(info)
  return star(info) .. " WHERE " .. schema.key(info) .. " = ?"
end

function makers.find(via, name)
  return function(id)
    if id == nil or type(id) == "table" or id == null then key_given("find", id) end
    local info = via.database.tables[name] or schema.table(via, name)
    return settle(raw.one(via:handle(), info.statements.find or kept(info, "find", find_text), id))
  end
end

local function find_by_text(info, params, where)
  return star(info) .. where_text(info, where, params) .. " LIMIT 1"
end

function makers.find_by(via, name)
  return function(where)
    if next(row_given("find_by", where)) == nil then
      check.fail("find_by: no condition is given (a nil value is none; for NULL write tusk.null)")
    end
    local text, params = compose(via, name, find_by_text, where)
    return settle(raw.one(via:handle(), text, unpack(params, 1, params.n)))
  end
end

local function all_text(info, params, where)
  return star(info) .. where_text(info, where, params)
end

function makers.all(via, name)
  return function(where)
    if where ~= nil then row_given("all", where) end
    local text, params = compose(via, name, all_text, where)
    return rows_of(settle(raw.query(via:handle(), text, unpack(params, 1, params.n))))
  end
end

local function count_text(info, params, where)
  return "SELECT count(*) FROM " .. info.quoted .. where_text(info, where, params)
end

function makers.count(via, name)
  return function(where)
    if where ~= nil then row_given("count", where) end
    local text, params = compose(via, name, count_text, where)
    return settle(raw.value(via:handle(), text, unpack(params, 1, params.n)))
  end
end

local function exists_text(info, params, where)
  return "SELECT 1 FROM " .. info.quoted .. where_text(info, where, params) .. " LIMIT 1"
end

function makers.exists(via, name)
  return function(where)
    if where ~= nil then row_given("exists", where) end
    local text, params = compose(via, name, exists_text, where)
    return settle(raw.value(via:handle(), text, unpack(params, 1, params.n))) ~= nil
  end
end

-- ---- writing ----

local function values_text(info, params, row)
  local columns, marks = sql.row(info, row, params)
  if not columns[1] then return "INSERT INTO " .. info.quoted .. " DEFAULT VALUES" end
  return ("INSERT INTO %s (%s) VALUES (%s)"):format(info.quoted, table.concat(columns, ", "), table.concat(marks, ", "))
end

local function insert_text(info, params, row)
  return values_text(info, params, row) .. " RETURNING *"
end

function makers.insert(via, name)
  return function(row)
    local text, params = compose(via, name, insert_text, row_given("insert", row))
    return settle(raw.one(via:handle(), text, unpack(params, 1, params.n)))
  end
end

local AT_ONCE = 500 -- rows copied for the thread before other tasks have their turn

local function has_keys(row, keys)
  if type(row) ~= "table" then return false end
  local n = 0
  for _ in next, row do n = n + 1 end
  if n ~= #keys then return false end
  for i = 1, n do
    if row[keys[i]] == nil then return false end
  end
  return true
end

-- A run of rows with the same columns, from `first`: their values in one list, how many rows.
local function run_of(rows, first, keys)
  local values, n, at, last = {}, 0, first, math.min(#rows, first + AT_ONCE - 1)
  repeat
    local row = rows[at]
    for i = 1, #keys do values[n + i] = row[keys[i]] end
    n, at = n + #keys, at + 1
  until at > last or not has_keys(rows[at], keys)
  return values, at - first
end

local function insert_runs(via, name, rows)
  local at = 1
  while at <= #rows do
    local row = row_given("insert_many", rows[at])
    local keys = sql.keys(row)
    local text = compose(via, name, values_text, row)
    local values, n = run_of(rows, at, keys)
    settle(raw.many(via:handle(), text, values, #keys, n, at))
    at = at + n
  end
  return #rows
end

-- One run is done by one call, all or nothing.
local function is_one_run(rows)
  if #rows > AT_ONCE then return false end
  local keys = sql.keys(row_given("insert_many", rows[1]))
  for i = 2, #rows do
    if not has_keys(row_given("insert_many", rows[i]), keys) then return false end
  end
  return true
end

function makers.insert_many(via, name)
  return function(rows)
    if #row_given("insert_many", rows) == 0 then
      if next(rows) ~= nil then check.fail("insert_many: a list of rows expected, got one row") end
      return 0
    end
    if is_one_run(rows) then return insert_runs(via, name, rows) end
    return via.database.transact(via, {}, function() return insert_runs(via, name, rows) end, true)
  end
end

local function update_text(info, params, changes)
  return ("UPDATE %s SET %s WHERE %s = ? RETURNING *")
    :format(info.quoted, sql.assignments(info, changes, params), schema.key(info))
end

function makers.update(via, name)
  return function(id, changes)
    key_given("update", id)
    if next(row_given("update", changes)) == nil then check.fail("update: nothing to change is given") end
    local text, params = compose(via, name, update_text, changes)
    params.n = params.n + 1
    params[params.n] = id
    return settle(raw.one(via:handle(), text, unpack(params, 1, params.n)))
  end
end

local function conflict_columns(info, on)
  if on == nil then return { schema.key(info) } end
  local list = type(on) == "table" and on or { on }
  local columns = {}
  for i, name in ipairs(list) do columns[i] = sql.column(info, name) end
  if not columns[1] then check.fail("on: a column or a list of columns expected", { argument = "on" }) end
  return columns
end

local function upsert_text(info, params, row, on)
  local conflict, sets, fixed = conflict_columns(info, on), {}, {}
  for _, column in ipairs(conflict) do fixed[column] = true end
  for _, key in ipairs(sql.keys(row)) do
    local column = sql.column(info, key)
    if not fixed[column] then sets[#sets + 1] = column .. " = excluded." .. column end
  end
  if not sets[1] then sets[1] = conflict[1] .. " = excluded." .. conflict[1] end
  return ("%s ON CONFLICT (%s) DO UPDATE SET %s RETURNING *")
    :format(values_text(info, params, row), table.concat(conflict, ", "), table.concat(sets, ", "))
end

function makers.upsert(via, name)
  return function(row, opts)
    if next(row_given("upsert", row)) == nil then check.fail("upsert: the row is empty") end
    opts = check.options(opts, { "on" })
    local text, params = compose(via, name, upsert_text, row, opts.on)
    return settle(raw.one(via:handle(), text, unpack(params, 1, params.n)))
  end
end

local function delete_text(info)
  return "DELETE FROM " .. info.quoted .. " WHERE " .. schema.key(info) .. " = ?"
end

function makers.delete(via, name)
  return function(id)
    key_given("delete", id)
    local info = schema.table(via, name)
    return settle(raw.exec(via:handle(), kept(info, "delete", delete_text), id)).changes > 0
  end
end

-- ---- the namespace of one table ----

local meta = { __namespace = true, __name = "tusk.db.table" }
local VIA, NAME = {}, {} -- keys of what a namespace stands for

function meta.__index(namespace, key)
  local maker = makers[key]
  if not maker then
    local hint, near = check.hint(tostring(key), NAMES)
    errors.raise("operator", ("no function %q%s"):format(tostring(key), hint),
      { suggestion = near, help = { "functions: " .. table.concat(NAMES, ", ") } })
  end
  local fn = maker(rawget(namespace, VIA), rawget(namespace, NAME))
  rawset(namespace, key, fn)
  return fn
end

-- What the functions beside a table are called: the likeliest thing meant when a table is called.
verbs.others = {}

function meta.__call(namespace)
  local hint, near = check.hint(rawget(namespace, NAME), verbs.others)
  check.fail("a table is not called; its functions are (find, insert …); for the builder write @db.table(name)" .. hint,
    { suggestion = near })
end

--- The functions of one table of a database or transaction.
function verbs.new(via, name)
  return setmetatable({ [VIA] = via, [NAME] = name }, meta)
end

verbs.makers, verbs.values_text, verbs.compose = makers, values_text, compose
return verbs

-- migrate.lua: @db.migrate(dir): each file of a folder once, in a transaction of its own.
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local migrations = require "tusk.migrations"
local operators = require "tusk.operators"
local raw = require "tusk.binding.sqlite"
local transaction = require "tusk.db.transaction"

local settle = core.settle

local TABLE = [[CREATE TABLE IF NOT EXISTS tusk_migrations (
  version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL)]]
local THERE = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'tusk_migrations'"
local APPLIED = "SELECT version, name, checksum, applied_at FROM tusk_migrations ORDER BY version"
local APPLY = "INSERT INTO tusk_migrations VALUES (?, ?, ?, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))"

local function query(via, sql)
  return settle(raw.query(via:handle(), sql))
end

local function exec(via, sql, ...)
  return settle(raw.exec(via:handle(), sql, ...))
end

local function applied_in(via)
  if not query(via, THERE)[1] then return {} end
  return query(via, APPLIED)
end

local function fail(message, file, help)
  errors.raise("db.migration", message, { migration = file, help = help and { help } or nil })
end

local function check_one(m, row)
  if row.checksum ~= m.checksum then
    fail(('"%s" has been changed since it was applied (%s)'):format(m.file, row.applied_at), m.file,
      "undo the change, and write another migration for it")
  end
end

local function absent(row, dir)
  fail(('"%s" was applied to the database, but is not in %s'):format(row.name, dir), row.name,
    "the database may be newer than these files")
end

local function late(m, last)
  fail(('"%s" comes before "%s", which is applied'):format(m.file, last.name), m.file, "give it a number after that one's")
end

-- What is to be applied, in order; raises when files and database do not belong together.
local function compare(list, applied, dir)
  local by_version, pending, last = {}, {}, applied[#applied]
  for _, row in ipairs(applied) do by_version[row.version] = row end
  for _, m in ipairs(list) do
    local row = by_version[m.version]
    by_version[m.version] = nil
    if row then
      m.applied_at = row.applied_at
      check_one(m, row)
    elseif last and m.version < last.version then
      late(m, last)
    else
      m.applied_at = nil
      pending[#pending + 1] = m
    end
  end
  for _, row in ipairs(applied) do
    if by_version[row.version] then absent(row, dir) end
  end
  return pending
end

-- The failure of a file's text, at its place in the file.
local function failed(m, e)
  local cause = errors.wrap(e)
  if errors.is(cause, "cancelled") then error(e, 0) end
  errors.raise(cause.kind, ('migration "%s": %s'):format(m.file, cause.message), {
    migration = m.file, cause = cause, code = cause.code, suggestion = cause.suggestion, help = cause.help,
    site = { file = m.path, line = cause.line or 1 },
  })
end

-- Tables may be made anew under others that refer to them; when all is done what refers must find something.
local function check_references(tx)
  local row = query(tx, "PRAGMA foreign_key_check")[1]
  if not row then return end
  errors.raise("db.constraint", ('row %s of "%s" refers to a row of "%s" that is not there')
    :format(tostring(row.rowid), row.table, row.parent), { type = "foreign_key", table = row.table })
end

local function run_text(tx, text)
  exec(tx, text)
  check_references(tx)
end

local function apply(tx, m)
  local ok, e = pcall(run_text, tx, m.text)
  if not ok then failed(m, e) end
  exec(tx, APPLY, m.version, m.file, m.checksum)
end

-- Applies the first that is to be, seen from within the transaction: another process may do the same just now.
local function step(database, list, dir)
  return transaction.loosely(database, function()
    local tx = core.local_get(database)
    exec(tx, TABLE)
    local m = compare(list, applied_in(tx), dir)[1]
    if m then apply(tx, m) end
    return m
  end)
end

-- One that another process applies may take long.
local function patient_step(database, list, dir)
  local told
  while true do
    local ok, m = pcall(step, database, list, dir)
    if ok then return m end
    if not errors.is(m, "db.busy") or m.migration then error(m, 0) end
    if not told then operators.get("log").warn("migrations wait for another process's transaction", { dir = dir }) end
    told = true
  end
end

local function plan(list)
  local out = {}
  for i, m in ipairs(list) do
    out[i] = { version = m.version, file = m.file, applied_at = m.applied_at, state = m.applied_at and "applied" or "pending" }
  end
  return out
end

local migrate = {}

--- Applies the files of a folder that were not yet, each in a transaction; raises db.migration where files and database
--- do not belong together, or what SQLite says about a file, with its place.
---@param via table a database, not a transaction
---@param dir string
---@param opts { plan: boolean }|nil plan = true: only tells about all files, and changes nothing
---@return string[]|table[] files those applied now; or { version, file, state, applied_at } of each
function migrate.run(via, dir, opts)
  check.string("dir", dir)
  opts = check.options(opts, { "plan" })
  check.opt_boolean("plan", opts.plan)
  if via.database ~= via or transaction.is_inside(via) then
    check.fail("migrate: it begins transactions of its own, so it cannot be called in one")
  end
  local list, done = migrations.read(dir), {}
  local pending = compare(list, applied_in(via), dir)
  if opts.plan then return plan(list) end
  while pending[1] and #done < #list do
    local m = patient_step(via, list, dir)
    via.tables = {}
    if not m then break end
    done[#done + 1] = m.file
  end
  return done
end

return migrate

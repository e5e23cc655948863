-- database.lua: one open database and the functions it is used by.
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local raw = require "tusk.binding.sqlite"
local builder = require "tusk.db.builder"
local failure = require "tusk.db.failure"
local rows_of = require "tusk.db.rows"
local migrate = require "tusk.db.migrate"
local raw_sql = require "tusk.db.raw"
local stream = require "tusk.db.stream"
local transaction = require "tusk.db.transaction"
local verbs = require "tusk.db.verbs"

local settle = core.settle
local database = {}

raw.on_failure(failure.raise)
raw.null(require "tusk.null")

---@class tusk.db.Database
---@field raw userdata|nil nil until first used
---@field tables table<string, tusk.db.Table>
---@field transactions integer how many are open
local Database = {}
Database.__index = Database

--- The raw handle of a call made now by the running task.
function Database:handle()
  if self.transactions ~= 0 then return transaction.handle(self) end
  return self.raw or self:connect()
end

local JOURNAL = { wal = false, delete = true } -- whether it is for rolling back
local SYNCHRONOUS = { off = 0, normal = 1, full = 2, extra = 3 }

-- "sqlite:path", "sqlite:///path", ":memory:" or a path → the path
local function path_of(url)
  local rest = url:match("^sqlite:(.*)$")
  if not rest then
    local scheme = url:match("^(%a[%w+.-]*)://")
    if scheme then check.fail(('url: there is no database engine "%s"; write a path, "sqlite:path" or ":memory:"'):format(scheme)) end
    rest = url
  end
  rest = rest:gsub("^//", "")
  if rest == "" then check.fail("url: a path is missing") end
  return rest
end

local function raw_options(opts)
  local synchronous = SYNCHRONOUS[opts.synchronous or "normal"]
  if not synchronous then
    check.fail('synchronous: write "off", "normal", "full" or "extra"', { argument = "synchronous" })
  end
  local rollback = JOURNAL[opts.journal or "wal"]
  if rollback == nil then check.fail('journal: write "wal" or "delete"', { argument = "journal" }) end
  return {
    synchronous = synchronous, rollback = rollback, readonly = check.opt_boolean("readonly", opts.readonly),
    readers = check.opt_integer("readers", opts.readers),
    cache_bytes = opts.cache_size and check.size("cache_size", opts.cache_size),
    busy_ms = opts.busy_timeout and check.duration("busy_timeout", opts.busy_timeout) * 1000,
  }
end

--- Opens the file, or makes the memory database, on first use.
function Database:connect()
  self.raw = raw.open(path_of(self.url), raw_options(self.options))
  return self.raw
end

-- ---- the functions, by name; each is made for a database or a transaction ----

local makers = {}

function makers.query(via)
  return function(sql, ...)
    local rows, rest = settle(raw.query(via:handle(), sql, ...))
    if rest then return rows_of(rows, rest) end
    return rows
  end
end

function makers.one(via)
  return function(sql, ...)
    return settle(raw.one(via:handle(), sql, ...))
  end
end

function makers.value(via)
  return function(sql, ...)
    return settle(raw.value(via:handle(), sql, ...))
  end
end

function makers.exec(via)
  return function(sql, ...)
    local result, schema_changed = settle(raw.exec(via:handle(), sql, ...))
    if schema_changed then via.database.tables = {} end
    return result
  end
end

function makers.each(via)
  return function(sql, ...)
    return stream.new(via, sql, ...)
  end
end

function makers.table(via)
  return function(name)
    return builder.new(via, check.string("name", name))
  end
end

function makers.transaction(via)
  return function(opts, fn)
    return transaction.run(via, opts, fn)
  end
end

function makers.after_commit(via)
  return function(fn)
    local tx = via.after_commit and via or core.local_get(via)
    if tx then return tx:after_commit(fn) end
    errors.raise("operator", "after_commit belongs to a transaction: @db.transaction(function(tx) tx.after_commit(fn) end)")
  end
end

function makers.in_transaction(via)
  return function()
    return via.database ~= via or via.transactions ~= 0 and transaction.is_inside(via)
  end
end

function makers.migrate(via)
  return function(dir, opts)
    return migrate.run(via, dir, opts)
  end
end

function makers.blob()
  return raw.blob
end

function makers.raw()
  return raw_sql.new
end

function makers.open()
  return database.open
end

function makers.close(via)
  return function()
    if via.database ~= via then check.fail("a transaction ends by returning, not by close") end
    if transaction.is_inside(via) then check.fail("close: a transaction is open on the database here") end
    settle(raw.close(via:handle()))
  end
end

for name in pairs(makers) do table.insert(verbs.others, name) end
table.sort(verbs.others)

local RESERVED = { jobs = true }

local meta = { __namespace = true, __name = "tusk.db" }

--- What the program `tusk` asks of a database beside its functions: the file of a url, nil for one in memory; a console.
function meta.__file(url)
  local path = path_of(url)
  return path ~= ":memory:" and path or nil
end

function meta.__console(url, readonly)
  return require("tusk.db.console").run(url, readonly)
end

local VIA = {} -- key of the database or transaction that a namespace stands for

function meta.__index(namespace, key)
  local via = rawget(namespace, VIA)
  if type(key) ~= "string" then return nil end
  if RESERVED[key] then errors.raise("operator", ("@db has no function %q"):format(key)) end
  local maker = makers[key]
  local member = maker and maker(via) or verbs.new(via, key)
  rawset(namespace, key, member)
  return member
end

function meta.__tostring(namespace)
  return "database " .. rawget(namespace, VIA).database.url
end

function meta.__call()
  check.fail("a database is not called; its functions are (query, one, exec …)")
end

local function namespace_of(via)
  return setmetatable({ [VIA] = via }, meta)
end

local OPTIONS = { "url", "synchronous", "journal", "readonly", "readers", "cache_size", "busy_timeout" }

--- The functions of a database that is opened on first use.
---@param url string a path, "sqlite:path" or ":memory:"
---@param opts table { synchronous, journal, readonly, readers, cache_size, busy_timeout }
function database.new(url, opts)
  check.options(opts, OPTIONS)
  local self = setmetatable({
    url = url, options = opts, tables = {}, open = {}, told = {}, transactions = 0,
    namespace_of = namespace_of, transact = transaction.run,
  }, Database)
  self.database = self
  failure.watch(self)
  return namespace_of(self), self
end

--- Opens another database; raises if it cannot be opened.
---@return table namespace with the functions of @db; close() closes it
function database.open(url, opts)
  check.string("url", url)
  local namespace, self = database.new(url, opts or {})
  raw_options(self.options)
  settle(raw.ping(self:handle()))
  return namespace
end

return database

-- repository: the rows of one table, read through the cache, with the rows that belong to them; written in one
-- transaction. The cache forgets a row when its change is committed, not before.
local tusk = require "tusk"
local rows = require "tusk.plugins.repository.rows"
local writing = require "tusk.plugins.repository.writing"

local check = tusk.check
local repository = {}

---@class tusk.repository.Child the rows of another table that belong to a row
---@field table string
---@field key string its column with the key of the row it belongs to
---@field many boolean|nil a list of them, not one
---@field order string|nil the column they are ordered by, if they are many

---@class tusk.repository.Options
---@field key string|nil the table's primary key, "id"
---@field db table|nil what @db.open gave; @db itself unless given
---@field cache table|false|nil what @cache.open or @cache.with gave; false: none
---@field prefix string|nil what the cache's keys begin with: the table's name and ":"
---@field ttl string|number|nil how long a row is kept in the cache, "1h"
---@field negative_ttl string|number|nil how long it is kept that there is none
---@field slice integer|nil how many rows one statement of find_many asks for, 200
---@field children table<string, tusk.repository.Child>|nil by the field of the row they are put in

local OPTIONS = { "key", "db", "cache", "prefix", "ttl", "negative_ttl", "slice", "children" }
local CHILD = { "table", "key", "many", "order" }
local SLICE_MAX = 1000

local function checked_children(children)
  for name, child in pairs(check.opt_table("children", children) or {}) do
    check.options(check.table("children." .. tostring(name), child), CHILD)
    check.string(("children.%s.table"):format(name), child.table)
    check.string(("children.%s.key"):format(name), child.key)
    check.opt_boolean(("children.%s.many"):format(name), child.many)
    check.opt_string(("children.%s.order"):format(name), child.order)
  end
  return children or {}
end

local function slice_of(n)
  n = check.opt_integer("slice", n) or 200
  if n < 1 or n > SLICE_MAX then
    check.fail(("slice: 1 to %d rows, got %d"):format(SLICE_MAX, n), { argument = "slice" })
  end
  return n
end

-- What @cache.remember is told: a mere duration where that is all.
local function plan_of(opts)
  local ttl = check.duration("ttl", opts.ttl, 3600)
  if opts.negative_ttl == nil then return ttl end
  return { ttl = ttl, negative_ttl = check.duration("negative_ttl", opts.negative_ttl) }
end

local function store_of(name, opts)
  if opts.cache == false then return nil end
  local prefix = check.opt_string("prefix", opts.prefix)
  if opts.db and not opts.cache and not prefix then
    check.fail("db: with another database the cache's keys need a prefix of their own", { argument = "prefix" })
  end
  prefix = prefix or name .. ":"
  return (check.opt_table("cache", opts.cache) or @cache).with { prefix = prefix }
end

local function open(name, opts)
  return {
    table = check.string("table", name),
    key = check.opt_string("key", opts.key) or "id",
    db = check.opt_table("db", opts.db) or @db,
    cache = store_of(name, opts),
    plan = plan_of(opts),
    slice = slice_of(opts.slice),
    children = checked_children(opts.children),
  }
end

local meta = { __namespace = true }

function meta.__index(users, key)
  check.no_field("a repository", key, users, {})
end

local function is_transaction(tx)
  local ok, fn = pcall(function() return tx.in_transaction end)
  return ok and type(fn) == "function"
end

local function functions(self)
  return setmetatable(writing(self, rows(self, {})), meta)
end

--- A repository of a table: functions that are called with a dot. More may be added to it.
---@param name string the table
---@param opts tusk.repository.Options|nil
---@return tusk.repository.Repository
function repository.new(name, opts)
  check.string("table", name)
  local self = open(name, check.options(opts, OPTIONS))
  local users = functions(self)

  --- The same functions as part of a transaction, for tasks that are started in it: they are outside of it, the tx is not.
  ---@param tx table what the function of @db.transaction is given
  function users.within(tx)
    if not is_transaction(tx) then
      check.dotted(tx, "within(tx)")
      check.fail("within(tx): the tx of a transaction expected, got " .. type(tx), { argument = "tx" })
    end
    return functions(setmetatable({ db = tx }, { __index = self }))
  end

  return users
end

return repository

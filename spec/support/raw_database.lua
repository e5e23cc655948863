-- raw_database.lua: a database below @db, that tells what it did itself and what its threads did.
local core = require "tusk.core"
require "tusk.db.database" -- which says how failures are raised
local raw = require "tusk.binding.sqlite"
local temp = require "spec.support.temp"

local raw_database = {}

local Database = {}
Database.__index = Database

for _, verb in ipairs { "exec", "query", "one", "value" } do
  Database[verb] = function(self, sql, ...) return (core.settle(raw[verb](self.handle, sql, ...))) end
end

function Database:counts() return raw.counts(self.handle) end
function Database:close() core.settle(raw.close(self.handle)) end

--- What fn made the database do: the counts that moved.
function Database:counted(fn)
  local before, moved = self:counts(), {}
  fn()
  for name, n in pairs(self:counts()) do
    if n ~= before[name] then moved[name] = n - before[name] end
  end
  return moved
end

--- opts: the binding's: synchronous = 1 NORMAL or 2 FULL, readonly, readers, cache_bytes, busy_ms.
function raw_database.open(path, opts)
  local self = setmetatable({ handle = raw.open(path, opts or {}) }, Database)
  core.settle(raw.ping(self.handle))
  return self
end

--- fn(database, path) with one in a file of its own, closed and removed afterwards.
function raw_database.with(opts, fn)
  temp.dir(function(dir)
    local path = dir .. "/test.db"
    local db = raw_database.open(path, opts)
    local ok, e = pcall(fn, db, path)
    core.shield(function() pcall(db.close, db) end)
    if not ok then error(e, 0) end
  end)
end

return raw_database

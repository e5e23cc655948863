-- database.lua: a database for one spec, in memory or in a file of its own.
local core = require "tusk.core"
local temp = require "spec.support.temp"

local database = {}

--- Something that tasks wait for until it is opened, once.
function database.gate()
  local opened, line = false, core.Queue.new()
  return {
    wait = function() if not opened then line:park() end end,
    open = function()
      opened = true
      line:wake_all()
    end,
  }
end

--- fn(db, path) with a fresh database that is closed and removed afterwards.
---@param kind string "memory" | "file"
function database.with(kind, fn, opts)
  local function use(path)
    local db = @db.open(path, opts)
    local ok, e = pcall(fn, db, path)
    @shield(function() @try(db.close) end)
    if not ok then error(e, 0) end
  end
  if kind == "memory" then return use(":memory:") end
  temp.dir(function(dir) use(dir .. "/test.db") end)
end

--- Defines the same specs for a database in memory and one in a file.
function database.each_kind(define)
  for _, kind in ipairs { "memory", "file" } do
    define(kind, function(fn, opts)
      return function() database.with(kind, function(db, path)
        db.exec [[
          create table users (id integer primary key, name text not null, email text unique, age integer);
          create table orders (id integer primary key, user_id integer references users (id), total real);
        ]]
        fn(db, path)
      end, opts) end
    end)
  end
end

--- A statement that never ends by itself.
database.ENDLESS = "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c"

return database

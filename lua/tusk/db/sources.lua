-- sources.lua: the tables that a builder's statement reads, and whose column a name is.
local check = require "tusk.check"
local failure = require "tusk.db.failure"
local raw = require "tusk.db.raw"
local schema = require "tusk.db.schema"
local sql = require "tusk.db.sql"

---@class tusk.db.Sources a list of { name = "u", quoted = '"u"', info = tusk.db.Table }
---@field aliases table<string, string> names that the selected columns are given → quoted
local Sources = {}
Sources.__index = Sources

local sources = {}

-- "orders as o" → "orders", "o"
local function split(name)
  local before, alias = name:match("^(.-)%s+[aA][sS]%s+([%w_]+)%s*$")
  return before or name, alias
end

--- { table =, alias = nil or a name } for a table as it is written, perhaps with "as".
function sources.parse(name)
  local in_table, alias = split(check.string("table", name))
  return { table = in_table, alias = alias }
end

local function names_of(self)
  local names = {}
  for i, source in ipairs(self) do names[i] = source.name end
  return names
end

-- "table.column" of all, and the columns alone.
local function columns_of(self)
  local full, bare = {}, {}
  for _, source in ipairs(self) do
    for _, column in ipairs(source.info.columns) do
      full[#full + 1], bare[#bare + 1] = source.name .. "." .. column, column
    end
  end
  return full, bare
end

local function source_named(self, prefix)
  for _, source in ipairs(self) do
    if source.name:lower() == prefix:lower() then return source end
  end
  failure.no_table(prefix, names_of(self))
end

local function known_in(source, column)
  return source.info.known[column] or source.info.known[column:lower()]
end

-- A statement of one table needs no prefixes.
local function qualified(self, source, quoted)
  return self[2] and source.quoted .. "." .. quoted or quoted
end

local function with_prefix(self, prefix, column)
  local source = source_named(self, prefix)
  if column == "*" then return source.quoted .. ".*" end
  local quoted = known_in(source, column)
  if not quoted then failure.no_column(source.info.name, column, source.info.columns) end
  return qualified(self, source, quoted)
end

local function ambiguous(column, first, second)
  check.fail(('the column "%s" is in %s and in %s: write "%s.%s"')
    :format(column, first.name, second.name, first.name, column), { argument = "column" })
end

local function without_prefix(self, column)
  local found
  for _, source in ipairs(self) do
    if known_in(source, column) then
      if found then ambiguous(column, found, source) end
      found = source
    end
  end
  return found and qualified(self, found, known_in(found, column))
end

--- The column, quoted and with its table where there are several; raises for one that none of them has.
---@param name string "column" or "table.column"
function Sources:column(name)
  if type(name) ~= "string" then check.fail(("a column's name expected, got %s"):format(type(name))) end
  local column = without_prefix(self, name)
  if column then return column end
  local prefix, rest = name:match("^([^.]+)%.(.+)$")
  if prefix then return with_prefix(self, prefix, rest) end
  local full, bare = columns_of(self)
  if not self[2] then failure.no_column(self[1].info.name, name, bare) end
  failure.no_column(nil, name, full, { suggestion = check.nearest(name, bare) })
end

--- The same, or a name that a selected column was given.
function Sources:named(name)
  return self.aliases[name] or self:column(name)
end

-- '"a" AS "b"' of "a as b", which is remembered.
local function with_alias(self, name)
  local column, alias = split(name)
  if not alias or without_prefix(self, name) then return self:column(name) end
  self.aliases[alias] = sql.quote(alias)
  return self:column(column) .. " AS " .. self.aliases[alias]
end

--- A selected column: "*", "table.*", a column, one with "as", or an expression.
function Sources:selected(what, params, put)
  if what == "*" then return "*" end
  if not raw.is(what) then return with_alias(self, what) end
  local alias = raw.alias(what)
  if alias then self.aliases[alias] = sql.quote(alias) end
  return raw.render(what, params, put)
end

local function load(via, wanted)
  local self = setmetatable({ aliases = {} }, Sources)
  for i, source in ipairs(wanted) do
    local name = source.alias or source.table
    for j = 1, i - 1 do
      if self[j].name:lower() == name:lower() then
        check.fail(('the table "%s" is there twice: give one another name, "%s as x"'):format(name, source.table))
      end
    end
    self[i] = { name = name, quoted = sql.quote(name), alias = source.alias, info = schema.table(via, source.table) }
  end
  return self
end

--- fn(sources, …); if a column is unknown, once more with the schema read anew: it may have changed.
---@param wanted { table: string, alias: string|nil }[]
function sources.with(via, wanted, fn, ...)
  local cached = {}
  for _, source in ipairs(wanted) do cached[#cached + 1] = via.database.tables[source.table] and source.table end
  local ok, a, b = pcall(fn, load(via, wanted), ...)
  if ok then return a, b end
  if not cached[1] or not (failure.is_column(a)) then error(a, 0) end
  for _, name in ipairs(cached) do via.database.tables[name] = nil end
  return fn(load(via, wanted), ...)
end

return sources

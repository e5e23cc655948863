-- rows: reading: one row or many through the cache, each with the rows that belong to it.
local keys = require "tusk.plugins.repository.keys"
local tusk = require "tusk"

local cache_key = keys.of
local check = tusk.check
local MOST = 4 -- slices that are asked for at a time

local AT_ONCE = 1000 -- rows whose children one statement asks for

local function children_of(self, child, list, first)
  local ids = {}
  for i = first, math.min(#list, first + AT_ONCE - 1) do ids[#ids + 1] = list[i][self.key] end
  local query = self.db.table(child.table):where_in(child.key, ids)
  if child.order then query:order_by(child.order) end
  return query:get()
end

-- Puts the rows of one other table into those that they belong to: one statement, or one for each thousand.
local function attach_child(self, list, name, child)
  local by = {}
  for _, row in ipairs(list) do
    by[cache_key(row[self.key])] = row
    if child.many then row[name] = {} end
  end
  for first = 1, #list, AT_ONCE do
    for _, own in ipairs(children_of(self, child, list, first)) do
      local row = by[cache_key(own[child.key])]
      if child.many then table.insert(row[name], own) else row[name] = own end
    end
  end
end

local function attach(self, list)
  for name, child in pairs(self.children) do attach_child(self, list, name, child) end
  return list
end

local function load(self, id)
  local row = self.db[self.table].find(id)
  return row and attach(self, { row })[1]
end

-- A row that a text finds which is not its key, as "01" finds 1, is not kept under that: nobody would forget it.
local function load_kept(self, id)
  local row = self.db[self.table].find(id)
  local key = row and row[self.key]
  if key ~= nil and cache_key(key) ~= cache_key(id) then
    tusk.errors.raise("repository.key", ("%s is the row of %s"):format(tostring(id), tostring(key)), { key = key })
  end
  return row and attach(self, { row })[1]
end

local function find_cached(self, id)
  local ok, row = pcall(self.cache.remember, cache_key(id), self.plan, @(load_kept(self, id)))
  if ok then return row end
  if not tusk.errors.is(row, "repository.key") then error(row, 0) end
  return find_cached(self, row.key)
end

-- key of the cache → row, for so many keys
local function load_slice(self, ids)
  local by = {}
  for _, row in ipairs(attach(self, self.db.table(self.table):where_in(self.key, ids):get())) do
    by[cache_key(row[self.key])] = row
  end
  return by
end

-- The cache is not asked inside a transaction, which sees what others do not, and may be undone.
local function is_cached(self)
  return self.cache and not self.db.in_transaction()
end

-- The distinct keys of a list that `known` has nothing for.
local function missing(ids, known)
  local list, seen = {}, {}
  for _, id in ipairs(ids) do
    local key = cache_key(id)
    if known[key] == nil and not seen[key] then list[#list + 1] = id end
    seen[key] = true
  end
  return list
end

-- Of a slice of keys, through flights of the cache: what others load already is waited for, and a row that is changed
-- meanwhile is not kept.
local function slice_cached(self, ids)
  local names, id_of = {}, {}
  for i, id in ipairs(ids) do
    names[i] = cache_key(id)
    id_of[names[i]] = id
  end
  return self.cache.remember_many(names, self.plan, function(unknown)
    local wanted = {}
    for i, name in ipairs(unknown) do wanted[i] = id_of[name] end
    return load_slice(self, wanted)
  end)
end

-- What load_one(self, slice) gives for each slice, put together.
local function in_slices(self, ids, width, load_one, known)
  local function load_of(slice) return load_one(self, slice) end
  for _, by in ipairs(@batch(ids, self.slice, load_of, { concurrency = width })) do
    for key, row in pairs(by) do known[key] = row end
  end
  return known
end

local function many_cached(self, ids)
  local names = {}
  for i, id in ipairs(ids) do names[i] = cache_key(id) end
  local known = self.cache.get_many(names)
  return in_slices(self, missing(ids, known), MOST, slice_cached, known)
end

local function many_plain(self, ids)
  return in_slices(self, missing(ids, {}), self.db.in_transaction() and 1 or MOST, load_slice, {})
end

-- Whoever asks twice has two rows.
local function copy(value)
  if type(value) ~= "table" then return value end
  local own = {}
  for k, v in pairs(value) do own[k] = copy(v) end
  return own
end

local function in_order(ids, known)
  local list, given = { n = #ids }, {}
  for i, id in ipairs(ids) do
    local row = known[cache_key(id)]
    list[i] = given[row] and copy(row) or row
    if row then given[row] = true end
  end
  return list
end

---@class tusk.repository.Repository
---@field find fun(id: any): table|nil
---@field find_many fun(ids: any[]): table
---@field find_by fun(conditions: table): table|nil
---@field all fun(conditions: table|nil): table[]
---@field count fun(conditions: table|nil): integer
---@field exists fun(conditions: table|nil): boolean
---@field forget fun(id: any)
---@field within fun(tx: table): tusk.repository.Repository
---@field create fun(row: table): table
---@field update fun(id: any, changes: table): table|nil
---@field delete fun(id: any): boolean

--- Adds the functions that read.
---@param self table see repository.lua
---@param users table
return function(self, users)
  --- The row of a key with what belongs to it, or nil. Asked for by many at a time it is loaded once.
  function users.find(id)
    keys.check(id, "find(id)")
    if not is_cached(self) then return load(self, id) end
    return find_cached(self, id)
  end

  --- The rows of several keys, in the order of the keys, with n; nil where there is none. What fails is raised.
  ---@param ids any[]
  ---@return table rows with n
  function users.find_many(ids)
    check.dotted(ids, "find_many(ids)")
    check.table("ids", ids)
    for i, id in ipairs(ids) do keys.check(id, ("find_many(ids): ids[%d]"):format(i)) end
    return in_order(ids, (is_cached(self) and many_cached or many_plain)(self, ids))
  end

  --- A row for which all conditions hold, or nil; from the database.
  function users.find_by(conditions)
    local row = self.db[self.table].find_by(conditions)
    return row and attach(self, { row })[1]
  end

  --- All rows for which they hold; from the database.
  function users.all(conditions)
    return attach(self, self.db[self.table].all(conditions))
  end

  function users.count(conditions)
    return self.db[self.table].count(conditions)
  end

  function users.exists(conditions)
    return self.db[self.table].exists(conditions)
  end

  --- Makes the cache forget a row that something else than this repository has changed.
  function users.forget(id)
    keys.check(id, "forget(id)")
    if self.cache then self.cache.forget(cache_key(id)) end
  end

  return users
end

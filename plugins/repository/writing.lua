-- writing: rows with those that belong to them, changed together; the cache forgets them when that is committed.
local keys = require "tusk.plugins.repository.keys"
local tusk = require "tusk"

local check = tusk.check

-- A row without, and alone, what belongs to other tables.
local function split(self, row, what)
  check.table(what, row)
  local own, children, any = {}, {}, false
  for name, value in pairs(row) do
    if self.children[name] == nil then own[name] = value
    else
      children[name], any = check.table(what .. "." .. name, value), true
    end
  end
  return own, any and children or nil
end

local function key_of(self, row)
  local id = row[self.key]
  if id == nil then
    check.fail(("the table %q has no column %q: say its primary key, key = …"):format(self.table, self.key))
  end
  return id
end

-- Not to be cancelled: what is committed must not be found in its old form. The cache has its own time limit; one that is
-- to raise when its server is down does so here, when all is done.
local function forget(self, users, id)
  if not self.cache then return end
  local ok, err = pcall(@shield, users.forget, id)
  if ok then return end
  if type(err) == "table" and err.message then
    err.sent = true
    err.message = ("%s %s is changed, but the cache may still have the old row: %s"):format(self.table, keys.of(id), err.message)
  end
  error(err, 0)
end

-- The key itself of the row that a text finds: "01" finds 1.
local function key_itself(self, id)
  local row = type(id) == "string" and self.cache and self.db[self.table].find(id)
  return row and row[self.key] or id
end

local function forget_later(self, users, id)
  self.db.after_commit(function() forget(self, users, id) end)
end

local function insert_child(self, child, id, row)
  local own = {}
  for name, value in pairs(row) do own[name] = value end
  own[child.key] = id
  return self.db[child.table].insert(own)
end

local function insert_children(self, made, children)
  local id = made[self.key]
  for name, child in pairs(self.children) do
    local given = children[name]
    if child.many then
      made[name] = {}
      for i, row in ipairs(given or {}) do made[name][i] = insert_child(self, child, id, row) end
    elseif given then
      made[name] = insert_child(self, child, id, given)
    end
  end
  return made
end

local function delete_children(self, child, id)
  self.db.table(child.table):where(child.key, id):delete()
end

-- The one row is changed, or made; a list takes the place of the one before.
local function put_child(self, child, id, given)
  if child.many then
    delete_children(self, child, id)
    for _, row in ipairs(given) do insert_child(self, child, id, row) end
  elseif self.db.table(child.table):where(child.key, id):exists() then
    if next(given) ~= nil then self.db.table(child.table):where(child.key, id):update(given) end
  else
    insert_child(self, child, id, given)
  end
end

local function needs_transaction(self, together)
  return together or self.db.in_transaction()
end

-- In a transaction, or in one that is there.
local function create_together(self, users, own, children)
  return self.db.transaction(function()
    local made = self.db[self.table].insert(own)
    local id = key_of(self, made)
    forget_later(self, users, id)
    return insert_children(self, made, children or {})
  end)
end

local function update_together(self, users, id, own, children)
  return self.db.transaction(function()
    if next(own) ~= nil then
      if not self.db[self.table].update(id, own) then return nil end
    elseif not self.db[self.table].find(id) then return nil end
    for name, given in pairs(children or {}) do put_child(self, self.children[name], id, given) end
    forget_later(self, users, id)
    return users.find(id)
  end)
end

local function delete_together(self, users, id)
  return self.db.transaction(function()
    for _, child in pairs(self.children) do delete_children(self, child, id) end
    forget_later(self, users, id)
    return self.db[self.table].delete(id)
  end)
end

-- One statement needs no transaction of its own. The cache forgets also where nobody can tell what was done.
local function alone(self, users, id, fn, ...)
  local ok, result = pcall(fn, ...)
  local unknown = not ok and type(result) == "table" and (result.sent or result.kind == "cancelled")
  if id ~= nil and (ok or unknown) then forget(self, users, id) end
  if not ok then error(result, 0) end
  return result
end

--- Adds the functions that write.
---@param self table see repository.lua
---@param users table
return function(self, users)
  --- A new row with what belongs to it, all or nothing; in the form that find gives.
  ---@param row table of columns, and of children by name
  function users.create(row)
    check.dotted(row, "create(row)")
    local own, children = split(self, row, "row")
    if needs_transaction(self, children) then return create_together(self, users, own, children) end
    local made = alone(self, users, own[self.key], self.db[self.table].insert, own)
    if own[self.key] == nil then forget(self, users, key_of(self, made)) end
    return insert_children(self, made, {})
  end

  --- Changes columns, and the rows that belong to it: one is changed or made, a list takes the place of the other.
  ---@return table|nil row as it is now; nil when there is none of that key
  function users.update(id, changes)
    keys.check(id, "update(id, changes)")
    id = key_itself(self, id)
    local own, children = split(self, changes, "changes")
    if next(changes) == nil then check.fail("update: nothing to change is given") end
    if own[self.key] ~= nil and keys.of(own[self.key]) ~= keys.of(id) then
      check.fail(("update: %s is the row's key, which stays what it is"):format(self.key))
    end
    if needs_transaction(self, children or next(self.children) ~= nil) then
      return update_together(self, users, id, own, children)
    end
    return alone(self, users, id, self.db[self.table].update, id, own)
  end

  --- Deletes a row and what belongs to it; was there one?
  ---@return boolean
  function users.delete(id)
    keys.check(id, "delete(id)")
    id = key_itself(self, id)
    if needs_transaction(self, next(self.children) ~= nil) then return delete_together(self, users, id) end
    return alone(self, users, id, self.db[self.table].delete, id)
  end

  return users
end

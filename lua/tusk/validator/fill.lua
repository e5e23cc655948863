-- fill.lua: defaults put in where a property is missing. What the caller handed in is not changed: a table that gets
-- something is copied first, and so are those that it is in; the others are shared.
local array = require "tusk.array"
local state = require "tusk.validator.state"
local values = require "tusk.validator.values"

local fill = {}

local descend, follow, quiet = state.descend, state.follow, state.quiet

-- The table itself if it is a copy already, or a copy.
local function own(v, st)
  if st.copies[v] then return v end
  local out = {}
  for key, item in next, v do out[key] = item end
  if array.is(v) then array(out) end
  st.copies[out] = true
  return out
end

local function copy(v)
  if type(v) ~= "table" then return v end
  local out = {}
  for key, item in next, v do out[key] = copy(item) end
  return array.is(v) and array(out) or out
end

-- Fills what is under a key of v; at: the same as pointers have it.
local function fill_item(unit, v, key, at, st)
  local item = v[key]
  local filled = descend(unit.fill, item, at, st)
  if rawequal(filled, item) then return v end
  v = own(v, st)
  v[key] = filled
  return v
end

local function is_object(v)
  if type(v) ~= "table" then return false end
  local kind = values.table_kind(v)
  return kind == "object" or kind == "empty"
end

local function is_array(v)
  return type(v) == "table" and values.table_kind(v) == "array"
end

-- How a unit's defaults reach the value: edge, value, state → value.
local ways = {}

function ways.properties(edge, v, st)
  if not is_object(v) then return v end
  for i, unit in ipairs(edge.units) do
    local name = edge.extra[i]
    if rawget(v, name) == nil and unit.default ~= nil then
      v = own(v, st)
      v[name] = copy(unit.default)
    end
    if unit.fill and rawget(v, name) ~= nil then v = fill_item(unit, v, name, name, st) end
  end
  return v
end

function ways.patterns(edge, v, st)
  if not is_object(v) then return v end
  for _, key in ipairs(values.sorted_keys(v)) do
    for i, unit in ipairs(edge.units) do
      if unit.fill and edge.extra[i].matches(key, st) then v = fill_item(unit, v, key, key, st) end
    end
  end
  return v
end

function ways.additional(edge, v, st)
  if not is_object(v) then return v end
  for _, key in ipairs(values.sorted_keys(v)) do
    if edge.extra(key, st) then v = fill_item(edge.units[1], v, key, key, st) end
  end
  return v
end

function ways.items(edge, v, st)
  if not is_array(v) then return v end
  for i = edge.extra + 1, #v do v = fill_item(edge.units[1], v, i, i - 1, st) end
  return v
end

function ways.prefix(edge, v, st)
  if not is_array(v) then return v end
  for i = 1, math.min(#v, #edge.units) do
    if edge.units[i].fill then v = fill_item(edge.units[i], v, i, i - 1, st) end
  end
  return v
end

local function here(unit, v, st)
  if not unit.fill then return v end
  return follow(unit.fill, v, st, unit.place.resource, 1)
end

function ways.always(edge, v, st)
  for _, unit in ipairs(edge.units) do v = here(unit, v, st) end
  return v
end

-- Of alternatives the first that the value fits.
function ways.first(edge, v, st)
  for _, unit in ipairs(edge.units) do
    if quiet(unit.run, v, st) then return here(unit, v, st) end
  end
  return v
end

ways["if"] = function(edge, v, st)
  local unit = edge.units[quiet(edge.units[1].run, v, st) and 2 or 3]
  return unit and here(unit, v, st) or v
end

function ways.dependent(edge, v, st)
  if not is_object(v) then return v end
  for i, unit in ipairs(edge.units) do
    if rawget(v, edge.extra[i]) ~= nil then v = here(unit, v, st) end
  end
  return v
end

function ways.dynamic(edge, v, st)
  return here(edge.extra(st), v, st)
end

-- ---- which units have something to fill ----

-- A unit's own default, or that of what it refers to.
local function default_of(unit, met)
  if type(unit.schema) ~= "table" or met[unit] then return nil end
  met[unit] = true
  if unit.schema.default ~= nil then return unit.schema.default end
  for _, edge in ipairs(unit.edges) do
    for _, target in ipairs(edge.how == "always" and edge.units or {}) do
      local default = default_of(target, met)
      if default ~= nil then return default end
    end
  end
end

local function targets(edge)
  local out = {}
  for i = 1, 3 do out[#out + 1] = edge.how == "if" and edge.units[i] or nil end
  return edge.how == "if" and out or edge.units
end

local function make(edges)
  return function(v, st)
    for i = 1, #edges do v = ways[edges[i].how](edges[i], v, st) end
    return v
  end
end

-- unit → the units that reach it, and those that fill something themselves.
local function reversed(units)
  local users, filling = {}, {}
  for _, unit in ipairs(units) do
    for _, edge in ipairs(unit.edges) do
      for _, target in ipairs(targets(edge)) do
        users[target] = users[target] or {}
        users[target][#users[target] + 1] = unit
        if edge.how == "properties" and target.default ~= nil or edge.how == "dynamic" then filling[#filling + 1] = unit end
      end
    end
  end
  return users, filling
end

-- Those of the unit's edges that lead to something.
local function of_use(unit)
  local out = {}
  for _, edge in ipairs(unit.edges) do
    for _, target in ipairs(targets(edge)) do
      if target.fills or target.default ~= nil or edge.how == "dynamic" then
        out[#out + 1] = edge
        break
      end
    end
  end
  return out
end

--- Sets `default` and `fill` of the units that have such.
---@param units tusk.validator.Unit[]
function fill.prepare(units)
  local any = false
  for _, unit in ipairs(units) do
    unit.default = default_of(unit, {})
    any = any or unit.default ~= nil
  end
  if not any then return end
  local users, queue = reversed(units)
  for _, unit in ipairs(queue) do
    if not unit.fills then
      unit.fills = true
      for _, user in ipairs(users[unit] or {}) do queue[#queue + 1] = user end
    end
  end
  for _, unit in ipairs(units) do
    if unit.fills then unit.fill = make(of_use(unit)) end
  end
end

--- The value with defaults.
function fill.run(root, v, st)
  if v == nil and root.default ~= nil then v = copy(root.default) end
  if not root.fill then return v end
  st.copies = {}
  v = follow(root.fill, v, st, root.place.resource, 1)
  st.copies = false
  return v
end

return fill

-- schema.lua: configuration fields: types, defaults, choices; every error is collected, none is first.
local check = require "tusk.check"

local schema = {}

---@class tusk.Field
---@field type string "string" "number" "integer" "boolean" "duration" "size" "list" "table"
---@field default any
---@field required boolean|nil
---@field secret boolean|nil shown as *** wherever configuration is shown
---@field choices any[]|nil
---@field doc string|nil

local FIELD_KEYS = { "type", "default", "required", "secret", "choices", "doc" }

local function whole(v)
  return type(v) == "number" and v == math.floor(v) and math.abs(v) < math.huge
end

local function is_list(v)
  return type(v) == "table" and (next(v) == nil or #v > 0)
end

local function unit(reader)
  return function(v)
    local ok, value = pcall(reader, "value", v)
    if ok then return value end
    return nil
  end
end

-- type → function(value) → the value as the plugin gets it, or nil
local TYPES = {
  string = function(v) if type(v) == "string" then return v end end,
  number = function(v) if type(v) == "number" and v == v then return v end end,
  integer = function(v) if whole(v) then return v end end,
  boolean = function(v) if type(v) == "boolean" then return v end end,
  list = function(v) if is_list(v) then return v end end,
  table = function(v) if type(v) == "table" then return v end end,
  duration = unit(check.duration),
  size = unit(check.size),
}

local TYPE_NAMES = { "string", "number", "integer", "boolean", "duration", "size", "list", "table" }

-- Text from the environment or --set, as the field's type wants it.
local function from_text(kind, text)
  if kind == "number" or kind == "integer" then return tonumber(text) or text end
  if kind == "boolean" then
    if text == "true" or text == "1" then return true end
    if text == "false" or text == "0" then return false end
  elseif (kind == "duration" or kind == "size") and tonumber(text) then return tonumber(text)
  elseif kind == "list" then
    local list = {}
    for item in text:gmatch("[^,]+") do list[#list + 1] = item:match("^%s*(.-)%s*$") end
    return list
  end
  return text
end

local function shown(field, v)
  if field.secret then return "***" end
  return type(v) == "string" and ("%q"):format(v) or tostring(v)
end

local function one_of(choices, v)
  local texts = {}
  for i, c in ipairs(choices) do
    if c == v then return true end
    texts[i] = tostring(c)
  end
  return false, table.concat(texts, ", ")
end

local function read_field(field, given)
  local v = given.value
  if given.text then v = from_text(field.type, v) end
  local value = TYPES[field.type](v)
  if value == nil then return nil, ("%s expected, got %s"):format(field.type, shown(field, v)) end
  if field.choices then
    local ok, texts = one_of(field.choices, value)
    if not ok then return nil, ("%s is not one of %s"):format(shown(field, v), texts) end
  end
  return value
end

local function names_of(fields)
  local names = {}
  for name in pairs(fields) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return names
end

local function unknown_keys(field, at, out)
  for _, key in ipairs(names_of(field)) do
    if check.nearest(key, FIELD_KEYS) ~= key then
      out[#out + 1] = at .. ": unknown key " .. key .. check.hint(key, FIELD_KEYS)
    end
  end
end

local function field_problems(name, field, at, out)
  if type(name) ~= "string" then out[#out + 1] = at .. ": its name must be a string"
  elseif type(field) ~= "table" then out[#out + 1] = at .. " must be a table like { type = \"string\" }"
  elseif not TYPES[field.type] then
    local given = tostring(field.type)
    out[#out + 1] = at .. ": unknown type " .. given .. check.hint(given, TYPE_NAMES)
  elseif field.choices ~= nil and not is_list(field.choices) then out[#out + 1] = at .. ": choices must be a list"
  else
    unknown_keys(field, at, out)
    local _, why
    if field.default ~= nil then _, why = read_field(field, { value = field.default }) end
    if why then out[#out + 1] = at .. ": default: " .. why end
  end
end

--- Is the schema itself well made? A list of what is wrong with it, empty if nothing.
---@param where string for the messages
function schema.problems(fields, where)
  local out = {}
  for name, field in pairs(fields) do
    field_problems(name, field, ("%s: config field %q"):format(where, tostring(name)), out)
  end
  table.sort(out)
  return out
end

-- The variable that sets a field.
local function variable(path, name)
  return "TUSK_" .. (path .. "." .. name):upper():gsub("%.", "__"):gsub("-", "_")
end

--- Reads one section by its fields.
---@param fields table<string, tusk.Field>
---@param given table name → { value =, source =, text = it came as text }
---@param path string "plugins.api_client", for the messages
---@param problems string[] gets what is wrong
---@return table values, table sources name → text
function schema.read(fields, given, path, problems)
  local values, sources = {}, {}
  for _, name in ipairs(names_of(fields)) do
    local field, g = fields[name], given[name]
    if g then
      local value, why = read_field(field, g)
      if why then problems[#problems + 1] = ("%s.%s: %s (%s)"):format(path, name, why, g.source) end
      values[name], sources[name] = value, g.source
    elseif field.default ~= nil then
      values[name] = read_field(field, { value = field.default })
      sources[name] = "default"
    elseif field.required then
      problems[#problems + 1] = ("%s.%s: is required (tusk.lua, %s or --set)%s"):format(path, name,
        variable(path, name), field.doc and " – " .. field.doc or "")
    end
  end
  for _, name in ipairs(names_of(given)) do
    if not fields[name] then
      problems[#problems + 1] = ("%s.%s: there is no such setting%s (%s)")
        :format(path, name, check.hint(name, names_of(fields)), given[name].source)
    end
  end
  return values, sources
end

schema.names_of = names_of
return schema

-- metrics/family.lua: metrics of one name: a type, a help text, and a series for each set of labels.
local check = require "tusk.check"
local errors = require "tusk.errors"

local family = {}

local SERIES_MAX = 10000 -- of one name: labels are for a few values, not for one of each user

local NAME, LABEL, OWN = "^[%a_:][%w_:]*$", "^[%a_][%w_]*$", "tusk_"

local function check_name(name)
  check.string("name", name)
  if not name:find(NAME) then
    check.fail(("name: %q is none: letters, digits, _ and : make one, such as %q"):format(
      name, (name:gsub("[^%w_:]", "_"):gsub("^%d", "_%0"))), { argument = "name" })
  end
  if name:sub(1, #OWN) == OWN then
    check.fail(("name: %q: those that begin with %s are the host's own"):format(name, OWN), { argument = "name" })
  end
end

-- The names of labels, sorted.
local function label_names(labels)
  local names = {}
  for name in pairs(labels) do
    if type(name) ~= "string" or not name:find(LABEL) or name:sub(1, 2) == "__" or name == "le" then
      check.fail(("labels: %q is no name of a label"):format(tostring(name)), { argument = "labels" })
    end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function label_value(name, value)
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "number" or kind == "boolean" then return tostring(value) end
  return check.fail(("labels: %s is a string, number or boolean, not a %s"):format(name, kind), { argument = "labels" })
end

--- One that has no series yet.
---@param name string
---@param kind string "counter", "gauge" or "histogram"
---@param labels table what its first series is called with
function family.new(name, kind, labels)
  check_name(name)
  return { name = name, type = kind, help = nil, names = label_names(labels), series = {}, count = 0 }
end

-- Values as they are, each behind its length: no two sets of them are the same.
local function key_of(self, labels)
  local parts, values = {}, {}
  for i, name in ipairs(self.names) do
    if labels[name] == nil then return nil end
    local value = label_value(name, labels[name])
    values[name], parts[i] = value, #value .. ":" .. value
  end
  for name in pairs(labels) do
    if not values[name] then return nil end
  end
  return table.concat(parts), values
end

local function wrong_labels(self, labels)
  local given = table.concat(label_names(labels), ", ")
  local has = table.concat(self.names, ", ")
  check.fail(("labels: %s has %s; got %s"):format(self.name, has == "" and "none" or has, given == "" and "none" or given),
    { argument = "labels" })
end

--- The series with these labels, made by make(labels) on first use. Raises when the labels are others than those of
--- the name's first series, or when there are too many.
function family.series(self, labels, make)
  local key, values = key_of(self, labels)
  if not key then wrong_labels(self, labels) end
  local one = self.series[key]
  if one then return one end
  if self.count >= SERIES_MAX then
    errors.raise("metrics.too_many", ("%s has %d sets of labels already"):format(self.name, SERIES_MAX), { limit = SERIES_MAX })
  end
  one = make(values)
  self.series[key], self.count = one, self.count + 1
  return one
end

--- Forgets the series with these labels -> whether there was one.
function family.remove(self, labels)
  local key = key_of(self, labels)
  if not key then wrong_labels(self, labels) end
  local was = self.series[key] ~= nil
  if was then self.series[key], self.count = nil, self.count - 1 end
  return was
end

return family

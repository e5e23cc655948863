-- compile.lua: schemas to checks. A subschema is a unit; references lead from unit to unit, so that they may be circular.
local check = require "tusk.check"
local document = require "tusk.validator.document"
local fill = require "tusk.validator.fill"
local formats = require "tusk.validator.formats"
local lint = require "tusk.validator.lint"
local node = require "tusk.validator.node"
local pattern = require "tusk.validator.pattern"
local state = require "tusk.validator.state"
local uri = require "tusk.validator.uri"
local values = require "tusk.validator.values"
local words = require "tusk.validator.words"

local compile = {}

---@class tusk.validator.Unit
---@field schema any
---@field place tusk.validator.Place
---@field at string pointer to it, for messages
---@field word string the keyword it belongs to
---@field run function the check
---@field edges table[] how it reaches units whose defaults count as its own
---@field fill function|nil fills in defaults; nil: there are none

---@class tusk.validator.Compiler
---@field registry table
---@field dynamic boolean resources entered are kept track of
---@field all function node.all
local Compiler = { all = node.all }
Compiler.__index = Compiler

--- Pointer to a keyword of a unit, or to what is in it.
function Compiler:at(unit, word, key)
  local at = unit.at .. "/" .. word
  if key == nil then return at end
  return at .. "/" .. uri.token(type(key) == "number" and key - 1 or key)
end

local function new_unit(self, schema, place, word)
  local unit = { schema = schema, place = place, at = place.doc.prefix .. place.pointer, word = word, edges = {} }
  self.units[#self.units + 1] = unit
  if type(schema) == "table" then self.by_schema[schema] = unit end
  return unit
end

--- The unit of a schema, compiled soon.
function Compiler:unit(schema, place, word)
  local unit = type(schema) == "table" and self.by_schema[schema]
  if unit then return unit end
  unit = new_unit(self, schema, place, word)
  self.queue[#self.queue + 1] = unit
  return unit
end

local function finish(self, unit)
  if not unit.begun then
    unit.begun = true
    unit.run = node.check(self, unit)
  end
  return unit
end

--- The unit of a subschema, compiled: schema[word], or schema[word][key].
function Compiler:child(unit, word, key)
  local schema = unit.schema[word]
  if key ~= nil then schema = schema[key] end
  local place = self.registry.places[schema]
  if not place then
    local pointer = self:at(unit, word, key):sub(#unit.place.doc.prefix + 1)
    place = { doc = unit.place.doc, pointer = pointer, resource = unit.place.resource }
  end
  local known = type(schema) == "table" and self.by_schema[schema]
  return finish(self, known or new_unit(self, schema, place, word))
end

--- The unit that a reference leads to, and the fragment.
function Compiler:target(unit, reference, at)
  local base, fragment = uri.resolve(unit.place.resource.uri, reference)
  local resource = self.registry:resource(base)
  if not resource then
    document.refuse(at, ("there is no schema %q here, and nothing is fetched; hand it in with schemas = { [%q] = … }")
      :format(base, base))
  end
  local schema, place = self.registry:find(resource, fragment)
  if schema == nil then document.refuse(at, ("%q leads to nothing"):format(reference)) end
  if type(schema) ~= "boolean" and values.kind(schema) ~= "object" and values.kind(schema) ~= "empty" then
    document.refuse(at, ("%q leads to what is no schema"):format(reference))
  end
  return self:unit(schema, place, "$ref"), fragment
end

--- Every $dynamicAnchor may be the target of a $dynamicRef.
function Compiler:anchor_all()
  self.wants_anchors = true
end

--- Notes that defaults in `units` count as this unit's: see fill.lua.
function Compiler:also_fills(unit, how, units, extra)
  unit.edges[#unit.edges + 1] = { how = how, units = units, extra = extra }
end

function Compiler:pattern(source, at)
  local regex, why = pattern.compile(source)
  if not regex then document.refuse(at, ("the pattern %q %s"):format(source, why)) end
  return regex
end

--- The check of a format, nil when formats are not to be checked.
function Compiler:format(name, at, unit)
  local given = self.formats
  if not given and not self:vocabulary(unit).asserts_formats then return nil end
  local own = type(given) == "table" and given[name]
  if own then return function(v) return own(v) and true or false end end
  local holds = formats[name]
  if holds then return holds end
  local names = values.sorted_keys(formats)
  local hint, near = check.hint(name, names)
  document.refuse(at, ("unknown format %q%s"):format(name, hint), { suggestion = near })
end

-- ---- vocabularies ----

local function disabled_by(vocabulary, where)
  local out = { ["$vocabulary"] = true }
  for _, word in ipairs(words.ALL) do out[word] = true end
  for name, required in next, vocabulary do
    local list = words.VOCABULARIES[name]
    if not list and required then document.refuse(where, ("requires the vocabulary %q, which is unknown"):format(name)) end
    for _, word in ipairs(list or {}) do out[word] = nil end
  end
  for _, word in ipairs(words.VOCABULARIES[words.HOME .. "vocab/core"]) do out[word] = nil end
  return out
end

-- What the meta-schema that a resource names leaves out.
local function read_vocabulary(self, resource)
  local named = type(resource.root) == "table" and resource.root["$schema"]
  if type(named) ~= "string" then
    local root = self.registry.roots[resource.doc]
    return root and root ~= resource and self:vocabulary({ place = { resource = root } }) or {}
  end
  local base = named:gsub("#$", "")
  if base == words.META then return {} end
  local where = resource.doc.prefix .. resource.pointer .. "/$schema"
  local meta = self.registry:resource(base)
  if not meta then
    document.refuse(where, ("%q is not known; this is for 2020-12, %q"):format(named, words.META))
  end
  local vocabulary = type(meta.root) == "table" and meta.root["$vocabulary"]
  if type(vocabulary) ~= "table" then return {} end
  return {
    disabled = disabled_by(vocabulary, where),
    asserts_formats = vocabulary[words.HOME .. "vocab/format-assertion"] ~= nil,
  }
end

function Compiler:vocabulary(unit)
  local resource = unit.place.resource
  local known = self.vocabularies[resource]
  if not known then
    self.vocabularies[resource] = {}
    known = read_vocabulary(self, resource)
    self.vocabularies[resource] = known
  end
  return known
end

--- Does the keyword count in this unit?
function Compiler:enabled(unit, word)
  local disabled = self:vocabulary(unit).disabled
  return not (disabled and disabled[word])
end

-- ---- the whole ----

local function drain(self)
  local at = 1
  repeat
    while self.queue[at] do
      finish(self, self.queue[at])
      at = at + 1
    end
    for _, schema in ipairs(self.wants_anchors and self.registry.dynamic or {}) do
      self.anchored[schema] = self:unit(schema, self.registry.places[schema], "$dynamicRef")
    end
  until not self.queue[at]
end

local function build(registry, schema, place, opts, dynamic)
  local self = setmetatable({
    registry = registry, dynamic = dynamic, formats = opts.formats, units = {}, by_schema = {}, queue = {},
    anchored = {}, vocabularies = {},
  }, Compiler)
  local root = self:unit(schema, place, "schema")
  drain(self)
  if registry.has_dynamic and not dynamic then return build(registry, schema, place, opts, true) end
  if opts.defaults ~= false then fill.prepare(self.units) end
  return root
end

local meta

local function anything() return true end

-- The check of schemas themselves, made on first use.
local function meta_check()
  if meta then return meta end
  local known = require "tusk.validator.metaschema"
  local registry = document.registry(nil, known)
  local schema, place = registry:load(known[words.META], words.META)
  meta = build(registry, schema, place, { formats = { regex = anything, uri = anything, ["uri-reference"] = anything } })
  return meta
end

-- Raises kind `argument` unless the schema is well made.
local function check_schema(schema, prefix)
  local root, st = meta_check(), state.new()
  if root.run(schema, st) then return end
  st = state.new()
  st.errors = {}
  root.run(schema, st)
  local first = st.errors[1]
  document.refuse(prefix .. first.path, first.message, { errors = st.errors })
end

--- The unit of a whole schema. Raises kind `argument`.
---@param schema any a table, JSON text, true or false
---@param opts { formats: any, strict: boolean|nil, schemas: table|nil, defaults: boolean|nil }
---@return tusk.validator.Unit
function compile.schema(schema, opts)
  local registry = document.registry(opts.schemas, require "tusk.validator.metaschema")
  registry.examine = function(copy, doc, is_text)
    local strict = opts.strict
    if strict == nil and is_text then strict = false end
    for _, part in ipairs(doc.parts) do
      lint.check(part, doc.prefix .. registry.places[part].pointer, strict)
    end
    check_schema(copy, doc.prefix)
  end
  local copy, place = registry:load(schema, "")
  return build(registry, copy, place, opts, false)
end

return compile

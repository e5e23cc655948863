-- document.lua: schemas on their way in: copied, so that nobody changes them later; every subschema with its place;
-- what $id, $anchor and $dynamicAnchor name; what a reference leads to.
local array = require "tusk.array"
local check = require "tusk.check"
local json = require "tusk.json"
local uri = require "tusk.validator.uri"
local values = require "tusk.validator.values"
local words = require "tusk.validator.words"

local document = {}

local DEPTH_MAX, NODES_MAX = 200, 200000

---@class tusk.validator.Resource what has a URI of its own
---@field uri string
---@field root any its schema
---@field doc table { prefix = what precedes its pointers in messages, parts = its subschemas }
---@field pointer string of its root
---@field anchors table<string, table>
---@field dynamic table<string, table>

---@class tusk.validator.Place of a subschema
---@field doc table
---@field pointer string from the document's root
---@field resource tusk.validator.Resource

--- Raises kind `argument`: the schema is not well made.
---@param where string "/properties/age/minimum", with the document's URI before it for others than the main one
function document.refuse(where, what, fields)
  fields = fields or {}
  fields.argument, fields.path = "schema", where
  check.fail(("schema%s: %s"):format(where == "" and "" or " at " .. where, what), fields)
end

-- ---- copies ----

local function take(v, state, pointer, depth)
  local kind, why = values.kind(v)
  state.nodes = state.nodes + 1
  if not kind then document.refuse(state.prefix .. pointer, "holds " .. why .. ", which JSON does not know") end
  if type(v) ~= "table" then return v end
  if state.open[v] then document.refuse(state.prefix .. pointer, "contains itself; refer to it by $ref instead") end
  if depth > DEPTH_MAX then document.refuse(state.prefix, ("is nested deeper than %d"):format(DEPTH_MAX)) end
  if state.nodes > NODES_MAX then document.refuse(state.prefix, ("has more than %d parts"):format(NODES_MAX)) end
  state.open[v] = true
  local out = {}
  for key, item in next, v do
    local token = uri.token(type(key) == "number" and key - 1 or key)
    out[key] = take(item, state, pointer .. "/" .. token, depth + 1)
  end
  state.open[v] = nil
  return kind == "array" and array(out) or out
end

-- A schema as it was given: text, a table, true or false.
local function read(schema, prefix)
  if type(schema) == "string" then
    local ok, value = pcall(json.decode, schema, DEPTH_MAX, nil, true)
    if ok then return value end
    document.refuse(prefix, value.message or tostring(value), { cause = value })
  end
  if type(schema) ~= "table" and type(schema) ~= "boolean" then
    check.fail(("schema%s: a table, JSON text, true or false expected, got %s"):format(
      prefix == "" and "" or " " .. prefix, schema == nil and "nil" or "a " .. type(schema)), { argument = "schema" })
  end
  return take(schema, { open = {}, nodes = 0, prefix = prefix }, "", 0)
end

-- ---- the index ----

local walk

local function walk_list(list, doc, pointer, resource)
  if type(list) ~= "table" then return end
  for i, schema in ipairs(list) do walk(schema, doc, ("%s/%d"):format(pointer, i - 1), resource) end
end

local function walk_named(named, doc, pointer, resource)
  if type(named) ~= "table" or values.table_kind(named) ~= "object" then return end
  for _, key in ipairs(values.sorted_keys(named)) do
    walk(named[key], doc, pointer .. "/" .. uri.token(key), resource)
  end
end

local function add_resource(registry, base, schema, doc, pointer)
  if registry.resources[base] then
    document.refuse(doc.prefix .. pointer, ("the $id %q is there twice"):format(base))
  end
  local resource = { uri = base, root = schema, doc = doc, pointer = pointer, anchors = {}, dynamic = {} }
  registry.resources[base] = resource
  return resource
end

local function add_anchors(registry, schema, resource, doc, pointer)
  for _, word in ipairs { "$anchor", "$dynamicAnchor" } do
    local name = schema[word]
    if type(name) == "string" then
      local other = resource.anchors[name]
      if other and other ~= schema then
        document.refuse(doc.prefix .. pointer, ("the anchor %q is there twice"):format(name))
      end
      resource.anchors[name] = schema
      if word == "$dynamicAnchor" then
        resource.dynamic[name] = schema
        registry.dynamic[#registry.dynamic + 1] = schema
      end
    end
  end
end

function walk(schema, doc, pointer, resource)
  if type(schema) ~= "table" or values.table_kind(schema) == "array" then return end
  local registry = doc.registry
  local id = schema["$id"]
  if type(id) == "string" and schema ~= resource.root then
    resource = add_resource(registry, (uri.resolve(resource.uri, id)), schema, doc, pointer)
  end
  registry.places[schema] = { doc = doc, pointer = pointer, resource = resource }
  doc.parts[#doc.parts + 1] = schema
  if type(schema["$dynamicRef"]) == "string" then registry.has_dynamic = true end
  add_anchors(registry, schema, resource, doc, pointer)
  for _, word in ipairs(words.SCHEMA) do walk(schema[word], doc, pointer .. "/" .. word, resource) end
  for _, word in ipairs(words.LIST) do walk_list(schema[word], doc, pointer .. "/" .. word, resource) end
  for _, word in ipairs(words.NAMED) do walk_named(schema[word], doc, pointer .. "/" .. word, resource) end
end

-- ---- the registry ----

local Registry = {}
Registry.__index = Registry

--- What one compilation knows. `examine`, if set, is called with each schema that comes in, its doc, and whether it
--- was text: it raises when it is not well made.
---@param others table<string, any>|nil URI → schema
---@param known table<string, any> URI → schema: what is built in
function document.registry(others, known)
  return setmetatable({
    others = others or {}, known = known, resources = {}, places = {}, dynamic = {}, loaded = {},
    roots = {}, has_dynamic = false,
  }, Registry)
end

--- Takes a schema in. base: its URI unless it has an $id, "" for none.
---@return any schema the copy
---@return tusk.validator.Place
function Registry:load(schema, base)
  local doc = { prefix = base == "" and "" or base .. "#", registry = self, parts = {} }
  local copy = read(schema, doc.prefix)
  local id = type(copy) == "table" and copy["$id"]
  local own = type(id) == "string" and uri.resolve(base, id) or base
  local resource = add_resource(self, own, copy, doc, "")
  if base ~= own and not self.resources[base] then self.resources[base] = resource end
  self.roots[doc] = resource
  walk(copy, doc, "", resource)
  if self.examine and not rawequal(self.known[base], schema) then self.examine(copy, doc, type(schema) == "string") end
  return copy, self.places[copy] or { doc = doc, pointer = "", resource = resource }
end

local function load_others(self)
  for key, schema in next, self.others do
    if not self.loaded[key] and not self.resources[key] then
      self.loaded[key] = true
      self:load(schema, key)
    end
  end
end

--- The resource of a URI, loaded if need be, or nil. Nothing is fetched.
function Registry:resource(base)
  local found = self.resources[base]
  if found then return found end
  local other = self.others[base] or self.others[base .. "#"]
  if other == nil then other = self.known[base] end
  if other ~= nil then
    self.loaded[base] = true
    self:load(other, base)
    return self.resources[base]
  end
  load_others(self)
  return self.resources[base]
end

-- Along a pointer, which may lead through what is no schema: then what is there becomes one.
local function along(self, resource, pointer)
  local at, path, doc = resource.root, resource.pointer, resource.doc
  for _, token in ipairs(uri.tokens(pointer)) do
    if type(at) ~= "table" then return nil end
    local key = values.table_kind(at) == "array" and token:find("^%d+$") and tonumber(token) + 1 or token
    at, path = at[key], path .. "/" .. uri.token(token)
    if at == nil then return nil end
    if self.places[at] then resource = self.places[at].resource end
  end
  if type(at) == "table" and not self.places[at] then
    walk(at, doc, path, resource)
    if self.examine then self.examine(at, { prefix = doc.prefix .. path, parts = {} }) end
  end
  return at, self.places[at] or { doc = doc, pointer = path, resource = resource }
end

--- What a fragment leads to, and its place; nil when there is nothing.
---@return any schema
---@return tusk.validator.Place
function Registry:find(resource, fragment)
  fragment = uri.percent_decoded(fragment or "")
  if fragment == "" or fragment:find("^/") then return along(self, resource, fragment) end
  local schema = resource.anchors[fragment]
  return schema, schema and self.places[schema]
end

return document

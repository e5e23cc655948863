-- node.lua: the check of one schema, out of the checks of its keywords: one list for each kind of value.
local applicators = require "tusk.validator.applicators"
local assertions = require "tusk.validator.assertions"
local ffi = require "ffi"
local members = require "tusk.validator.members"
local null = require "tusk.null"
local state = require "tusk.validator.state"
local values = require "tusk.validator.values"

local node = {}

local fail, table_kind, type = state.fail, values.table_kind, type
local int64, uint64, istype = ffi.typeof("int64_t"), ffi.typeof("uint64_t"), ffi.istype

-- What is cheap and says most comes first, what needs the others last.
local ORDER = {
  "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
  "pattern", "format", "minItems", "maxItems", "minProperties", "maxProperties", "required", "dependentRequired",
  "properties", "patternProperties", "additionalProperties", "propertyNames", "prefixItems", "items", "contains",
  "uniqueItems", "$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas",
  "unevaluatedProperties", "unevaluatedItems",
}

local KEYWORDS = {}
for _, family in ipairs { assertions, applicators, members } do
  for word, keyword in pairs(family) do KEYWORDS[word] = type(keyword) == "table" and keyword or nil end
end

local function always() return true end

-- All of the list, in order. Without notes the first that fails is the last.
local function several(list)
  local n = #list
  return function(v, st)
    local ok = true
    for i = 1, n do
      if not list[i](v, st) then
        ok = false
        if not st.errors then return false end
      end
    end
    return ok
  end
end

--- One check out of many.
function node.all(list)
  if #list > 3 then return several(list) end
  local a, b, c = list[1], list[2], list[3]
  if not a then return always end
  if not b then return a end
  local noting = several(list)
  if not c then
    return function(v, st)
      if st.errors then return noting(v, st) end
      return a(v, st) and b(v, st)
    end
  end
  return function(v, st)
    if st.errors then return noting(v, st) end
    return a(v, st) and b(v, st) and c(v, st)
  end
end

-- The checks by kind, and of those that come after all others.
local function gather(c, unit)
  local lists, last = {}, {}
  for _, kind in ipairs(values.KINDS) do lists[kind] = {} end
  for _, word in ipairs(ORDER) do
    local argument, keyword = unit.schema[word], KEYWORDS[word]
    local run = argument ~= nil and c:enabled(unit, word) and keyword.make(c, argument, c:at(unit, word), unit)
    if run and keyword.last then last[keyword.kinds[1]] = run
    elseif run then
      for _, kind in ipairs(keyword.kinds) do lists[kind][#lists[kind] + 1] = run end
    end
  end
  return lists, last
end

-- `rest` sees what `run` has looked at, and nothing from outside. Together they have looked at everything.
local function watched(run, rest)
  return function(v, st)
    local outer, seen = st.seen, state.take_seen(st)
    st.seen = seen
    local ok = run(v, st)
    if ok or st.errors then ok = rest(v, st) and ok end
    st.seen = outer
    state.give_seen(st, seen)
    if outer and ok then state.mark(outer, state.ALL) end
    return ok
  end
end

-- ---- type ----

local TEXTS = {
  null = "null", boolean = "true or false", integer = "an integer", number = "a number", string = "a string",
  array = "an array", object = "an object",
}

-- type → true, and the check that notes that a value is of none of them. nil: all are allowed.
local function types_of(c, unit)
  local given = unit.schema.type
  if given == nil or not c:enabled(unit, "type") then return nil end
  local allowed, texts = {}, {}
  for i, name in ipairs(type(given) == "table" and given or { given }) do
    allowed[name], texts[i] = true, TEXTS[name]
  end
  local at, message = c:at(unit, "type"), "must be " .. table.concat(texts, " or ") .. ", is "
  return allowed, function(v, st) return st.errors and fail(st, at, "type", message .. values.shown(v)) end
end

local function whole(run, wrong)
  return function(v, st)
    if not values.is_whole(v) then return wrong(v, st) end
    return run(v, st)
  end
end

-- {} is an object unless the schema here, or one around it for the same value, allows an array only.
local function empty(types, on)
  if types and types.array and not types.object then
    return function(v, st)
      local before = st.list
      st.list = v
      local ok = on.array(v, st)
      st.list = before
      return ok
    end
  end
  if types and not types.array then return on.object end
  return function(v, st)
    if st.list == v then return on.array(v, st) end
    return on.object(v, st)
  end
end

local function by_type(c, unit, on)
  local types, wrong = types_of(c, unit)
  if types then
    for _, kind in ipairs { "null", "boolean", "string", "array", "object" } do
      if not types[kind] then on[kind] = wrong end
    end
    if not types.number then on.number = types.integer and whole(on.number, wrong) or wrong end
  end
  on.empty = empty(types, on)
  return on
end

-- ---- the whole ----

local function other_kind(v)
  if v == nil or v == null then return "null" end
  if istype(int64, v) or istype(uint64, v) then return "number" end
end

local function switch(on)
  local on_string, on_number, on_boolean = on.string, on.number, on.boolean
  return function(v, st)
    local t = type(v)
    if t == "string" then return on_string(v, st) end
    if t == "number" and v - v == 0 then return on_number(v, st) end
    if t == "boolean" then return on_boolean(v, st) end
    local kind, why
    if t == "table" then kind, why = table_kind(v) else kind = other_kind(v) end
    if kind then return on[kind](v, st) end
    return state.refuse(st, why or select(2, values.kind(v)))
  end
end

local function entering(run, resource)
  return function(v, st)
    local n = st.nscope
    st.nscope = n + 1
    st.scope[n + 1] = resource
    local ok = run(v, st)
    st.nscope = n
    return ok
  end
end

local function constant(unit)
  if unit.schema then return always end
  local at, word = unit.at, unit.word
  return function(_, st) return st.errors and fail(st, at, word, "is not allowed") end
end

--- The check of a unit's schema.
---@param c tusk.validator.Compiler
---@param unit tusk.validator.Unit
function node.check(c, unit)
  if type(unit.schema) == "boolean" then return constant(unit) end
  c:vocabulary(unit) -- is its meta-schema known?
  local lists, last = gather(c, unit)
  local on, any = {}, unit.schema.type ~= nil
  for kind, list in pairs(lists) do
    on[kind] = node.all(list)
    if last[kind] then on[kind] = watched(on[kind], last[kind]) end
    any = any or on[kind] ~= always
  end
  local run = any and switch(by_type(c, unit, on)) or always
  local resource = unit.place.resource
  if c.dynamic and resource.root == unit.schema then return entering(run, resource) end
  return run
end

return node

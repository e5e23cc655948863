-- @validator: values checked against JSON Schema 2020-12, defaults filled in.
local cache = require "tusk.validator.cache"
local check = require "tusk.check"
local compile = require "tusk.validator.compile"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local fill = require "tusk.validator.fill"
local state = require "tusk.validator.state"

local validator = {}

local OPTIONS = { "formats", "strict", "schemas", "defaults" }

-- The state is kept for the next validation; one that raised is not, nor is one in use.
local function take(root)
  local st = root.idle or state.new()
  root.idle = nil
  return st
end

-- All that is wrong with a value: never empty.
local function failures(root, value, st)
  local found = {}
  if st.given_up then return { st.given_up } end
  st.errors = found
  root.run(value, st)
  st.errors = false
  if st.given_up then found[#found + 1] = st.given_up end
  return found
end

-- Whether the value holds; the value with defaults, or the failures.
local function run(root, value)
  local st = take(root)
  st.root, st.given_up, st.refused = value, false, false
  if root.fill or root.default ~= nil then value = fill.run(root, value, st) end
  local ok = root.run(value, st) and not st.given_up
  local answer = value
  if not ok and not st.refused then answer = failures(root, value, st) end
  st.root, root.idle = false, st
  if st.refused then check.fail(st.refused[1], st.refused[2]) end
  return ok, answer
end

local SHOWN = 3

local function line(failure)
  return (failure.path == "" and "the value" or failure.path) .. " " .. failure.message
end

local function raise(list)
  local texts = {}
  for i = 1, math.min(#list, SHOWN) do texts[i] = line(list[i]) end
  local message = table.concat(texts, "; ")
  if #list > SHOWN then message = ("%s; and %d more"):format(message, #list - SHOWN) end
  errors.raise("validation", message, { errors = list, truncated = list.truncated })
end

local function validate(root, value)
  local ok, answer = run(root, value)
  if ok then return answer end
  raise(answer)
end

local function checked(root, value)
  local ok, answer = run(root, value)
  if ok then return true end
  return false, answer
end

local function options(opts)
  if opts == nil then return {} end
  check.options(opts, OPTIONS)
  check.opt_boolean("strict", opts.strict)
  check.opt_boolean("defaults", opts.defaults)
  check.opt_table("schemas", opts.schemas)
  if opts.formats ~= nil and type(opts.formats) ~= "boolean" then
    for name, fn in pairs(check.table("formats", opts.formats)) do check.callable("formats." .. tostring(name), fn) end
  end
  return opts
end

local function root_of(schema, opts)
  local known = cache.find(schema, opts)
  if known then return known end
  opts = options(opts)
  return cache.keep(schema, opts, compile.schema(schema, opts))
end

--- The value, with defaults where properties were missing. What was handed in is not changed: tables that get
--- something are copied first. Raises kind `validation` with `errors` = { { path, schema, keyword, message }, … }.
---@param value any
---@param schema table|string|boolean JSON Schema 2020-12: a table, or JSON text; compiled once
---@param opts { formats: boolean|table, strict: boolean, schemas: table, defaults: boolean }|nil
---@return any value
function validator.validate(value, schema, opts)
  dots.check("validator", validator, value, "validate(value, schema)")
  return validate(root_of(schema, opts), value)
end

--- true, or false and all that is wrong.
---@param value any
---@param schema table|string|boolean
---@param opts table|nil as for validate
---@return boolean
---@return table[]|nil errors
function validator.check(value, schema, opts)
  dots.check("validator", validator, value, "check(value, schema)")
  return checked(root_of(schema, opts), value)
end

local meta = { __name = "tusk.validator.Schema", __namespace = true }

function meta.__index(_, key)
  check.no_field("a compiled schema", key, { validate = true, check = true }, {})
end

--- A compiled schema: { validate(value), check(value) }, called with dots.
---@param schema table|string|boolean
---@param opts table|nil as for validate
---@return table
function validator.compile(schema, opts)
  dots.check("validator", validator, schema, "compile(schema)")
  local root = root_of(schema, opts)
  local compiled = {}
  function compiled.validate(value)
    dots.check("validator", compiled, value, "compile(schema).validate(value)")
    return validate(root, value)
  end
  function compiled.check(value)
    dots.check("validator", compiled, value, "compile(schema).check(value)")
    return checked(root, value)
  end
  return setmetatable(compiled, meta)
end

return validator

-- manifest.lua: plugins as found on disk: what each says of itself, and the order that follows.
local check = require "tusk.check"
local errors = require "tusk.errors"
local loader = require "tusk.loader"
local operators = require "tusk.operators"
local schema = require "tusk.schema"
local service = require "tusk.service"

local manifest = {}

---@class tusk.Plugin
---@field name string
---@field version string|nil
---@field description string|nil
---@field requires string[]|nil names of plugins, or "@operator"
---@field config table<string, tusk.Field>|nil
---@field setup fun(ctx: table, cfg: table)|nil
---@field operators table<string, any>|nil
---@field services table<string, function|table>|nil
---@field on table<string, fun(ctx: table, ...: any)>|nil ready, shutdown, and events of the embedding program
---@field check function|nil
---@field teardown fun(ctx: table)|nil

local KEYS = { "name", "version", "description", "requires", "config", "setup", "operators", "services", "on", "check",
  "teardown" }
local FUNCTIONS = { "setup", "teardown", "check" }
local TABLES = { "requires", "config", "operators", "services", "on" }
local STRINGS = { "version", "description" }
local EVENTS = { "ready", "shutdown" }

local function fail(message, fields)
  errors.raise("plugin", message, fields)
end

local function is_list_of_strings(list)
  local n = 0
  for _, v in pairs(list) do
    if type(v) ~= "string" then return false end
    n = n + 1
  end
  return n == #list
end

-- A function, run once, or { run = fn, restart = …, backoff = …, max = …, within = … }.
local function check_service(name, s, file)
  if type(s) == "table" then
    local ok, e = pcall(service.policy, s, service.IN_MANIFEST)
    if not ok then fail(("%s: service %q: %s"):format(file, tostring(name), e.message), { suggestion = e.suggestion }) end
    if type(s.run) == "function" then return end
  end
  if type(s) ~= "function" then
    fail(("%s: service %q must be a function, or a table with a function `run`"):format(file, tostring(name)))
  end
end

local function check_functions(p, file)
  for name, s in pairs(p.services or {}) do check_service(name, s, file) end
  for event, fn in pairs(p.on or {}) do
    if type(event) ~= "string" or event == "" then fail(file .. ": on: events have names") end
    local near = event ~= EVENTS[1] and event ~= EVENTS[2] and check.nearest(event, EVENTS)
    if near then fail(('%s: on: no event %q (did you mean "%s"?)'):format(file, event, near), { suggestion = near }) end
    if type(fn) ~= "function" then fail(("%s: on.%s must be a function"):format(file, event)) end
  end
end

local function check_types(p, file)
  for kind, keys in pairs { ["function"] = FUNCTIONS, table = TABLES, string = STRINGS } do
    for _, key in ipairs(keys) do
      if p[key] ~= nil and type(p[key]) ~= kind then fail(("%s: %s must be a %s"):format(file, key, kind)) end
    end
  end
  if not is_list_of_strings(p.requires or {}) then fail(file .. ": requires must be a list of strings") end
  check_functions(p, file)
end

local function check_keys(p, file)
  for key in pairs(p) do
    local known = false
    for _, k in ipairs(KEYS) do known = known or k == key end
    if not known then
      local hint, near = check.hint(tostring(key), KEYS)
      fail(("%s: a plugin has no field %q%s"):format(file, tostring(key), hint), { suggestion = near })
    end
  end
end

-- A name as Lua has them, and not one of its keywords.
local function is_name(name)
  return type(name) == "string" and name:match("^[%a_][%w_]*$") and load("local " .. name) ~= nil
end

local function check_operators(p, file)
  for name, value in pairs(p.operators or {}) do
    if not is_name(name) then fail(("%s: %q is no name for an operator"):format(file, tostring(name))) end
    if type(value) ~= "table" and type(value) ~= "function" then
      fail(("%s: @%s must be a table or a function, not a %s"):format(file, name, type(value)))
    end
    if operators.is_core(name) then fail(("%s: @%s is the host's own and cannot be replaced"):format(file, name)) end
  end
end

--- The manifest that a plugin's file returned, checked.
---@param value any
---@param file string
---@param default_name string a function alone is a plugin of this name
---@return tusk.Plugin
function manifest.check(value, file, default_name)
  if type(value) == "function" then value = { name = default_name, setup = value } end
  if type(value) ~= "table" then
    fail(("%s must return a table like { name = %q }, or a function; it returned %s"):format(file, default_name, type(value)))
  end
  if type(value.name) ~= "string" or not value.name:match("^[%w_%-]+$") then
    fail(("%s: name must be a string of letters, digits, _ and -"):format(file))
  end
  check_keys(value, file)
  check_types(value, file)
  check_operators(value, file)
  local wrong = schema.problems(value.config or {}, file)
  if wrong[1] then fail(wrong[1], { help = wrong[2] and wrong or nil }) end
  return value
end

-- What a plugin's file returns. Where it was a tail call that failed, nothing else says in which file.
local function run(fn, file, default_name)
  local ok, value = xpcall(fn, errors.note, default_name, file)
  if ok then return value end
  if getmetatable(value) == errors.Error and not value.site then
    value.help = value.help or {}
    table.insert(value.help, "in " .. file)
  end
  errors.rethrow(value)
end

--- Loads one plugin. Its body runs in the calling task.
---@param file string
---@param default_name string
---@param dir string the plugin's own folder
---@param chunkname string|nil "@" and the file unless given
function manifest.load(file, default_name, dir, chunkname)
  if file:match("%.so$") then
    return { manifest = manifest.check(require("tusk.library").open(file), file, default_name), file = file, dir = dir }
  end
  local text, message = loader.read_all(file)
  local fn
  if text then fn, message = loader.compile(text, chunkname or "@" .. file) end
  if not fn then error(errors.of_compiler(message, "plugin"), 0) end
  return { manifest = manifest.check(run(fn, file, default_name), file, default_name), file = file, dir = dir }
end

local function providers_of(plugins)
  local by = {}
  for _, p in ipairs(plugins) do
    local name = p.manifest.name
    if by[name] then fail(("two plugins are called %q: %s and %s"):format(name, by[name].file, p.file)) end
    by[name] = p
    for op in pairs(p.manifest.operators or {}) do
      local other = by["@" .. op]
      if other then fail(("@%s has two providers: %s (%s) and %s (%s)")
        :format(op, other.manifest.name, other.file, name, p.file)) end
      by["@" .. op] = p
    end
  end
  return by
end

local function missing(path, need, by)
  local p, chain = path[#path], {}
  for i, q in ipairs(path) do chain[i] = q.manifest.name end
  chain[#chain + 1] = need
  local names = schema.names_of(by)
  local hint, near = check.hint(need, names)
  fail(("%s requires %s, which no plugin provides%s"):format(p.manifest.name, need, hint),
    { suggestion = near, help = { table.concat(chain, " → "), "there is: " .. table.concat(names, ", ") } })
end

local function circle(path, p)
  local names, inside = {}, false
  for _, q in ipairs(path) do
    inside = inside or q == p
    if inside then names[#names + 1] = q.manifest.name end
  end
  names[#names + 1] = p.manifest.name
  fail("plugins require each other in a circle: " .. table.concat(names, " → "))
end

local visit

local function visit_needs(p, by, path, done, order)
  p.needs = {}
  for _, need in ipairs(p.manifest.requires or {}) do
    local other = by[need]
    if other then
      visit(other, by, path, done, order)
      p.needs[#p.needs + 1] = other
    elseif not (need:sub(1, 1) == "@" and operators.is_core(need:sub(2))) then
      missing(path, need, by)
    end
  end
end

function visit(p, by, path, done, order)
  if done[p] == "done" then return end
  if done[p] then circle(path, p) end
  done[p] = "open"
  path[#path + 1] = p
  visit_needs(p, by, path, done, order)
  path[#path] = nil
  done[p] = "done"
  order[#order + 1] = p
end

--- Providers first. Raises kind `plugin` for two providers, a missing one, or a circle.
function manifest.order(plugins)
  local by, order, done = providers_of(plugins), {}, {}
  for _, p in ipairs(plugins) do visit(p, by, {}, done, order) end
  return order
end

return manifest

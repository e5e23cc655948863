-- operators.lua: operators by name: the core's, loaded on first use, and those that plugins provide.
local kernel = require "tusk.kernel"
local errors = require "tusk.errors"
local check = require "tusk.check"

local operators = {}

local core = {} -- name → true
for _, name in ipairs(kernel.modules "tusk.op.") do core[name] = true end
local loaded = {} -- name → value
local providers = {} -- name → plugin, for those of plugins
local announced = {} -- name → plugin, for those of plugins that may not be set up
local from_c = {} -- name → value, for those that the embedding program has defined

--- All names, sorted.
---@return string[]
function operators.names()
  local list = {}
  for name in pairs(core) do list[#list + 1] = name end
  for name in pairs(providers) do list[#list + 1] = name end
  table.sort(list)
  return list
end

--- Is it one of the host's own? Those cannot be replaced.
function operators.is_core(name)
  return core[name] == true
end

local function keys_of(namespace)
  local keys = {}
  for key in pairs(namespace) do keys[#keys + 1] = tostring(key) end
  table.sort(keys)
  return keys
end

-- A misspelt function of a plain namespace is an error, not nil; so is a call of the namespace itself.
local function strict(name, namespace)
  local mt = getmetatable(namespace)
  if mt and mt.__index then return namespace end
  mt = mt or {}
  mt.functions = namespace
  mt.__index = function(_, key)
    local keys = keys_of(namespace)
    local hint, near = check.hint(tostring(key), keys)
    errors.raise("operator", ("no function %q%s"):format(tostring(key), hint),
      { suggestion = near, help = { "functions: " .. table.concat(keys, ", ") } })
  end
  mt.__call = mt.__call or function()
    errors.raise("operator", ("a table of functions, not a function; call one of them, such as @%s.%s(…)"):format(name, keys_of(namespace)[1] or "name"),
      { help = { "functions: " .. table.concat(keys_of(namespace), ", ") } })
  end
  return setmetatable(namespace, mt)
end

--- Set by the command line: a line about where an unknown operator may be, or nil.
---@type nil|fun(): string|nil
operators.elsewhere = nil

--- Where an operator is to be had that nobody provides here: a plugin that comes with Tusk, and is not listed.
---@return string|nil line
function operators.shipped(name)
  local ok, plugin = pcall(function() return require("tusk.shipped").provider(name) end)
  if not ok or not plugin then return nil end
  return ("the plugin %s, which comes with Tusk, provides it; list it in tusk.lua: plugins = { %s = {} }"):format(plugin, plugin)
end

--- The error for a name that nobody provides.
function operators.unknown(name)
  if announced[name] then
    errors.raise("operator", ("the plugin %q, which provides @%s, is not set up at this moment"):format(announced[name], name),
      { help = { ('a plugin that needs it in setup says so: requires = { "@%s" }'):format(name) } })
  end
  local shipped = operators.shipped(name)
  if shipped then errors.raise("operator", ("there is no operator @%s"):format(name), { help = { shipped } }) end
  local hint, near = check.hint(name, operators.names())
  errors.raise("operator", ("there is no operator @%s%s"):format(name, hint),
    { suggestion = near, help = not near and operators.elsewhere and { operators.elsewhere() } or nil })
end

--- The operator of that name; raises kind `operator` if there is none.
function operators.get(name)
  local value = loaded[name]
  if value ~= nil then return value end
  if not core[name] then operators.unknown(name) end
  value = require("tusk.op." .. name)
  if type(value) == "table" then value = strict(name, value) end
  loaded[name] = value
  return value
end

--- Can `@name` be used now?
--- The names of the functions of one of the host's own operators; nil if they are not known beforehand.
---@return string[]|nil
function operators.functions(name)
  local value = core[name] and operators.get(name)
  local mt = type(value) == "table" and getmetatable(value)
  return mt and mt.functions and keys_of(mt.functions) or nil
end

function operators.exists(name)
  return core[name] == true or loaded[name] ~= nil
end

--- Says who will add an operator, for the message to those who use it before, or after.
function operators.announce(name, plugin)
  announced[name] = plugin
end

--- Adds a plugin's operator. The plugin host has checked that the name is free.
function operators.define(name, value, plugin)
  if type(value) == "table" then value = strict(name, value) end
  loaded[name], providers[name] = value, plugin
end

local function refuse(name, why)
  errors.raise("exists", ("@%s: %s"):format(name, why))
end

local function check_free(name, key, namespace)
  local whole = key and name .. "." .. key or name
  if providers[name] or announced[name] then
    refuse(whole, ("@%s is an operator of the plugin %q"):format(name, providers[name] or announced[name]))
  elseif core[name] and not from_c[name] then
    refuse(whole, ("@%s is the host's own and cannot be added to"):format(name))
  elseif namespace and (not key or type(namespace) ~= "table") then
    refuse(whole, type(namespace) == "table" and "there are functions in it" or "it is defined already")
  elseif namespace and rawget(namespace, key) ~= nil then
    refuse(whole, "it is defined already")
  end
end

--- Adds an operator from C, or a function of one; then it is the host's own. Raises kind `exists`.
---@param into table<string, any>|nil where to put it instead: what a plugin will define
---@param name string
---@param key string|nil
---@param fn function
function operators.add(into, name, key, fn)
  local list = into or from_c
  local namespace = list[name]
  check_free(name, key, namespace)
  if not key then list[name] = fn
  elseif namespace then namespace[key] = fn
  else list[name] = { [key] = fn } end
  if into or namespace then return end
  core[name], loaded[name] = true, key and strict(name, from_c[name]) or fn
end

--- Puts another value in the place of an operator's own, for tests; at.refresh tells those who have it.
---@return any before
function operators.replace(name, value)
  local before = operators.get(name)
  if type(value) == "table" then value = strict(name, value) end
  loaded[name] = value
  return before
end

--- The name of the plugin that provides it, or nil.
function operators.provider(name)
  return providers[name]
end

--- Takes a plugin's operator away again.
function operators.remove(name)
  loaded[name], providers[name] = nil, nil
end

return operators

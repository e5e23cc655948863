-- @env: what the process and its .env files were given.
local check = require "tusk.check"
local core = require "tusk.core"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local secret = require "tusk.secret"

local env = {}

local BOOLEANS = {
  ["true"] = true, ["yes"] = true, ["on"] = true, ["1"] = true,
  ["false"] = false, ["no"] = false, ["off"] = false, ["0"] = false,
}

local function name_check(name)
  dots.check("env", env, name, "get(name)")
  check.string("name", name)
  if name == "" or name:find("[=%z]") then
    check.fail(("name: %q is no name of a variable"):format(name), { argument = "name" })
  end
end

--- The value of a variable, or default.
---@param name string
---@param default any
---@return string|nil
function env.get(name, default)
  name_check(name)
  local value = core.env[name]
  if value == nil then return default end
  return value
end

local function invalid(name, value, want)
  errors.raise("env.invalid", ("%s must be %s, not %q"):format(name, want, value), { name = name })
end

local parsers = {
  string = function(value) return value end,
  number = function(value, name) return tonumber(value) or invalid(name, value, "a number") end,
  boolean = function(value, name)
    local b = BOOLEANS[value:lower()]
    if b == nil then invalid(name, value, "true or false") end
    return b
  end,
}

--- The value of a variable, read as what default is: number, boolean or string.
---@generic T
---@param name string
---@param default T what stands for a variable that is not set
---@return T
function env.parse(name, default)
  name_check(name)
  local parser = parsers[type(default)]
  if not parser then
    check.fail("default must be a number, a boolean or a string, got " .. type(default), { argument = "default" })
  end
  local value = core.env[name]
  if value == nil then return default end
  return parser(value, name)
end

--- The value of a variable that must be set, and not to nothing.
---@param name string
---@return string value raises env.missing
function env.require(name)
  name_check(name)
  local value = core.env[name]
  if value == nil or value == "" then
    errors.raise("env.missing", ("%s is %s"):format(name, value and "empty" or "not set"), { name = name })
  end
  return value
end

--- The same, as a value that prints as *** and gives itself away only by :reveal().
---@param name string
---@return userdata secret raises env.missing
function env.secret(name)
  return secret.new(env.require(name))
end

return setmetatable(env, { __call = function(_, name, default) return env.get(name, default) end })

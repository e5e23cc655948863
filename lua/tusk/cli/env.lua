-- cli/env: .env files, and the variables that set configuration.
local core = require "tusk.core"
local errors = require "tusk.errors"
local loader = require "tusk.loader"

local env = {}

local function read(path, into)
  local text, message = loader.read_all(path)
  if not text and message:find("No such file", 1, true) then return 0 end
  if not text then errors.raise("config", message) end
  local n = 0
  for key, value in pairs(require("tusk.dotenv").parse(text, path)) do
    into[key], n = value, n + 1
  end
  return n
end

--- Reads .env, .env.local (not in tests) and .env.ENVIRONMENT; what the process has goes before.
---@return integer how many values
function env.load(dir, environment)
  local values = {}
  local n = read(dir .. "/.env", values)
  if environment ~= "test" then n = n + read(dir .. "/.env.local", values) end
  n = n + read(dir .. "/.env." .. environment, values)
  for key, value in pairs(values) do
    if os.getenv(key) == nil then rawset(core.env, key, value) end
  end
  return n
end

--- All TUSK_… variables, the process's own and those of .env.
---@return table<string, string>
function env.variables()
  local out = {}
  local environ = io.open("/proc/self/environ", "rb")
  if environ then
    for name, value in (environ:read("*a")):gmatch("(TUSK_[^=%z]+)=([^%z]*)") do out[name] = value end
    environ:close()
  end
  for name, value in pairs(core.env) do
    if name:match("^TUSK_") and out[name] == nil then out[name] = value end
  end
  return out
end

return env

-- worker/inside.lua: what runs in a worker's thread. Nothing can wait there: operators that do, or that belong to
-- the program's own host, raise kind `operator`.
local check = require "tusk.check"
local errors = require "tusk.errors"
local operators = require "tusk.operators"

local inside = {}

local WORKS = { hash = true, json = true, date = true, random = true, try = true } -- these never wait

local function refuse()
  errors.raise("operator", "not for workers: nothing can wait there",
    { help = { "do that before @worker.call, or after; values cross, operators do not" } })
end

local function restrict(look)
  local refusing = { __call = refuse, __index = refuse }
  for _, name in ipairs(operators.names()) do
    if not WORKS[name] then operators.define(name, setmetatable({}, refusing), "worker") end
  end
  operators.define("worker", setmetatable({ call = refuse, check = look }, refusing), "worker")
end

local function find(module, name)
  local value = require(module)
  if type(value) ~= "table" then
    check.fail(("the module %q is a %s, not a table of functions"):format(module, type(value)))
  end
  local fn = value[name]
  if check.is_callable(fn) then return fn end
  local names = {}
  for key, v in pairs(value) do
    if type(key) == "string" and check.is_callable(v) then names[#names + 1] = key end
  end
  local hint, near = check.hint(name, names)
  check.fail(("the module %q has no function %q%s"):format(module, name, hint), { suggestion = near })
end

local function call(module, name, ...)
  return find(module, name)(...)
end

-- Error objects lose their metatable on the way: marked here, made again on the other side.
local function plain(value, depth)
  if type(value) ~= "table" or depth > 20 then return value end
  local is_error = getmetatable(value) == errors.Error
  local out = {}
  for k, v in next, value do out[k] = plain(v, depth + 1) end
  out.__error = is_error or nil
  return out
end

local function outcome(ok, ...)
  if ok then return true, ... end
  return false, plain(errors.wrap((...)), 1)
end

-- One call → true, results; or false, what it failed with.
local function run(path, cpath, ...)
  package.path, package.cpath = path, cpath
  return outcome(xpcall(call, errors.note, ...))
end

--- Called once in each thread.
---@param look function raises if the call is to end
---@return function run, table values
function inside.start(look)
  restrict(look)
  return run, require "tusk.worker.values"
end

return inside

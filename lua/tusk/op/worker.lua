-- @worker: functions of modules, run on threads with a Lua state of their own.
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local raw = require "tusk.binding.worker"

raw.use(require "tusk.worker.values")

local worker = {}

local revive

local function revive_all(t)
  for k, v in next, t do
    if type(v) == "table" then t[k] = revive(v) end
  end
  return t
end

-- An error object again, with all it holds.
function revive(t)
  revive_all(t)
  if not t.__error then return t end
  t.__error = nil
  return setmetatable(t, errors.Error)
end

-- What failed there, as if it had been called here: its own place, then the call's.
local function fail(e)
  if type(e) ~= "table" or not e.__error then error(e, 0) end
  local here = errors.new(e.kind, e.message)
  local err = revive(e)
  if not err.site or err.site.file:find("^%[tusk") then err.site = here.site end
  err.op = err.op or here.op
  err.task, err.spawned, err.called_at = here.task, here.spawned, here.site
  local own = err.traceback
  err.traceback = own and own ~= "" and own .. "\n" .. here.traceback or here.traceback
  error(err, 0)
end

local function deliver(ok, ...)
  if ok then return ... end
  fail((...))
end

--- require(module)[fn](…) on a thread with its own Lua state: for work that computes. Arguments and results are
--- copied: nil, booleans, numbers, 64-bit integers, strings, tusk.null, and tables of these; anything else is an
--- argument error that says where it is. What the function fails with is raised here.
---@param module string
---@param fn string
---@param ... any
---@return any ... its results
function worker.call(module, fn, ...)
  check.string("module", module)
  check.string("fn", fn)
  return deliver(core.settle(raw.call(package.path, package.cpath, module, fn, ...)))
end

--- In a loop that computes for long: ends it if the call was cancelled. Outside of workers, a checkpoint.
function worker.check()
  core.checkpoint()
end

return worker

-- test/sweep: a body, cancelled at each of its checkpoints in turn.
local check = require "tusk.check"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local leaks = require "tusk.test.leaks"
local scope = require "tusk.scope"

local sweep = {}

local MOST = 10000 -- checkpoints of a body that ends
local HOW = { entry = "on entry to", parked = "while it waits, at" }

local place, running -- of the checkpoint at which this run is cancelled; is there a sweep?

kernel.use("swept", function() place = errors.here() end)

local function describe(info)
  local where = info.place and ("%s%s:%d"):format(info.place.op and "@" .. info.place.op .. " at " or "",
    info.place.file, info.place.line) or "an unknown place"
  return ("cancelled %s checkpoint %d (%s)"):format(HOW[info.how], info.checkpoint, where)
end

local function judged(info, ok, e)
  if ok then return end
  if not info.place or errors.is(e, "cancelled") then errors.rethrow(e) end
  errors.raise("test", describe(info) .. ": " .. tostring(e), { cause = errors.wrap(e) })
end

local function watched(s, info, body, value)
  kernel.sweep(s, info.checkpoint, info.how == "parked")
  body(value)
end

-- One run, cancelled at the n-th checkpoint; 0: at none -> how many it came to.
local function run(body, opts, n, how, before)
  local value = opts.setup and opts.setup()
  local info = { checkpoint = n, how = how }
  place = nil
  local ok, e = xpcall(scope.run, errors.note, { name = "sweep" }, watched, info, body, value)
  local count = kernel.sweep_end()
  info.place = place
  judged(info, ok, e)
  if opts.check then judged(info, xpcall(opts.check, errors.note, value, info)) end
  if before then judged(info, xpcall(leaks.expect, errors.note, before)) end
  return count
end

local function sweep_all(body, opts, before)
  for _, how in ipairs { "entry", "parked" } do
    local n = 0
    repeat
      n = n + 1
      if n > MOST then errors.raise("test", ("the body has more than %d checkpoints"):format(MOST)) end
    until run(body, opts, n, how, before) < n
  end
end

local function all(body, opts)
  local total = run(body, opts, 0)
  sweep_all(body, opts, leaks.snapshot())
  return total
end

local function finish(ok, result)
  running = false
  if not ok then errors.rethrow(result) end
  return result
end

--- Runs body(value) once as it is, then again and again, cancelled at its 1st, 2nd … last checkpoint: on entry to each,
--- then while waiting in each. Raises kind `test` if a run fails with anything but `cancelled`, if the check does, or if
--- tasks, handles or descriptors are left.
---@param body fun(value: any)
---@param opts table|nil { setup = fn() → value, before each run; check = fn(value, { checkpoint, how, place }), after it }
---@return integer n checkpoints of the run that was not cancelled
function sweep.run(body, opts)
  check.callable("body", body)
  opts = check.options(opts, { "setup", "check" })
  check.opt_callable("setup", opts.setup)
  check.opt_callable("check", opts.check)
  if running then check.fail("a sweep within a sweep") end
  running = true
  return finish(xpcall(all, errors.note, body, opts))
end

return sweep

-- service.lua: a task that is run again when it ends, after a while that grows, until it has failed too often.
local check = require "tusk.check"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local operators = require "tusk.operators"
local scope = require "tusk.scope"
local wait = require "tusk.wait"

local service = {}

---@class tusk.ServiceOptions
---@field restart string|nil "always", "on-failure" (the default), "never"
---@field backoff table|nil { base = "100ms", cap = "30s" }: how long it waits after the first end, and at most
---@field max integer|nil it gives up with its 10th failure …
---@field within number|string|nil … in a minute ("1m")

local OPTIONS = { "restart", "backoff", "max", "within" }
service.IN_MANIFEST = { "run", unpack(OPTIONS) }

local RESTARTS = { always = true, ["on-failure"] = true, never = true }

--- The options, checked, with what is not given filled in.
---@param opts tusk.ServiceOptions
---@param allowed string[]|nil the options there may be
function service.policy(opts, allowed)
  check.options(opts, allowed or OPTIONS)
  local restart, max = opts.restart or "on-failure", opts.max or 10
  if not RESTARTS[restart] then
    check.fail('restart: write "always", "on-failure" or "never"', { argument = "restart" })
  end
  local backoff = check.opt_table("backoff", opts.backoff)
  check.options(backoff, { "base", "cap" })
  if max ~= math.huge and check.integer("max", max) < 1 then
    check.fail("max: at least 1 is needed", { argument = "max" })
  end
  return {
    restart = restart, max = max, within = check.duration("within", opts.within, 60),
    base = check.duration("backoff.base", backoff and backoff.base, 0.1),
    cap = check.duration("backoff.cap", backoff and backoff.cap, 30),
  }
end

-- One more failure: has it failed too often in too short a time?
local function gives_up(policy, failures)
  failures[#failures + 1] = kernel.now()
  if #failures < policy.max then return false end
  return kernel.now() - table.remove(failures, 1) <= policy.within
end

-- Doubled with each end, from half of that to all of it: services that ended together do not come back together.
local function pause(policy, ends)
  local longest = math.min(policy.cap, policy.base * 2 ^ math.min(ends - 1, 50))
  return longest * (0.5 + operators.get("random").int(0, 1000) / 2000)
end

-- The log adds the task's name: the service's.
local function tell(seconds, err)
  operators.get("log").warn("service starts again", { after = ("%.3f s"):format(seconds), error = tostring(err) })
end

local function body(_, fn, ...)
  fn(...)
end

-- One run, in a scope of its own: nothing of it is left when the next one begins.
local function run_once(fn, ...)
  local ok, err = xpcall(scope.run, errors.note, nil, body, fn, ...)
  wait.checkpoint() -- a cancelled service ends here
  if not ok then return false, errors.wrap(err) end
  return true
end

--- Runs fn(…) by the policy. Returns when it need not run again, raises its failure when it has given up.
---@param policy table from service.policy
function service.run(policy, fn, ...)
  local failures, ends = {}, 0
  while true do
    local from = kernel.now()
    local ok, err = run_once(fn, ...)
    local again = policy.restart == "always" or not ok and policy.restart == "on-failure"
    if not ok and (not again or policy.max ~= math.huge and gives_up(policy, failures)) then errors.rethrow(err) end
    if not again then return end
    ends = kernel.now() - from > policy.within and 1 or ends + 1
    local seconds = pause(policy, ends)
    if not ok then tell(seconds, err) end
    wait.sleep(seconds)
  end
end

return service

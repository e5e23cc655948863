-- attempts.lua: requests that are sent again when they fail for a passing reason (`retry =`).
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local retry = require "tusk.retry"
local retry_after = require "tusk.http.retry_after"
local sending = require "tusk.http.sending"

local attempts = {}

local OPTIONS = { "attempts", "base", "cap", "jitter", "unsafe", "budget" }

--- What `retry =` asks for, checked; nil for nothing.
---@param opts table|boolean|nil
---@param kept boolean|nil is it for many requests, which can share a budget?
function attempts.policy(opts, kept)
  if not opts or retry.is_policy(opts) then return opts or nil end
  if opts == true then return retry.policy() end
  if type(opts) ~= "table" then
    check.fail("retry: true or a table such as { attempts = 3 } expected, got " .. type(opts), { argument = "retry" })
  end
  if not kept and opts.budget ~= nil then
    check.fail("budget: is for many calls; give it to a client, or to a @policy", { argument = "budget" })
  end
  local policy = retry.policy(opts, OPTIONS)
  policy.unsafe = check.opt_boolean("retry.unsafe", opts.unsafe)
  return policy
end

local function is_passing(status)
  return status == 429 or status >= 500
end

local function time_left(plan, started)
  if plan.patient then return math.huge end
  return plan.timeout - (core.now() - started)
end

-- The pause after an answer, or nil if it is the one to return.
local function pause_after(plan, answer, attempt, started)
  answer.attempts = attempt
  if not (plan.idempotent and is_passing(answer.status)) or sending.is_spent(plan) then return nil end
  return retry.pause(plan.retry, attempt, retry_after(answer.headers), time_left(plan, started))
end

-- The pause after a failure; raises it if it was the last.
local function pause_after_error(plan, err, attempt, started, since)
  local again = not sending.is_spent(plan) and retry.wants(plan.retry, err, attempt, since)
  local seconds = again and retry.pause(plan.retry, attempt, retry.floor(err), time_left(plan, started))
  if not seconds then error(retry.spent(err, attempt), 0) end
  return seconds
end

-- An attempt that has begun so much earlier, as it were, and says what time it really had.
local function limited(plan, once, started, own)
  local ok, answer = pcall(once, plan, started)
  if ok then return answer end
  if errors.is(answer, "timeout") and answer.after == plan.timeout then
    answer.message, answer.after = answer.message:gsub("within %S+ s$", ("within %g s"):format(own)), own
  end
  error(answer, 0)
end

-- An attempt has its own time, if that is less than what is left.
local function send(_, plan, once, started)
  local own = plan.attempt_timeout
  if own and plan.patient then return core.timeout(own, once, plan, started) end
  local earlier = own and own < plan.timeout and core.now() - (plan.timeout - own)
  if earlier and earlier < started then return limited(plan, once, earlier, own) end
  return once(plan, started)
end

-- An attempt, under what there is to be around each: a limiter's key may be made of the URL.
local function try(plan, once, started)
  if plan.guard then return plan.guard(send, plan.address, plan, once, started) end
  return send(plan.address, plan, once, started)
end

local function run(plan, once)
  local started, attempt = core.now(), 1
  if not plan.retry then return try(plan, once, started) end
  retry.begin(plan.retry)
  while true do
    local since = retry.mark()
    local ok, answer = pcall(try, plan, once, started)
    local seconds
    if ok then
      seconds = pause_after(plan, answer, attempt, started)
      if not seconds then return answer end
      answer:close()
    else
      seconds = pause_after_error(plan, answer, attempt, started, since)
    end
    core.sleep(seconds)
    attempt = attempt + 1
  end
end

local LATER = 0.05 -- seconds

--- once(plan, started), again as long as the plan's policy says so. Returns the last answer, whatever its status.
---@param plan tusk.http.Plan
---@param once fun(plan: tusk.http.Plan, started: number|nil): tusk.http.Response
---@return tusk.http.Response
function attempts.run(plan, once)
  if not plan.policy then
    if not plan.retry then return once(plan) end
    return run(plan, once)
  end
  if plan.stream or plan.patient or not plan.guard or plan.timeout == 0 then return run(plan, once) end
  -- what waits for its turn has no more time than the request; that one says itself when it is late, and is counted
  return core.timeout(plan.timeout + LATER, run, plan, once)
end

return attempts

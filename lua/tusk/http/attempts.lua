-- attempts.lua: requests that are sent again when they fail for a passing reason (`retry =`).
local check = require "tusk.check"
local core = require "tusk.core"
local retry = require "tusk.retry"
local retry_after = require "tusk.http.retry_after"
local sending = require "tusk.http.sending"

local attempts = {}

local OPTIONS = { "attempts", "base", "cap", "jitter", "unsafe" }

--- What `retry =` asks for, checked; nil for nothing.
---@param opts table|boolean|nil
function attempts.policy(opts)
  if not opts then return nil end
  if opts == true then return retry.policy() end
  if type(opts) ~= "table" then
    check.fail("retry: true or a table such as { attempts = 3 } expected, got " .. type(opts), { argument = "retry" })
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
  local seconds = again and retry.pause(plan.retry, attempt, nil, time_left(plan, started))
  if not seconds then error(retry.spent(err, attempt), 0) end
  return seconds
end

--- once(plan, started), again as long as the plan's policy says so. Returns the last answer, whatever its status.
---@param plan tusk.http.Plan
---@param once fun(plan: tusk.http.Plan, started: number|nil): tusk.http.Response
---@return tusk.http.Response
function attempts.run(plan, once)
  if not plan.retry then return once(plan) end
  local started, attempt = core.now(), 1
  while true do
    local since = retry.mark()
    local ok, answer = pcall(once, plan, started)
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

return attempts

-- retry.lua: work that is tried again when it fails for a passing reason, after pauses that grow.
local check = require "tusk.check"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local operators = require "tusk.operators"
local wait = require "tusk.wait"

local retry = {}

---@class tusk.RetryOptions
---@field attempts integer|nil how often at most, the first included; 3
---@field base number|string|nil the longest first pause, "100ms"; the next ones are twice as long each
---@field cap number|string|nil the longest pause, "10s"
---@field jitter string|nil "full": from nothing to all of it; "none"
---@field on function|string|string[]|nil what to try again for: on(err, attempt), or kinds; errors that are `retryable`

---@field budget number|nil further attempts for each call that there was, of one policy that is kept; no limit

retry.OPTIONS = { "attempts", "base", "cap", "jitter", "on" }

---@class tusk.RetryPolicy what retry.policy makes
local Policy = { __name = "retry policy" }

local SAVED = 10 -- further attempts that a budget holds at most, and begins with

local JITTERS = { full = true, none = true }

--- What `on =` says, as a function.
---@param on function|string|string[]|nil
---@return fun(err: any, attempt: integer|nil): boolean is it such an error?
function retry.judge(on)
  if on == nil then return function(err) return type(err) == "table" and err.retryable == true end end
  if check.is_callable(on) then return on end
  local kinds = type(on) == "string" and { on } or on
  if type(kinds) ~= "table" or #kinds == 0 then
    check.fail('on: a function, a kind such as "timeout", or a list of kinds expected, got ' .. type(on),
      { argument = "on" })
  end
  for i, kind in ipairs(kinds) do check.string(("on[%d]"):format(i), kind) end
  return function(err)
    for _, kind in ipairs(kinds) do
      if errors.is(err, kind) then return true end
    end
    return false
  end
end

local function budget_of(budget)
  if budget == nil then return nil end
  if check.number("budget", budget) > 0 and budget < math.huge then return budget end
  check.fail("budget: more than nothing is needed, got " .. tostring(budget), { argument = "budget" })
end

--- The options, checked, with what is not given filled in. Every run with one of these shares its budget.
---@param opts tusk.RetryOptions|nil
---@param allowed string[]|nil the options there may be
---@return tusk.RetryPolicy
function retry.policy(opts, allowed)
  opts = check.options(opts, allowed or retry.OPTIONS)
  local attempts, jitter = check.opt_integer("attempts", opts.attempts) or 3, opts.jitter or "full"
  if attempts < 1 then check.fail("attempts: at least 1 is needed", { argument = "attempts" }) end
  if not JITTERS[jitter] then check.fail('jitter: write "full" or "none"', { argument = "jitter" }) end
  return setmetatable({
    attempts = attempts, jitter = jitter, judge = retry.judge(opts.on), budget = budget_of(opts.budget), saved = SAVED,
    base = check.duration("base", opts.base, 0.1), cap = check.duration("cap", opts.cap, 10),
  }, Policy)
end

--- Is it what retry.policy makes?
function retry.is_policy(v)
  return getmetatable(v) == Policy
end

--- A call begins, which earns its share of the budget.
---@param policy tusk.RetryPolicy
function retry.begin(policy)
  local budget = policy.budget
  if budget then policy.saved = math.min(policy.saved + budget, SAVED) end
end

-- Takes one further attempt from the budget, if there is one and it has that.
local function afford(policy)
  if not policy.budget then return true end
  if policy.saved < 1 then return false end
  policy.saved = policy.saved - 1
  return true
end

-- Callers that failed together do not come back together: the pause is anything up to what has grown.
local function grown(policy, attempt)
  local longest = math.min(policy.cap, policy.base * 2 ^ math.min(attempt - 1, 50))
  if policy.jitter == "none" then return longest end
  return longest * operators.get("random").int(0, 2 ^ 20) / 2 ^ 20
end

--- The pause before the next attempt; nil: there is none, or it could not begin in time, or the budget is used up.
---@param policy table from retry.policy
---@param attempt integer the one that has failed
---@param floor number|nil seconds that must pass, if somebody has said so
---@param left number|nil seconds there are, besides the deadline of the scope
---@return number|nil seconds
function retry.pause(policy, attempt, floor, left)
  if attempt >= policy.attempts then return nil end
  local seconds = math.max(grown(policy, attempt), floor or 0)
  if seconds >= math.min(left or math.huge, kernel.remaining() or math.huge) then return nil end
  return afford(policy) and seconds or nil
end

local marks = setmetatable({}, { __mode = "k" }) -- error → which mark it was given; one table may be raised again and again
local made = 0 -- marks so far

--- What to raise after so many attempts; a retry around this one does not multiply them.
function retry.spent(err, attempt)
  if attempt == 1 then return err end
  err = errors.wrap(err)
  if getmetatable(err) == errors.Error then err.attempts = attempt end
  made = made + 1
  marks[err] = made
  return err
end

--- The number of the last mark: what is marked later, was by a retry inside.
function retry.mark()
  return made
end

local function is_spent(err, since)
  for _ = 1, 10 do
    if type(err) ~= "table" then return false end
    if (marks[err] or 0) > since then return true end
    err = rawget(err, "cause")
  end
  return false
end

--- Is the error one to try again for?
---@param since integer retry.mark() when the attempt began
function retry.wants(policy, err, attempt, since)
  return not errors.is(err, "cancelled") and not is_spent(err, since) and policy.judge(err, attempt)
end

--- Seconds that the error says must pass first, or nil.
function retry.floor(err)
  local seconds = type(err) == "table" and err.retry_after
  return type(seconds) == "number" and seconds or nil
end

-- Few values, as most functions return, in no table.
local FEW = 3

local function count(ok, ...)
  local n = select("#", ...)
  if n <= FEW then return ok, n, ... end
  return ok, n, { ... }
end

local function pass(n, a, b, c)
  if n == 1 then return a end
  if n == 0 then return end
  if n == 2 then return a, b end
  if n == FEW then return a, b, c end
  return unpack(a, 1, n)
end

--- All values of fn(…), or what its last attempt failed with.
---@param policy table from retry.policy
function retry.run(policy, fn, ...)
  local attempt = 1
  retry.begin(policy)
  while true do
    local since = made
    local ok, n, err, b, c = count(xpcall(fn, errors.note, ...))
    if ok then return pass(n, err, b, c) end
    local seconds = retry.wants(policy, err, attempt, since) and retry.pause(policy, attempt, retry.floor(err))
    if not seconds then errors.rethrow(retry.spent(err, attempt)) end
    wait.sleep(seconds)
    attempt = attempt + 1
  end
end

return retry

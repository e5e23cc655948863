-- judge.lua: what an outcome says about the other side: that it is well, that it is not, or nothing.
local check = require "tusk.check"
local errors = require "tusk.errors"
local retry = require "tusk.retry"

local judge = {}

-- Failures of what the other side is reached through, whether or not they may be tried again.
local OUTSIDE = {
  "timeout", "http.connect", "http.dns", "http.tls", "http.body", "redis.disconnected", "db.busy",
}

-- Mistakes in the program, and what was refused or given up on this side, say nothing about the other one.
local SILENT = {
  argument = true, operator = true, lua = true, syntax = true, validation = true, closed = true, deadlock = true,
  cancelled = true, task_cancelled = true, limited = true, breaker_open = true,
}

local function is_bad_status(status)
  return type(status) == "number" and (status == 429 or status >= 500)
end

local function is_outside(err)
  for _, kind in ipairs(OUTSIDE) do
    if errors.is(err, kind) then return true end
  end
  return errors.is(err, "http.status") and is_bad_status(err.status)
end

local function is_silent(err)
  local kind = type(err) == "table" and rawget(err, "kind")
  return type(kind) ~= "string" or SILENT[kind:match("^[^.]+")] == true
end

local function by_default(err)
  return not is_silent(err) and (err.retryable == true or is_outside(err))
end

--- An answer of @http that says that its server is not well.
function judge.answer(value)
  if type(value) ~= "table" then return false end
  local meta = getmetatable(value)
  return type(meta) == "table" and rawget(meta, "__name") == "tusk.http.Response" and is_bad_status(value.status)
end

--- fn(err) → true: well; false: not well; nil: neither.
---@param on function|string|string[]|nil what is a failure: on(err), a kind, kinds
---@return fun(err: any): boolean|nil
function judge.errors(on)
  local is_failure = on == nil and by_default or retry.judge(on)
  return function(err)
    if errors.is(err, "cancelled") then return nil end
    if is_failure(err) then return false end
    if is_silent(err) then return nil end
    return true -- it has answered: a row that must not be there twice, a page that is not there
  end
end

--- fn(first result) → is it a failure?
function judge.values(on_value)
  return check.opt_callable("on_value", on_value) or judge.answer
end

return judge

-- scope.lua: owners of tasks: open, run the body, join, finalize, close.
local kernel = require "tusk.kernel"
local errors = require "tusk.errors"
local check = require "tusk.check"

local c_open, c_join, c_close, c_start = kernel.scope_open, kernel.scope_join, kernel.scope_close, kernel.scope_start
local note = errors.note
local xpcall = xpcall

local ASKED, TIMEOUT, SHUTDOWN = 1, 3, 4 -- enum cancel_reason
local REASONS = { "cancelled", "sibling_failed", "timeout", "shutdown", "outer" }
local ON_ERROR = { fail = 0, collect = 1, log = 2 }
local GRACE = 5 -- seconds that finalizers have

---@class tusk.Scope
---@field name string|nil
---@field errors any[] what children failed with, under on_error="collect"
local Scope = {}
local scope = {}

local extra = setmetatable({}, { __mode = "k" }) -- what few scopes have: name, finalizers, errors …
local supervisors = setmetatable({}, { __mode = "v" }) -- by address

local function extra_of(s)
  local x = extra[s]
  if not x then
    x = {}
    extra[s] = x
  end
  return x
end

local function named(s, held, opts, fn, ...)
  check.options(opts, { "name" })
  check.callable("fn", fn)
  local task = c_start(s, held and 3 or 2, function(...)
    errors.names[kernel.current()] = opts.name
    return fn(...)
  end, ...)
  errors.names[task] = opts.name
  return task
end

--- Starts fn(…) as a child of this scope; its failure fails the scope.
---@return tusk.Task
function Scope:spawn(fn, ...)
  if type(fn) == "function" then return c_start(self, 0, fn, ...) end
  return named(self, false, check.table("fn", fn), ...)
end

--- The same; its failure is held for await.
---@return tusk.Task
function Scope:async(fn, ...)
  if type(fn) == "function" then return c_start(self, 1, fn, ...) end
  return named(self, true, check.table("fn", fn), ...)
end

--- spawn for the host's own combinators: the place of the spawn is that of the operator around it.
function Scope:start(fn, ...)
  return c_start(self, 2, fn, ...)
end

--- Cancels the body and all children; the scope then returns nil, "cancelled".
function Scope:cancel()
  kernel.scope_cancel(self, false)
end

--- Runs fn when the scope ends, last in first out, shielded from cancellation, within the scope's grace.
function Scope:defer(fn)
  check.callable("fn", fn)
  local x = extra_of(self)
  x.finalizers = x.finalizers or {}
  table.insert(x.finalizers, fn)
end

local meta = { __name = "scope" }
function meta.__index(s, key)
  local method = Scope[key]
  if method then return method end
  local x = extra[s]
  if key == "errors" then return x and x.errors or {} end
  return x and x[key]
end

local function duration_text(seconds)
  return seconds < 1 and ("%gms"):format(seconds * 1000) or ("%gs"):format(seconds)
end

local function timed_out(s, err)
  local x = extra[s]
  local after = x.timeout
  local cancelled = errors.is(err, "cancelled")
  errors.raise("timeout", "timed out after " .. duration_text(after), {
    after = after, scope = x.name, op = cancelled and err.op or nil, retryable = true,
    waited_at = cancelled and err.site or nil, suppressed = err ~= nil and not cancelled and { err } or nil,
  })
end

local function run_finalizers(list)
  local first
  for i = #list, 1, -1 do
    local ok, e = xpcall(list[i], note)
    if not ok then
      e = errors.wrap(e)
      if first == nil then first = e
      elseif getmetatable(first) == errors.Error then
        first.suppressed = first.suppressed or {}
        table.insert(first.suppressed, e)
      end
    end
  end
  return first
end

local function finalize(s, err)
  local x = extra[s]
  local list = x and x.finalizers
  if not list then return err end
  local _, late = xpcall(scope.run, note, { shield = true, timeout = x.grace or GRACE, name = x.name }, run_finalizers, list)
  if late == nil then return err end
  if err == nil or errors.is(err, "cancelled") then return late end
  if getmetatable(err) == errors.Error then
    err.suppressed = err.suppressed or {}
    table.insert(err.suppressed, late)
  end
  return err
end

local function collect(s, failures)
  local list = {}
  for i, f in ipairs(failures or {}) do list[i] = f.err end
  extra_of(s).errors = list
end

-- The end of a scope whose outcome is not simply that its body returned.
local function leave_badly(s, reason, noticed, failures, err, body_first, ...)
  local x = extra[s]
  if x and x.on_error == "collect" then
    collect(s, failures)
    failures = nil
  end
  local cancelled = errors.is(err, "cancelled") and reason ~= 0
  local failure = errors.gather(err, body_first, failures)
  if reason == TIMEOUT and noticed then timed_out(s, failure) end
  if failure ~= nil and not (cancelled and errors.is(failure, "cancelled")) then error(failure, 0) end
  if reason == ASKED or reason == SHUTDOWN then return nil, REASONS[reason] end
  if cancelled then error(err, 0) end
  return ...
end

local function leave(s, ok, ...)
  local err, body_first
  if not ok then
    err = (...)
    if err == nil then err = errors.wrap(nil) end
    body_first = not kernel.scope_errors(s)
  end
  c_join(s, ok)
  if extra[s] then err = finalize(s, err) end
  local reason, noticed, failures = c_close(s)
  if reason == 0 and err == nil and not failures then return ... end
  return leave_badly(s, reason, noticed, failures, err, body_first, ...)
end

local OPTIONS = { "name", "timeout", "grace", "on_error", "shield" }

local function configure(s, opts, timeout)
  local x = extra_of(s)
  x.name, x.timeout, x.on_error = opts.name, timeout, opts.on_error
  x.grace = opts.grace and check.duration("grace", opts.grace)
  if opts.on_error == "log" then supervisors[kernel.scope_address(s)] = s end
end

--- Opens a scope, runs body(s, …) in it, waits for its children, runs its finalizers. All values pass through.
---@param opts table|nil { name, timeout, grace, on_error = "fail" | "collect" | "log", shield }
function scope.run(opts, body, ...)
  if opts == nil then
    local s = c_open(nil, 0, false, meta)
    return leave(s, xpcall(body, note, s, ...))
  end
  check.options(opts, OPTIONS)
  local timeout = opts.timeout and check.duration("timeout", opts.timeout) or nil
  local mode = ON_ERROR[opts.on_error or "fail"]
  if not mode then check.fail('on_error: write "fail", "collect" or "log"', { argument = "on_error" }) end
  local s = c_open(timeout, mode, opts.shield or false, meta)
  configure(s, opts, timeout)
  return leave(s, xpcall(body, note, s, ...))
end

local function without_scope(_, fn, ...)
  return fn(...)
end

--- fn(…) within seconds, or `timeout`.
function scope.timeout(seconds, fn, ...)
  seconds = check.duration("duration", seconds)
  local s = c_open(seconds, 0, false, meta)
  extra[s] = { timeout = seconds }
  return leave(s, xpcall(without_scope, note, s, fn, ...))
end

--- fn(…) with cancellation held off.
function scope.shield(fn, ...)
  return scope.run({ shield = true }, without_scope, fn, ...)
end

--- The innermost scope around the running task that only reports its children's failures: the plugin's or
--- the application's own. nil outside both.
---@return tusk.Scope|nil
function scope.supervisor()
  return supervisors[kernel.supervisor()]
end

scope.Scope = Scope
return scope

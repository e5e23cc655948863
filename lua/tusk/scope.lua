-- scope.lua: owners of tasks: open, run the body, join, finalize, close.
local kernel = require "tusk.kernel"
local errors = require "tusk.errors"
local check = require "tusk.check"
local named = require "tusk.named"

local c_open, c_join, c_close, c_start = kernel.scope_open, kernel.scope_join, kernel.scope_close, kernel.scope_start
local note = errors.note
local getmetatable, getfenv, xpcall = getmetatable, debug.getfenv, xpcall

local ASKED, TIMEOUT, SHUTDOWN, OUTER = 1, 3, 4, 5 -- enum cancel_reason
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

-- For one that a user's coroutine opens: that may be dropped and never run to its end. It keeps what it has in its
-- environment: finalizers name their scope, and would keep it alive in a table.
local stray_meta = { __name = "scope", __gc = kernel.scope_collect }

local function extra_at(s)
  local x = extra[s]
  if x == nil and getmetatable(s) == stray_meta then return getfenv(s) end
  return x
end

local function extra_of(s)
  local x = extra_at(s)
  if not x then
    x = {}
    extra[s] = x
  end
  return x
end

local function colon(s, method)
  if type(s) == "userdata" then return end
  check.fail(("called with a dot; write s:%s() with a colon"):format(method))
end

local function start_named(s, how, ...)
  return named(function(...) return c_start(s, how, ...) end, ...)
end

--- Starts fn(…) as a child of this scope; its failure fails the scope.
---@return tusk.Task
function Scope:spawn(fn, ...)
  if type(fn) == "function" then return c_start(self, 0, fn, ...) end
  colon(self, "spawn")
  return start_named(self, 2, fn, ...)
end

--- The same; its failure is held for await.
---@return tusk.Task
function Scope:async(fn, ...)
  if type(fn) == "function" then return c_start(self, 1, fn, ...) end
  colon(self, "async")
  return start_named(self, 3, fn, ...)
end

--- spawn for the host's own combinators: the place of the spawn is that of the operator around it.
function Scope:start(fn, ...)
  if type(fn) ~= "function" then return start_named(self, 2, fn, ...) end
  return c_start(self, 2, fn, ...)
end

--- Cancels the body and all children; the scope then returns nil, "cancelled".
function Scope:cancel()
  colon(self, "cancel")
  kernel.scope_cancel(self, false)
end

--- Runs fn when the scope ends, last in first out, shielded from cancellation, within the scope's grace.
function Scope:defer(fn)
  colon(self, "defer")
  check.callable("fn", fn)
  local _, _, open = kernel.scope_reason(self)
  if not open then errors.raise("closed", "the scope has ended") end
  local x = extra_of(self)
  x.finalizers = x.finalizers or {}
  table.insert(x.finalizers, fn)
end

--- Is it the running task's, or around it: has its body, or a task in it, started who asks?
---@return boolean
function Scope:is_around()
  colon(self, "is_around")
  return kernel.scope_inside(self)
end

--- A channel that is closed when the scope ends, with an error if it ends badly.
---@param capacity integer|nil
---@return tusk.Channel
function Scope:channel(capacity)
  return require("tusk.channel").owned(self, capacity)
end

-- What children failed with: not those whose failure somebody awaited.
local function failed_with(failures)
  local list = {}
  for _, f in ipairs(failures or {}) do
    if not (f.held and errors.observed(f.task)) then list[#list + 1] = f.err end
  end
  return list
end

local meta = { __name = "scope" }
function meta.__index(s, key)
  local method = Scope[key]
  if method then return method end
  local x = extra_at(s)
  if key == "errors" then return x and x.errors or failed_with(kernel.scope_errors(s)) end
  if key == "name" then return x and x.name end
  check.no_field("a scope", key, Scope, { "errors", "name" })
end

stray_meta.__index = meta.__index

local function duration_text(seconds)
  return seconds < 1 and ("%gms"):format(seconds * 1000) or ("%gs"):format(seconds)
end

local function timed_out(s, err)
  local after = kernel.scope_after(s)
  local fields = { after = after, scope = s.name, retryable = true }
  if errors.is(err, "cancelled") then
    fields.op, fields.waited_at = err.op, err.site
    fields.help = err.site and { ("waited at %s:%d"):format(err.site.file, err.site.line) }
  elseif err ~= nil then
    fields.suppressed = { errors.wrap(err) }
  end
  errors.raise("timeout", "timed out after " .. duration_text(after), fields)
end

local function without_scope(_, fn, ...)
  return fn(...)
end

-- In a scope of its own: a child of one that fails does not cancel the rest. When the grace is over it begins
-- all the same.
local function run_finalizer(s, fn)
  if kernel.scope_reason(s) ~= 0 then return xpcall(fn, note) end
  return xpcall(scope.run, note, nil, without_scope, fn)
end

local function run_finalizers(s, list)
  local first
  while list[1] do
    local ok, e = run_finalizer(s, table.remove(list))
    local over = kernel.scope_reason(s) ~= 0 and errors.is(e, "cancelled") -- which the timeout tells
    if not ok and not over then first = errors.suppress(first, errors.wrap(e)) end
  end
  if first ~= nil then errors.rethrow(first) end
end

local function finalize(s, x, err)
  local opts = { shield = true, timeout = x.grace or GRACE, name = x.name }
  local back = errors.set_aside()
  local _, late = xpcall(scope.run, note, opts, run_finalizers, x.finalizers)
  back()
  if late == nil then return err end
  if errors.is(err, "cancelled") then err = nil end
  return errors.suppress(err, late)
end

-- Waits for the children, runs the finalizers, waits for what those, or others meanwhile, have started.
local function settle(s, ok, err)
  if c_join(s, ok) == nil then
    while c_join(s, true) == nil do end
  end
  local x = extra_at(s)
  while x and x.finalizers and x.finalizers[1] do
    err = finalize(s, x, err)
    while c_join(s, true) == nil do end
  end
  return err
end

-- The end of a scope whose outcome is not simply that its body returned.
local function leave_badly(s, reason, noticed, failures, err, body_first, ...)
  local x = extra_at(s)
  if x and x.on_error == "collect" then
    x.errors = failed_with(failures)
    failures = nil
  end
  local cancelled = errors.is(err, "cancelled") and reason ~= 0
  local failure = errors.gather(err, body_first, failures)
  if reason == TIMEOUT and noticed then timed_out(s, failure) end
  if failure ~= nil and not (cancelled and errors.is(failure, "cancelled")) then errors.rethrow(failure) end
  if reason == ASKED or reason == SHUTDOWN then return nil, REASONS[reason] end
  if cancelled then error(err, 0) end
  if reason == OUTER and noticed then kernel.cancelled() end -- while it waited for its children
  return ...
end

local function leave(s, ok, ...)
  local err, body_first
  if not ok then
    err = (...)
    if err == nil then err = errors.wrap(nil) end
    body_first = not kernel.scope_errors(s)
  end
  err = settle(s, ok, err)
  local reason, noticed, failures = c_close(s)
  while reason == nil do reason, noticed, failures = c_close(s) end
  if reason == 0 and err == nil and not failures then return ... end
  return leave_badly(s, reason, noticed, failures, err, body_first, ...)
end

local OPTIONS = { "name", "timeout", "grace", "on_error", "shield" }

local function configure(s, opts, grace)
  local x = extra_of(s)
  x.name, x.on_error, x.grace = opts.name, opts.on_error, grace
  if opts.on_error == "log" then supervisors[kernel.scope_address(s)] = s end
end

-- Configuring may fail for want of memory: it is done where the scope is closed all the same.
local function run_configured(s, opts, grace, body, ...)
  configure(s, opts, grace)
  return body(s, ...)
end

--- Opens a scope, runs body(s, …) in it, waits for its children, runs its finalizers. All values pass through.
---@param opts table|nil { name, timeout, grace, on_error = "fail" | "collect" | "log", shield }
function scope.run(opts, body, ...)
  if opts == nil then
    local s = c_open(nil, 0, false, meta, stray_meta)
    return leave(s, xpcall(body, note, s, ...))
  end
  check.options(opts, OPTIONS)
  local timeout = opts.timeout and check.duration("timeout", opts.timeout) or nil
  local grace = opts.grace and check.duration("grace", opts.grace) or nil
  local mode = ON_ERROR[opts.on_error or "fail"]
  if not mode then check.fail('on_error: write "fail", "collect" or "log"', { argument = "on_error" }) end
  local s = c_open(timeout, mode, opts.shield or false, meta, stray_meta)
  return leave(s, xpcall(run_configured, note, s, opts, grace, body, ...))
end

--- fn(…) within seconds, or `timeout`.
function scope.timeout(seconds, fn, ...)
  seconds = check.duration("duration", seconds)
  local s = c_open(seconds, 0, false, meta, stray_meta)
  return leave(s, xpcall(without_scope, note, s, fn, ...))
end

--- fn(…) with cancellation held off.
function scope.shield(fn, ...)
  return scope.run({ shield = true }, without_scope, fn, ...)
end

--- The innermost scope around the running task that only reports its children's failures: the plugin's or
--- the application's own. nil outside both, and when it is cancelled: it takes no more tasks.
---@return tusk.Scope|nil
function scope.supervisor()
  local s = supervisors[kernel.supervisor()]
  return s and kernel.scope_reason(s) == 0 and s or nil
end

--- fn() if the coroutine of the user's that has opened this scope never ends it: it was dropped, or its task has
--- ended. It runs after what the scope has deferred. Nothing for a scope that the task itself opens: that always ends.
function scope.on_abandon(s, fn)
  if getmetatable(s) == stray_meta then getfenv(s).abandoned = fn end
end

--- Is there anything to run when it was abandoned?
function scope.has_deferred(s)
  local x = getfenv(s)
  return x.abandoned ~= nil or x.finalizers ~= nil and x.finalizers[1] ~= nil
end

--- Runs what an abandoned scope has deferred -> what that fails with, or nil.
function scope.finish_abandoned(s)
  local x = getfenv(s)
  x.finalizers = x.finalizers or {}
  if x.abandoned then table.insert(x.finalizers, 1, x.abandoned) end
  x.abandoned = nil
  return finalize(s, x)
end

scope.Scope = Scope
return scope

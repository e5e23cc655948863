-- run.lua: one run of a stream: the scope its tasks live in, and what it has to close at the end.
local check = require "tusk.check"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local scope = require "tusk.scope"
local shim = require "tusk.coroutine"
local wait = require "tusk.wait"

local note, rethrow, yield = errors.note, errors.rethrow, coroutine.yield

---@class tusk.stream.Run
---@field scope tusk.Scope|nil where tasks go; nil: there are none
---@field catching boolean while stages open: one further down wants the failures of single items
---@field broken boolean the source has failed, so that there is nothing to go on with
local Run = {}
Run.__index = Run

local run = {}

---@param s tusk.Scope|nil
function run.new(s)
  local r = setmetatable({ scope = s, catching = false, broken = false, closers = {} }, Run)
  if s then s:defer(function() r:close() end) end
  return r
end

--- close() runs once, at the end of the run at the latest.
function Run:defer(close)
  self.closers[#self.closers + 1] = close
end

--- Closes what has been opened, last first; all of it, also if one fails.
function Run:close()
  local closers, first = self.closers, nil
  self.closers = {}
  for i = #closers, 1, -1 do
    local ok, e = xpcall(closers[i], note)
    if not ok then first = errors.suppress(first, errors.wrap(e)) end
  end
  if first then error(first, 0) end
end

--- Starts a task of the run.
function Run:start(fn, ...)
  return self.scope:start(fn, ...)
end

-- What is left of the tasks has nobody to work for.
local function dismiss(s)
  local reason, live = kernel.scope_reason(s)
  if reason == 0 and live > 0 then s:cancel() end
end

local function pack(...)
  return { n = select("#", ...), ... }
end

--- Opens a stream, runs body(next, …), ends all that it has started and closes its sources.
---@param open fun(r: tusk.stream.Run): function
---@param body fun(next: function, ...: any): any its values are returned
function run.drive(open, body, ...)
  local values
  scope.run(nil, function(s, ...)
    values = pack(body(open(run.new(s)), ...))
    dismiss(s)
  end, ...)
  return unpack(values, 1, values.n)
end

--- Closes the sources of a stream that was never run.
function run.discard(open)
  local r = run.new()
  open(r)
  r:close()
end

-- ---- pulled from outside, one at a time, by a loop that may be left ----

local function refuse(state)
  if state.busy then check.fail("another task is pulling from the stream") end
  if errors.is(state.err, "cancelled") then
    errors.raise("closed", "the stream ended when it was cancelled")
  end
  error(state.err, 0)
end

-- pull(…) for one task at a time; once it has failed it goes on failing, so that nobody takes that for the end.
local function guarded(pull, close)
  local state = {}
  return function()
    if state.over then return nil end
    if state.busy or state.err ~= nil then refuse(state) end
    state.busy = true
    local ok, v = xpcall(pull, note)
    state.busy = false
    if ok and v ~= nil then return v end
    if ok then state.over = true else state.err = v end
    close()
    if not ok then rethrow(v) end
  end, function()
    state.over = true
    close()
  end
end

-- Without tasks: in the coroutine of whoever pulls. What is collected gives itself back.
local function plain(open)
  local r = run.new()
  local ok, next = xpcall(open, note, r)
  if not ok then
    r:close()
    rethrow(next)
  end
  return guarded(next, function() r:close() end)
end

-- Owns the tasks and what is to be closed, until it is cancelled.
local function owner(box)
  scope.run(nil, function(s)
    box.run, box.line = run.new(s), kernel.queue_new() -- a line must outlive who stands in it
    if kernel.park_in(box.line) then kernel.cancelled() end
  end)
end

-- A generator that is never resumed again is collected, or abandoned at the end of its task; the host
-- then cancels its scope's children. So they, not the generator, must do the closing.
local function generator(open, box)
  scope.run(nil, function(s)
    box.owner = s:start(owner, box)
    while not box.run do wait.yield() end -- a start nested too deep is put off
    for v in open(box.run) do yield(v) end
    box.owner:cancel()
  end)
end

local function owned(open)
  local box = {}
  local resume = shim.wrap(generator)
  return guarded(function() return resume(open, box) end, function()
    local task = box.owner
    if not task then return end
    task:cancel()
    local ok, e = pcall(task.await, task)
    if not ok and not errors.is(e, "task_cancelled") then error(e, 0) end
  end)
end

--- A pull function for a stream, and one that ends it early.
---@param open fun(r: tusk.stream.Run): function
---@param needs_owner boolean it has tasks, or sources that are not closed by collection
---@return fun(): any next, fun() close
function run.begin(open, needs_owner)
  if needs_owner then return owned(open) end
  return plain(open)
end

return run

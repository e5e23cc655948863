-- task.lua: task handles: spawn, async, await, and how a task's end is decided.
local kernel = require "tusk.kernel"
local dots = require "tusk.dots"
local check = require "tusk.check"
local errors = require "tusk.errors"
local named = require "tusk.named"
local wait = require "tusk.wait"

local cancelled, c_await, c_result = kernel.cancelled, kernel.await, kernel.result
local DONE, FAILED, CANCELLED = 4, 5, 6 -- enum task_state

---@class tusk.Task
---@field state string "running" "ready" "parked" "joining" "done" "failed" "cancelled"
---@field id integer
---@field name string|nil
local Task = {}
local task = { Task = Task }
local meta = { __name = "task" }

local function awaited(self, how, ...)
  if how == false then return ... end
  if how then cancelled() end
  return c_result(self)
end

--- Waits until the task has ended: its values, or raises what it failed with. Somebody's cancel of it
--- arrives as `task_cancelled`.
function Task:await()
  if getmetatable(self) ~= meta then dots.colon(meta, self, "task", "await") end
  return awaited(self, c_await(self))
end

local reasons = setmetatable({}, { __mode = "k" }) -- task → what its first cancel has said

--- Asks the task and all it owns to stop. It ends once its work in flight has.
---@param why any|nil told to who awaits it: `reason` of the task_cancelled
function Task:cancel(why)
  dots.colon(meta, self, "task", "cancel")
  if reasons[self] == nil then reasons[self] = why end
  kernel.cancel(self)
end

function meta.__index(self, key)
  local method = Task[key]
  if method then return method end
  if key == "state" then return (kernel.state(self)) end
  if key == "id" then return (kernel.info(self)) end
  if key == "name" then return errors.names[self] end
  check.no_field("a task", key, Task, { "id", "name", "state" })
end
function meta.__tostring(self)
  local name = errors.names[self]
  return "task " .. self.id .. (name and (' "%s"'):format(name) or "")
end

-- Called by the host when a task did more than return nothing or a number.
local function outcome(handle, ok, reason, failures, body_first, ...)
  local err
  if not ok then err = errors.wrap((...)) end
  local was_cancelled = reason ~= 0 and errors.is(err, "cancelled")
  if failures then err = errors.gather(err, body_first, failures) end
  if err ~= nil and not (was_cancelled and errors.is(err, "cancelled")) then
    kernel.keep(handle, { err = err })
    return FAILED, err
  end
  if was_cancelled then return CANCELLED end
  kernel.keep(handle, { n = select("#", ...), ... })
  return DONE
end

local function was_cancelled(handle)
  local why = reasons[handle]
  local err = errors.light("task_cancelled", tostring(handle) .. " was cancelled" .. (why and ": " .. tostring(why) or ""))
  err.reason = why
  error(err, 0)
end

-- Called by the host for the result of a task that did not end well.
local function failed(handle)
  local kept = kernel.kept(handle)
  if kept and kept.err ~= nil then error(kept.err, 0) end
  if kernel.state(handle) == "cancelled" then was_cancelled(handle) end
  error("not enough memory", 0)
end

kernel.use("task", meta)
kernel.use("outcome", outcome)
kernel.use("failed", failed)

-- Called by the host when something else than a function comes first.
kernel.use("named", function(held, ...)
  return named(held and kernel.async_inside or kernel.spawn_inside, ...)
end)

--- Starts fn(…) as a child of the current scope, at once until it first parks. Its failure fails the scope.
---@type fun(fn: function|table, ...: any): tusk.Task a table: { name = }, and the function after it
task.spawn = kernel.spawn

--- The same; its failure is held for await, and raised where the scope ends if nobody awaited it.
---@type fun(fn: function|table, ...: any): tusk.Task
task.async = kernel.async

local function await(handle)
  return handle:await()
end

--- Cancels the tasks among the first n of a list, then waits until all of them have ended.
function task.end_all(n, list)
  for i = 1, n do
    if kernel.is_task(list[i]) then list[i]:cancel() end
  end
  for i = 1, n do
    if kernel.is_task(list[i]) then pcall(await, list[i]) end
  end
end

task.is_task = kernel.is_task
task.wait = wait
return task

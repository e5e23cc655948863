-- task.lua: one piece of work in the background, as whoever enqueued it sees it.
local tusk = require "tusk"

---@class background_tasks.Task
---@field id integer
---@field name string its type
---@field state string "queued", "running", "paused"; "done", "failed", "cancelled", "undone"
---@field attempt integer which attempt it is, or was; 0 before the first
---@field value any what its function returned, when done
---@field error any what it failed with, when failed
local Task = { __name = "background task" }
local task = {}

local ENDED = { done = true, failed = true, cancelled = true, undone = true }
local FIELDS = { "id", "name", "state", "attempt", "value", "error" }
local ABSENT = { value = true, error = true } -- until there is one
local last_id = 0

function Task.__index(self, key)
  if Task[key] or ABSENT[key] then return Task[key] end
  tusk.check.no_field("a background task", key, { await = true, cancel = true }, FIELDS)
end

---@param name string
---@param text string its arguments, as JSON: a copy that nobody changes, and what each attempt is given anew
---@return background_tasks.Task
function task.new(name, text)
  last_id = last_id + 1
  return setmetatable({ id = last_id, name = name, text = text, state = "queued", attempt = 0, running = false, changed = false,
    was = false, asked = false, worker = false, resting = false, seconds = 0, waiting = 0 }, Task)
end

--- It has ended, one way or another; those who await it go on. Again: no effect.
function task.finish(self, state, value)
  if ENDED[self.state] then return end
  self.was = self.state
  self.state = state
  if state == "done" then self.value = value else self.error = value end
  if self.changed then self.changed:set(state) end
end

-- Its methods are called with a colon.
local function own(self, method)
  if getmetatable(self) == Task then return end
  tusk.check.fail(("called with a dot; write task:%s with a colon"):format(method))
end

local function outcome(self)
  if self.state == "done" then return self.value end
  if self.state == "failed" then error(self.error, 0) end
  if self.state == "cancelled" then
    tusk.errors.raise("task_cancelled", ("%s was cancelled"):format(self), { reason = self.error })
  end
  tusk.errors.raise("tasks.undone", ("%s was not done before the end"):format(self))
end

--- Waits until it has ended: what its function returned, or raises what it failed with; `task_cancelled`, or `tasks.undone`
--- when the program ended before it did.
function Task:await()
  own(self, "await()")
  while not ENDED[self.state] do
    self.changed = self.changed or @watch(self.state)
    self.changed:changed()
  end
  return outcome(self)
end

--- Ends it: one in line is never begun, one that runs is cancelled where it waits. No effect once it has ended.
---@param why any|nil told to who awaits it
---@return boolean whether it was still to be done
function Task:cancel(why)
  own(self, "cancel(why)")
  if ENDED[self.state] then return false end
  self.asked = self.asked or { why = why }
  if self.running then self.running:cancel() else task.finish(self, "cancelled", why) end
  return true
end

function Task:__tostring()
  return ("%s %d"):format(self.name, self.id)
end

return task

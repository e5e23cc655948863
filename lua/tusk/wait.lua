-- wait.lua: the Lua half of parking: what follows a call that may have waited.
local kernel = require "tusk.kernel"

local finish, cancelled = kernel.finish, kernel.cancelled
local c_checkpoint, c_sleep, c_yield = kernel.checkpoint, kernel.sleep, kernel.yield

local wait = {}

--- `return wait.settle(raw.verb(…))`: after a park, builds the result in the task; an inline answer passes through.
function wait.settle(w, ...)
  if w ~= nil then return finish(w) end
  return ...
end

--- For operators that may wait in some cases: raises if the task is cancelled or could not park here.
function wait.checkpoint()
  if c_checkpoint() then cancelled() end
end

--- Parks the task.
---@param seconds number
---@param real boolean|nil on the real clock, whatever a test has turned on
function wait.sleep(seconds, real)
  if c_sleep(seconds, real) then cancelled() end
end

--- Lets every other ready task run.
function wait.yield()
  if c_yield() then cancelled() end
end

--- Parks until the task is cancelled. It only stands by: a program that has nothing else to do ends.
function wait.reside()
  if kernel.reside() then cancelled() end
end

-- A line of waiting tasks, first in, first out. A cancelled waiter leaves it by itself.
local Queue = { __name = "tusk.Queue" }
Queue.__index = Queue

---@return table queue with park, wake, wake_all
function Queue.new()
  return setmetatable({ line = kernel.queue_new(), given = {} }, Queue)
end

--- Parks the running task until wake; returns what wake was given.
function Queue:park()
  if kernel.park_in(self.line) then cancelled() end
  local me = kernel.current()
  local given = self.given[me]
  if not given then return end
  self.given[me] = nil
  return unpack(given, 1, given.n)
end

--- Wakes the first in line with these values; false if nobody waits.
function Queue:wake(...)
  local task = kernel.wake_in(self.line)
  if not task then return false end
  if select("#", ...) > 0 then self.given[task] = { n = select("#", ...), ... } end
  return true
end

--- Wakes all that wait now; how many.
function Queue:wake_all(...)
  local n = 0
  while self:wake(...) do n = n + 1 end
  return n
end

wait.Queue = Queue
return wait

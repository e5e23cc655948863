-- @watch(initial): a value whose changes tasks wait for. Only the latest counts.
local check = require "tusk.check"
local dots = require "tusk.dots"
local kernel = require "tusk.kernel"
local wait = require "tusk.wait"

---@class tusk.Watch
local Watch = check.strict({ __name = "watch" }, "a watch", {}, { absent = { "value" } })
Watch.__index = Watch

local function see(self)
  local me = kernel.current()
  if me then self.seen[me] = self.version end
  return self.value
end

-- A task that never looked waits for what is set from now on.
local function begin(self)
  local me = kernel.current()
  if me and not self.seen[me] then self.seen[me] = self.version end
end

-- Was it set since the running task last looked?
local function poll(self)
  if self.seen[kernel.current()] ~= self.version then return true, see(self) end
end

--- Sets the value and wakes all who wait for that.
---@param value any
function Watch:set(value)
  dots.colon(Watch, self, "watch", "set")
  self.value, self.version = value, self.version + 1
  while kernel.wake_in(self.line) do end
end

--- The value now.
function Watch:get()
  dots.colon(Watch, self, "watch", "get")
  return see(self)
end

--- Waits until the value is set, and returns it; at once if it was set since this task last called get or
--- changed. What was set in between is not seen.
function Watch:changed()
  dots.colon(Watch, self, "watch", "changed")
  begin(self)
  wait.checkpoint() -- others may run here, and set it
  local ready, value = poll(self)
  if ready then return value end
  if kernel.park_in(self.line) then kernel.cancelled() end
  return see(self)
end

Watch.__select = { begin = begin, poll = poll, line = function(self) return self.line end, taken = see }

---@param initial any
---@return tusk.Watch
return function(initial)
  return setmetatable({
    value = initial, version = 0, line = kernel.queue_new(), seen = setmetatable({}, { __mode = "k" }),
  }, Watch)
end

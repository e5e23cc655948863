-- @every(period): ticks. Those that nobody was there for are not made up for.
local check = require "tusk.check"
local dots = require "tusk.dots"
local kernel = require "tusk.kernel"
local wait = require "tusk.wait"

local clock = kernel.clock

---@class tusk.Every
local Every = check.strict({ __name = "every" }, "a tick", {})
Every.__index = Every

-- The number of the tick that is due, if one is.
local function poll(self)
  local now = clock()
  if now < self.due then return nil end
  local number = math.max(self.number, math.floor((now - self.start) / self.period))
  self.number = number + 1
  self.due = self.start + self.number * self.period
  return true, number
end

--- Waits for the next tick; one that is overdue comes at once. Each tick goes to one task.
---@return integer number how many periods had passed since the start
function Every:wait()
  dots.colon(Every, self, "tick", "wait")
  wait.checkpoint()
  while true do
    local ready, number = poll(self)
    if ready then return number end
    wait.sleep(math.max(0, self.due - clock()))
  end
end

--- `for number in @every("5s") do`
Every.__call = Every.wait

Every.__select = { poll = poll, due = function(self) return self.due end }

---@param period number|string
---@return tusk.Every
return function(period)
  local seconds = check.duration("period", period)
  if seconds <= 0 then check.fail("period: more than nothing is needed", { argument = "period" }) end
  local start = clock()
  return setmetatable({ period = seconds, start = start, number = 1, due = start + seconds }, Every)
end

-- @bulkhead{ max =, queue = }: so many calls at once, so many more that wait, and the others are refused.
local check = require "tusk.check"
local collect = require "tusk.collect"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local semaphore = require "tusk.semaphore"

local take, hold, hold_inside = semaphore.take, semaphore.hold, semaphore.hold_inside

---@class tusk.Bulkhead
local Bulkhead = check.strict({ __name = "bulkhead" }, "a bulkhead", { "name" }, { absent = { "name" }, hidden = { "run_inside" } })
Bulkhead.__index = Bulkhead

local function refuse(self)
  self.refused = self.refused + 1
  local called = self.name and (" of the bulkhead %q"):format(self.name) or ""
  local err = errors.light("limited", ("all %d places%s are taken, and %d wait"):format(self.gate.size, called,
    self.gate.waiting))
  err.bulkhead, err.retryable = self.name, true
  error(err, 0)
end

local function enter(self)
  local gate = self.gate
  if gate.available == 0 and gate.waiting >= self.queue then refuse(self) end
  take(gate)
  return gate
end

--- All values of fn(…), once there is a place; `limited` if too many wait for one.
---@param fn function
---@return any ... what fn returns
function Bulkhead:run(fn, ...)
  dots.colon(Bulkhead, self, "bulkhead", "run")
  if type(fn) ~= "function" then check.callable("fn", fn) end
  return hold(enter(self), fn, ...)
end

--- The same for an operator's own fn, which no coroutine of the user's can drop: what that opens belongs to the caller's scope.
function Bulkhead:run_inside(fn, ...)
  return hold_inside(enter(self), fn, ...)
end

--- How it stands: { in_use, waiting, max, queue }.
function Bulkhead:stats()
  dots.colon(Bulkhead, self, "bulkhead", "stats")
  local gate = self.gate
  return { in_use = gate.size - gate.available, waiting = gate.waiting, max = gate.size, queue = self.queue }
end

-- Figures of those that have a name, for @metrics.
local function figures(self, emit)
  local labels, gate = { name = self.name }, self.gate
  emit("gauge", "tusk_bulkhead_in_use", "calls that are inside a bulkhead", labels, gate.size - gate.available)
  emit("gauge", "tusk_bulkhead_waiting", "calls that wait for a place in a bulkhead", labels, gate.waiting)
  emit("counter", "tusk_bulkhead_refused_total", "calls that a bulkhead did not let wait", labels, self.refused)
end

-- How it stands, for `tusk ps`.
local function told(self)
  local gate = self.gate
  return ('bulkhead "%s" has %d of %d in use: %d wait; %d refused'):format(self.name:sub(1, 60), gate.size - gate.available,
    gate.size, gate.waiting, self.refused)
end

---@param opts table { max = how many at once, queue = how many may wait, 0, name = for messages and figures }
---@return tusk.Bulkhead
return function(opts)
  check.options(check.table("options", opts), { "name", "max", "queue" })
  local max, queue = check.integer("max", opts.max), check.opt_integer("queue", opts.queue) or 0
  if max < 1 then check.fail("max: at least 1 is needed, got " .. max, { argument = "max" }) end
  if queue < 0 then check.fail("queue: 0 or more expected, got " .. queue, { argument = "queue" }) end
  local self = setmetatable({
    name = check.opt_string("name", opts.name), gate = semaphore.new(max), queue = queue, refused = 0,
  }, Bulkhead)
  if self.name then collect.add(self, figures, told) end
  return self
end

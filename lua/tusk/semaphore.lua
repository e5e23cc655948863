-- semaphore.lua: so many at once, and no more; who comes first is served first.
local kernel = require "tusk.kernel"
local check = require "tusk.check"
local core = require "tusk.core"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local scope = require "tusk.scope"

local wake_in, park_in, cancelled = kernel.wake_in, kernel.park_in, kernel.cancelled
local in_generator = kernel.in_generator
local checkpoint, note, rethrow = core.checkpoint, errors.note, errors.rethrow

---@class tusk.Semaphore
---@field available integer permits that nobody holds
---@field size integer permits in all
---@field waiting integer how many stand in line
local Semaphore = check.strict({ __name = "semaphore" }, "a semaphore", { "available", "size", "waiting" })
Semaphore.__index = Semaphore

--- holders: who is inside of these functions holds a permit: function → what gives the semaphore for its `self`.
local semaphore = { holders = {} }

--- Waits for a permit. Whoever is woken has it: a cancelled waiter has left the line before.
function semaphore.take(self)
  checkpoint()
  if self.available > 0 then
    self.available = self.available - 1
    return
  end
  self.waiting = self.waiting + 1
  local ok, gone = pcall(park_in, self.line)
  if ok and not gone then return end
  self.waiting = self.waiting - 1
  if not ok then error(gone, 0) end
  cancelled()
end

-- Wakes the first in line, who then has what the others wait for; false if nobody waits.
local function wake_first(self)
  if not wake_in(self.line) then return false end
  self.waiting = self.waiting - 1
  return true
end

--- Gives a permit to the first in line, or back.
function semaphore.give(self)
  if not wake_first(self) then self.available = self.available + 1 end
end

--- Lets all who stand in line through, though there are no permits for them: each gives one back.
function semaphore.release_all(self)
  while wake_first(self) do self.available = self.available - 1 end
end

local take, give = semaphore.take, semaphore.give

local function given_back(self, ok, ...)
  give(self)
  if ok then return ... end
  rethrow((...))
end

-- A coroutine of the user's may be dropped with the permit in its hands: a scope sees to that.
local function held(s, hold, fn, ...)
  scope.on_abandon(s, function()
    hold.over = true
    give(hold.semaphore)
  end)
  return fn(...)
end

local function hold_given_back(hold, ok, ...)
  if not hold.over then give(hold.semaphore) end
  if ok then return ... end
  rethrow((...))
end

local function in_scope(self, fn, ...)
  local hold = { semaphore = self }
  return hold_given_back(hold, xpcall(scope.run, note, nil, held, hold, fn, ...))
end

--- fn(…) holding a permit that was taken, which is given back however that ends. fn is the host's own: it hands nothing
--- to a coroutine of the user's before it ends, which could drop it.
function semaphore.hold_inside(self, fn, ...)
  return given_back(self, xpcall(fn, note, ...))
end

--- The same for any fn.
function semaphore.hold(self, fn, ...)
  if in_generator() then return in_scope(self, fn, ...) end
  return given_back(self, xpcall(fn, note, ...))
end

--- fn(…) holding a permit, which is given back however that ends.
---@param fn function
---@return any ... what fn returns
function Semaphore:with(fn, ...)
  dots.colon(Semaphore, self, "semaphore", "with")
  check.callable("fn", fn)
  take(self)
  return semaphore.hold(self, fn, ...)
end

local function itself(self)
  return self
end
for _, fn in ipairs { semaphore.hold, semaphore.hold_inside, in_scope } do semaphore.holders[fn] = itself end

---@class tusk.Lease
local Lease = check.strict({}, "a lease", {})

-- A lease is a userdata, so that one that is dropped gives its permit back when it is collected.
local template = newproxy(true)
local lease_meta = getmetatable(template)
debug.setfenv(template, {})

--- Gives the permit back; again: nothing.
function Lease:release()
  dots.colon(lease_meta, self, "lease", "release")
  local state = debug.getfenv(self)
  local sem = state.semaphore
  state.semaphore = nil
  if not sem then return end
  sem.leases[self] = nil
  give(sem)
end

lease_meta.__index, lease_meta.__gc, lease_meta.__name = Lease, Lease.release, "lease"

local WEAK = { __mode = "k" }

local function lease(self)
  local new = newproxy(template)
  debug.setfenv(new, { semaphore = self, task = kernel.current() })
  self.leases = self.leases or setmetatable({}, WEAK)
  self.leases[new] = true
  return new
end

--- The tasks that have taken leases which are out, in the order they began.
---@return tusk.Task[]
function semaphore.leaseholders(self)
  local tasks = {}
  for out in pairs(self.leases or {}) do tasks[#tasks + 1] = debug.getfenv(out).task end
  table.sort(tasks, function(a, b) return a.id < b.id end)
  return tasks
end

--- Waits for a permit: a lease with :release(). Where it can, `with` is the safer way.
---@param opts table|nil { timeout = }
---@return tusk.Lease
function Semaphore:acquire(opts)
  dots.colon(Semaphore, self, "semaphore", "acquire")
  core.within(check.options(opts, { "timeout" }), take, self)
  return lease(self)
end

--- A lease, or nil when there is no permit at once.
---@return tusk.Lease|nil
function Semaphore:try_acquire()
  dots.colon(Semaphore, self, "semaphore", "try_acquire")
  if self.available == 0 then return nil end
  self.available = self.available - 1
  return lease(self)
end

---@param size integer how many permits, at least 1
---@return tusk.Semaphore
function semaphore.new(size)
  if check.integer("size", size) < 1 then
    check.fail("size: at least 1 is needed, got " .. size, { argument = "size" })
  end
  return setmetatable({ available = size, size = size, waiting = 0, line = kernel.queue_new(), leases = false }, Semaphore)
end

return semaphore

-- test/clock: time that passes by itself when nothing else can happen.
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local operators = require "tusk.operators"

local clock = {}

local function wall_of(at)
  if at == nil then return kernel.wall() end
  if type(at) == "string" then return operators.get("date").parse(at) end
  return check.number("at", at)
end

local function body(_, fn, ...)
  return fn(...)
end

local function finish(ok, ...)
  kernel.clock_off()
  if not ok then errors.rethrow((...)) end
  return ...
end

--- fn(…) on a virtual clock: sleeps, deadlines, ticks, the lives of cached values and @date follow it. It goes
--- on by itself, to the next timer, whenever no task is ready and no I/O is in flight. Tasks that fn starts
--- have ended when this returns; all values pass through.
---@param opts table|function { at = Unix seconds or RFC 3339: what @date begins with, by_hand = true: the clock moves by
---  test.advance alone }; or fn itself
function clock.run(opts, fn, ...)
  if type(opts) == "function" then return clock.run({}, opts, fn, ...) end
  check.options(opts, { "at", "by_hand" })
  check.callable("fn", fn)
  local by_hand = opts.by_hand ~= nil and check.boolean("by_hand", opts.by_hand)
  core.checkpoint()
  if not kernel.clock_on(by_hand, wall_of(opts.at)) then check.fail("the clock is virtual already") end
  return finish(xpcall(core.scope, errors.note, nil, body, fn, ...))
end

local function need_virtual(what)
  if not kernel.clock_elapsed() then check.fail(what .. " is for use within test.clock", nil) end
end

--- Lets so much virtual time pass, I/O in flight or not. Timers that are due meanwhile fire in their order, those
--- of its very end included.
---@param duration number|string
function clock.advance(duration)
  local seconds = check.duration("duration", duration)
  need_virtual "test.advance"
  if kernel.clock_advance(seconds) then
    kernel.clock_hold()
    kernel.cancelled()
  end
end

--- How much virtual time has passed since test.clock began.
---@return number seconds
function clock.now()
  need_virtual "test.now"
  return (kernel.clock_elapsed())
end

return clock

-- cli/guard: what `tusk test` puts around each `it`: a scope of its own, a time, and chance as it was.
local chance = require "tusk.chance"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local report = require "tusk.report"
local scope = require "tusk.scope"

local guard = {}

local LINES = 20 -- of tasks that wait

local running -- { s =, at =, message =, ended = } of the test that runs

local function clock_line()
  local seconds, by_hand = kernel.clock_elapsed()
  if not seconds then return nil end
  return ("the virtual clock stands at %g s: it goes on %s"):format(seconds,
    by_hand and "by test.advance alone" or "when no I/O is in flight and no handle of luv is active")
end

local function describe(what)
  local at = running.at
  local lines = { at and ("%s:%d: %s"):format(at.short_src, at.currentline, what) or what }
  local waiting = report.waiting()
  for i = 1, math.min(#waiting, LINES) do lines[#lines + 1] = waiting[i] end
  if #waiting > LINES then lines[#lines + 1] = ("and %d more"):format(#waiting - LINES) end
  lines[#lines + 1] = clock_line()
  return table.concat(lines, "\n  ")
end

local function give_up(what)
  running.message = describe(what)
  if running.ended then kernel.log(3, "tusk: " .. running.message) end -- a child will not stop
  running.s:cancel()
end

local function deadlock()
  if running and not running.message then return give_up "the test waits, and nothing can ever wake it:" end
  report.deadlock()
end

local function body(s, seconds, safe, descriptor, run, element)
  running = { s = s, at = element.trace }
  if seconds > 0 then kernel.watch(seconds) end
  local result = { safe(descriptor, run, element) }
  if running.message and result[1]:success() then -- it has caught its cancellation
    result = { safe(descriptor, function() error(running.message, 0) end, element) }
  end
  running.result, running.ended = result, true
  s:cancel() -- what it has left running
end

local function leave(safe, descriptor, element, _, e)
  local result = running and running.result
  running = nil
  kernel.watch(nil)
  chance.seed(nil)
  if result then return unpack(result) end
  return safe(descriptor, function() error(e, 0) end, element) -- the whole run is being stopped
end

--- Guards the tests of this busted: each has so many seconds of real time (0: any), and ends with all it has started.
function guard.install(busted, seconds)
  local safe, rewrite = busted.safe, busted.rewriteMessage
  local what = ("the test took longer than %gs; waiting:"):format(seconds)
  kernel.use("watch", function() give_up(what) end)
  kernel.use("deadlock", deadlock)
  function busted.rewriteMessage(element, message, ...)
    if running and running.message and errors.is(message, "cancelled") then message = running.message end
    return rewrite(element, message, ...)
  end
  function busted.safe(descriptor, run, element)
    if descriptor ~= "it" or run ~= element.run then return safe(descriptor, run, element) end
    return leave(safe, descriptor, element,
      pcall(scope.run, { name = "it", on_error = "log" }, body, seconds, safe, descriptor, run, element))
  end
end

--- The tests are over.
function guard.remove()
  kernel.use("deadlock", report.deadlock)
end

return guard

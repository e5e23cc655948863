-- report.lua: failures that nobody waits for, and hosts that can never go on.
local kernel = require "tusk.kernel"
local errors = require "tusk.errors"

local report = { failures = 0 }

local function log_error(err)
  kernel.log(3, require("tusk.render").error(err))
end

--- A child of the application's or a plugin's own scope failed: logged, the others go on.
function report.unhandled(err)
  report.failures = report.failures + 1
  log_error(err)
end

--- A callback of luv failed.
function report.callback(err)
  report.failures = report.failures + 1
  log_error(errors.wrap(err))
end

local function waiting_tasks()
  local lines = {}
  for _, t in ipairs(kernel.tasks()) do
    local seconds = kernel.parked_for(t)
    if seconds then lines[#lines + 1] = ("%s waits since %.1f s"):format(tostring(t), seconds) end
  end
  return lines
end

--- Nothing can ever wake any task: the application fails with the list of who waits.
function report.deadlock()
  local err = errors.new("deadlock", "every task waits, and nothing can wake any of them", { help = waiting_tasks() })
  if report.app then kernel.scope_fail(report.app, err)
  else log_error(err) end
end

return report

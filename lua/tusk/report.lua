-- report.lua: failures that nobody waits for, and hosts that can never go on.
local kernel = require "tusk.kernel"
local errors = require "tusk.errors"
local sites = require "tusk.sites"

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

--- A task has caught `cancelled` a hundred times and gone on: told, for it is about to be ended all the same.
function report.stuck(task)
  log_error(errors.new("cancelled", tostring(task) .. " has caught its cancellation 100 times and gone on; "
    .. "now nothing holds it back", { help = { "let `cancelled` through: if err:is(\"cancelled\") then error(err, 0) end" } }))
end

-- "task 3 "name" waits since 2.0 s in @sleep at main.lua:7"
local function waiting_line(t, seconds)
  local site = sites.here(kernel.coroutine_of(t))
  local where = site and (site.op and " in @" .. site.op or "") .. (" at %s:%d"):format(site.file, site.line) or ""
  return ("%s waits since %.1f s%s"):format(tostring(t), seconds, where)
end

--- A line for each task that waits.
---@return string[]
function report.waiting()
  local lines = {}
  for _, t in ipairs(kernel.tasks()) do
    local seconds = kernel.parked_for(t)
    if seconds then lines[#lines + 1] = waiting_line(t, seconds) end
  end
  return lines
end

--- Nothing can ever wake any task: the application fails with the list of who waits.
function report.deadlock()
  local err = errors.new("deadlock", "every task waits, and nothing can wake any of them", { help = report.waiting() })
  if not (report.app and kernel.scope_fail(report.app, err)) then log_error(err) end
end

return report

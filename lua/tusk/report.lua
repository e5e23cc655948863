-- report.lua: failures that nobody waits for, and hosts that can never go on.
local kernel = require "tusk.kernel"
local errors = require "tusk.errors"

local report = { failures = 0 }

local LINES = 50 -- of those that wait, and of circles

local function text_of(err)
  return require("tusk.render").error(err)
end

local function log_error(err)
  local ok, text = pcall(text_of, err)
  kernel.log(3, ok and text or tostring(err)) -- there may be no memory for more
end

-- The embedder, if it has asked to be told of failures -> whether it has.
local function tell_embedder(err, task)
  local e = errors.wrap(err)
  local kind, trace = rawget(e, "kind"), rawget(e, "traceback")
  return kernel.failed(task, type(kind) == "string" and kind or "lua", errors.shown(e),
    type(trace) == "string" and trace or "", rawget(e, "sent") == true)
end

--- A child of the application's or a plugin's own scope failed: told, the others go on.
---@param err any
---@param task tusk.Task|nil whose failure it is
function report.unhandled(err, task)
  report.failures = report.failures + 1
  if not tell_embedder(err, task) then log_error(err) end
end

--- A callback of luv failed.
function report.callback(err)
  report.unhandled(errors.wrap(err))
end

--- One resume of a task took longer than the embedder's limit allows without a word.
---@param id integer
---@param ms number
---@param task tusk.Task|nil unless it has ended
function report.slow(id, ms, task)
  local name, place = "task " .. id, ""
  if task then
    local on = require("tusk.inspect").one(task)
    name = tostring(task)
    if on.site then place = (", up to %s:%d"):format(on.site.file, on.site.line) end
  end
  kernel.log(2, ("%s ran for %.1f ms without waiting%s"):format(name, ms, place))
end

--- A task has caught `cancelled` a hundred times and gone on: told, for it is about to be ended all the same.
function report.stuck(task)
  log_error(errors.new("cancelled", tostring(task) .. " has caught its cancellation 100 times and gone on; "
    .. "now nothing holds it back", { help = { "let `cancelled` through: if err:is(\"cancelled\") then error(err, 0) end" } }))
end

local function is_waiting(t)
  return t.state == "parked" or t.state == "joining"
end

-- Those that wait, as data, oldest first; and the circles among them, as lists of tasks.
local function look()
  local found, list = require("tusk.waits").report(), {}
  for _, t in ipairs(require("tusk.inspect").tasks(found)) do
    if is_waiting(t) then list[#list + 1] = t end
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  return list, require("tusk.circles").find(found), found
end

-- A line for each of those that wait, and for each circle.
local function lines_of(list, circles, found)
  local lines = {}
  for i = 1, math.min(#list, LINES) do lines[i] = require("tusk.inspect").line(list[i]) end
  if #list > LINES then lines[#lines + 1] = ("and %d more"):format(#list - LINES) end
  for i = 1, math.min(#circles, LINES) do
    lines[#lines + 1] = "in a circle: " .. require("tusk.circles").text(found, circles[i])
  end
  return lines
end

--- A line for each task that waits: on what, since when, where; and one for each circle among them.
---@return string[]
function report.waiting()
  return lines_of(look())
end

local function ids(tasks)
  local list = {}
  for i, task in ipairs(tasks) do list[i] = task.id end
  return list
end

--- Nothing can ever wake any task: the application fails with who waits on what, in `waits` as tusk.ps() gives it,
--- and in `circles` the ids of tasks that wait for each other.
function report.deadlock()
  local list, circles, found = look()
  local err = errors.new("deadlock", "every task waits, and nothing can wake any of them",
    { help = lines_of(list, circles, found), waits = list, circles = {} })
  for i, tasks in ipairs(circles) do err.circles[i] = ids(tasks) end
  if not (report.app and kernel.scope_fail(report.app, err)) and not tell_embedder(err) then log_error(err) end
end

return report

-- contest.lua: functions and tasks side by side until one of them decides; the others are cancelled and joined.
local kernel = require "tusk.kernel"
local check = require "tusk.check"
local errors = require "tusk.errors"
local scope = require "tusk.scope"
local task = require "tusk.task"

local is_task = kernel.is_task
local contest = {}

local function await(t)
  return t:await()
end

-- One entrant. What comes after the decision no longer counts; a cancellation never does.
local function one(c, i)
  local f = c.list[i]
  local ok, value
  if is_task(f) then ok, value = pcall(await, f) else ok, value = xpcall(f, errors.note) end
  if not ok then
    value = errors.wrap(value)
    if errors.is(value, "cancelled") then error(value, 0) end
  end
  if c.decided or not c.settles(c, i, ok, value) then return end
  c.decided, c.ok, c.value = true, ok, value
  c.scope:cancel()
end

local function body(s, c)
  c.scope = s
  if c.tasks then
    s:defer(function()
      if kernel.scope_reason(s) ~= 0 then task.end_all(c.n, c.list) end
    end)
  end
  for i = 1, c.n do
    if c.decided then return end
    s:start(one, c, i)
  end
end

local function entrants(...)
  local n, only = select("#", ...), (...)
  local list = { ... }
  if n == 1 and type(only) == "table" and not check.is_callable(only) then list, n = only, #only end
  if n == 0 then check.fail("at least one function or task is needed") end
  local tasks = false
  for i = 1, n do
    if is_task(list[i]) then tasks = true else check.callable("argument " .. i, list[i]) end
  end
  return { list = list, n = n, tasks = tasks }
end

--- Runs the entrants until settles(contest, i, ok, value) is true of one.
---@param settles fun(c: table, i: integer, ok: boolean, value: any): boolean
---@param ... function|tusk.Task or one list of them
---@return table contest with decided, ok, value, n and what settles has kept
function contest.run(settles, ...)
  local c = entrants(...)
  c.settles = settles
  scope.run(nil, body, c)
  return c
end

return contest

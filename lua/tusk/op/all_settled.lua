-- @all_settled(f, g, …): runs all to their ends: { {ok=true, value=…} or {ok=false, err=…}, …, n = }.
local array = require "tusk.array"
local check = require "tusk.check"
local errors = require "tusk.errors"
local scope = require "tusk.scope"
local task = require "tusk.task"

local function settled(ok, value)
  if ok then return { ok = true, value = value } end
  local err = errors.wrap(value)
  if errors.is(err, "cancelled") then error(err, 0) end
  return { ok = false, err = err }
end

local function one(f, outcomes, i)
  if task.is_task(f) then outcomes[i] = settled(pcall(f.await, f))
  else outcomes[i] = settled(xpcall(f, errors.note)) end
end

local function body(s, list, outcomes)
  for i = 1, outcomes.n do s:start(one, list[i], outcomes, i) end
end

---@param ... function|tusk.Task or one list of them
return function(...)
  local n, only = select("#", ...), (...)
  local list = { ... }
  if n == 1 and type(only) == "table" and not task.is_task(only) then list, n = only, #only end
  for i = 1, n do
    if not task.is_task(list[i]) then check.callable("argument " .. i, list[i]) end
  end
  local outcomes = array.counted({}, n)
  scope.run(nil, body, list, outcomes)
  return outcomes
end

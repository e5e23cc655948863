-- @all(f, g, …): runs all side by side; the first value of each, in order; fails with the first failure.
local array = require "tusk.array"
local check = require "tusk.check"
local scope = require "tusk.scope"
local task = require "tusk.task"
local kernel = require "tusk.kernel"

local is_task, result = task.is_task, kernel.result

local function await(t)
  return t:await()
end

-- Children by position; a task given is awaited by a child of its own.
local function body(s, n, list)
  local children = {}
  s:defer(function()
    if kernel.scope_reason(s) ~= 0 then task.end_all(n, list) end
  end)
  for i = 1, n do
    local f = list[i]
    children[i] = is_task(f) and s:start(await, f) or s:start(f)
  end
  return children
end

local function plain_body(s, n, list)
  for i = 1, n do list[i] = s:start(list[i]) end
  return list
end

local function has_task(n, list)
  local found = false
  for i = 1, n do
    if is_task(list[i]) then found = true
    else check.callable("argument " .. i, list[i]) end
  end
  return found
end

local function first_values(n, children)
  local values = array.counted({}, n)
  for i = 1, n do values[i] = (result(children[i])) end
  return values
end

local function run(n, list)
  return first_values(n, scope.run(nil, has_task(n, list) and body or plain_body, n, list))
end

---@param ... function|tusk.Task or one list of them, then a table with `n` is returned
return function(...)
  local n, only = select("#", ...), (...)
  if n == 0 then return end
  if n == 1 and type(only) == "table" then
    local list = {}
    for i = 1, #only do list[i] = only[i] end
    return run(#only, list)
  end
  return unpack(run(n, { ... }), 1, n)
end

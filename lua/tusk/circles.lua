-- circles.lua: tasks that wait for each other, found in what waits.lua tells.
local kernel = require "tusk.kernel"

local circles = {}

-- What comes after a task, or after a semaphore that tasks wait for.
local function after(report, node)
  local on = report.on[node]
  if not on then return report.permits[node] or {} end
  return on.through and { on.through } or on.of or {}
end

-- The tasks from the place where the path meets itself again, the oldest first.
local function circle(path, from)
  local tasks, oldest, out = {}, 1, {}
  for i = from, #path do
    local node = path[i].node
    if kernel.is_task(node) then
      tasks[#tasks + 1] = node
      if node.id < tasks[oldest].id then oldest = #tasks end
    end
  end
  for i = 1, #tasks do out[i] = tasks[(oldest + i - 2) % #tasks + 1] end
  return out
end

-- Looks in depth from one node, without recursion: chains may be long. seen: the place in the path, 0 once left.
local function search(report, root, seen, found)
  local path = { { node = root, next = after(report, root), at = 0 } }
  seen[root] = 1
  while path[1] do
    local top = path[#path]
    top.at = top.at + 1
    local node = top.next[top.at]
    if node == nil then
      seen[top.node] = 0
      path[#path] = nil
    elseif not seen[node] then
      path[#path + 1] = { node = node, next = after(report, node), at = 0 }
      seen[node] = #path
    elseif seen[node] > 0 then
      found[#found + 1] = circle(path, seen[node])
    end
  end
end

--- Tasks that wait for each other in a circle: each for the next, the last for the first, which is the oldest.
---@param report table of waits.report
---@return tusk.Task[][]
function circles.find(report)
  local seen, found = {}, {}
  for _, task in ipairs(report.tasks) do
    if not seen[task] then search(report, task, seen, found) end
  end
  table.sort(found, function(a, b) return a[1].id < b[1].id end)
  return found
end

--- "task 2 waits for semaphore 1, held by task 3, which waits for task 2"
function circles.text(report, tasks)
  local out = { tostring(tasks[1]) .. " waits for " }
  for i, task in ipairs(tasks) do
    local on, after_it = report.on[task], tostring(tasks[i + 1] or tasks[1])
    local how = on.kind == "module" and ", loaded by " or ", held by "
    local hop = on.what and on.kind ~= "tasks" and on.what .. how .. after_it or after_it
    out[#out + 1] = hop .. (tasks[i + 1] and ", which waits for " or "")
  end
  return table.concat(out)
end

return circles

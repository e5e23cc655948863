-- What is written down of a run: for each statement that ends, when and how.
local trace = {}

--- What `return` gives: numbers and others, which tasks keep in different ways.
function trace.value(node)
  return node.id % 2 == 0 and node.id or "v" .. node.id
end

local function shown(value, seen)
  if type(value) ~= "table" then return tostring(value) end
  if seen[value] then return "^" end
  seen[value] = true
  local text = tostring(value.kind)
  local list = {}
  for i, e in ipairs(value.suppressed or {}) do list[i] = shown(e, seen) end
  return list[1] and text .. "{" .. table.concat(list, ",") .. "}" or text
end

function trace.note(marks, node, now, ok, value, second)
  marks[#marks + 1] = ("%s %s at %g: %s%s%s"):format(node.op, node.id, now, ok and "" or "raised ",
    shown(value, {}), second ~= nil and " " .. shown(second, {}) or "")
end

local function sorted(list)
  local ids = {}
  for id in pairs(list) do ids[#ids + 1] = id end
  table.sort(ids)
  return ids
end

--- How each task ended, what children of each scope failed with, if they were collected, and the permits there are.
function trace.states(marks, tasks, collecting, semaphores)
  for _, id in ipairs(sorted(tasks)) do marks[#marks + 1] = ("task %d: %s"):format(id, tasks[id].state) end
  for _, id in ipairs(sorted(collecting)) do
    for _, e in ipairs(collecting[id].errors) do
      marks[#marks + 1] = ("collected by scope %d: %s"):format(id, shown(e, {}))
    end
  end
  for i, sem in ipairs(semaphores) do marks[#marks + 1] = ("semaphore %d: %d"):format(i, sem.available) end
end

return trace

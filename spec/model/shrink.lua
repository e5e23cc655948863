-- The smallest program near a failing one that still fails.
local generate = require "spec.model.generate"

local function copy(value)
  if type(value) ~= "table" then return value end
  local out = {}
  for k, v in pairs(value) do out[k] = copy(v) end
  return out
end

-- Each calls try(change) for every way in which a statement, number i of its list, can be made simpler.
local function edits(list, i, try)
  local node = list[i]
  try(function() table.remove(list, i) end)
  if node.body then
    try(function()
      table.remove(list, i)
      for j = #node.body, 1, -1 do table.insert(list, i, node.body[j]) end
    end)
  end
  for _, field in ipairs { "shield", "collect", "timeout", "into" } do
    if node[field] then try(function() node[field] = nil end) end
  end
  for k = 1, node.cases and #node.cases > 1 and #node.cases or 0 do
    try(function() table.remove(node.cases, k) end)
  end
  for _, field in ipairs { "d", "timeout" } do
    if (node[field] or 1) > 1 then try(function() node[field] = node[field] - 1 end) end
  end
end

local function each_edit(node, try)
  for i = 1, #node.body do
    edits(node.body, i, try)
    if node.body[i].body then each_edit(node.body[i], try) end
  end
end

-- The n-th simpler program, or nil.
local function simpler(program, n)
  local out, found, count = copy(program), nil, 0
  each_edit(out, function(change)
    count = count + 1
    if count == n then found = change end
  end)
  if not found then return nil end
  found()
  return out
end

--- Makes it simpler as long as fails(program) stays true.
return function(program, fails)
  local n = 1
  while true do
    local next_one = simpler(program, n)
    if not next_one then return program end
    if generate.valid(next_one) and fails(next_one) then program, n = next_one, 1 else n = n + 1 end
  end
end

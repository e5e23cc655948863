-- The first of several things that a task waits for, for reference.lua.
local World = require "spec.model.world"
local generate = require "spec.model.generate"

local function named_cases(run, node)
  local list = {}
  for _, c in ipairs(node.cases) do
    local case = { name = generate.case_text(c), channel = run.channels[c.ch], task = run.tasks[c.ref] }
    if case.channel or case.task then list[#list + 1] = case end
  end
  return list
end

-- What has come about of this case; value: what was handed over with it.
local function happened(rules, case, value, k)
  if case.channel then return k(true, case.name, value or "closed") end
  return rules.result(case.task, function(ok, v)
    if ok then return k(true, case.name, v) end
    return k(false, v)
  end)
end

-- The first case that has something: it, its value.
local function look(rules, run, list)
  local first, of_first
  for _, case in ipairs(list) do
    local value = case.channel and rules.next_value(run, case.channel)
    if value or (case.channel and case.channel.closed) or (case.task and case.task.ended) then
      if not first then first, of_first = case, value end
      if not run.broken.select then break end
    end
  end
  return first, of_first
end

-- Stands in the line of each case, and in that of time, until one wakes it.
local function stand(run, task, list, deadline)
  local lines, timer = {}, nil
  local function unlink()
    for waiter, line in pairs(lines) do World.remove(line, waiter) end
    if timer then World.remove(run.world.timers, timer) end
  end
  local function wake(case, value)
    unlink()
    run.world:ready(task, false, case and { case = case, value = value })
  end
  for _, case in ipairs(list) do
    local waiter = { wake = function(value) wake(case, value) end }
    lines[waiter] = case.channel and case.channel.receivers or case.task.awaiters
    table.insert(lines[waiter], waiter)
  end
  if deadline then timer = run.world:after(deadline - run.world.now, wake) end
  return unlink
end

--- What @select does: `rules` are checkpoint, wait, result and next_value of reference.lua.
return function(run, task, node, k, rules)
  local list = named_cases(run, node)
  if not list[1] and not node.d then return k(true, "none") end
  for _, case in ipairs(list) do
    if case.task == task then return k(false, World.error "argument") end
  end
  rules.checkpoint(run, task, k, function()
    local deadline = node.d and run.world.now + node.d
    local function attempt()
      local case, value = look(rules, run, list)
      if case then return happened(rules, case, value, k) end
      if deadline and run.world.now >= deadline then return k(true, "timeout") end
      return rules.wait(run, task, k, stand(run, task, list, deadline), function(what)
        if what then return happened(rules, what.case, what.value, k) end
        return attempt()
      end)
    end
    return attempt()
  end)
end

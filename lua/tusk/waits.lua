-- waits.lua: who waits on what. Nothing of it is kept while tasks run: it is found in the lines they stand in and
-- on their stacks when somebody asks.
local kernel = require "tusk.kernel"
local channel = require "tusk.channel"
local semaphore = require "tusk.semaphore"
local stacks = require "tusk.stacks"

local in_host = stacks.in_host

local waits = {}

local NAMED = 3 -- tasks that a text names, of many

---@class tusk.Waits what a task waits on
---@field kind string "await" "tasks" (of a scope) "recv" "send" "semaphore" "pool" "bulkhead" "limiter" "watch" "select" "module"
---@field text string follows "waits"
---@field what string|nil "channel 1", "semaphore 2": the same number is the same thing; the name of a scope
---@field tasks integer[]|nil ids of the tasks it needs: awaited, children, holders of the permits, the loader
---@field cases tusk.Waits[]|nil of a select, each with its name

local function holders_of(report, sem)
  report.holders = report.holders or stacks.holders(report.tasks)
  local list = {}
  for _, task in ipairs(report.holders[sem] or {}) do list[#list + 1] = task end
  for _, task in ipairs(semaphore.leaseholders(sem)) do list[#list + 1] = task end
  return list
end

-- ---- texts ----

local function number(report, kind, thing)
  if not report.numbers[thing] then
    report.counts[kind] = (report.counts[kind] or 0) + 1
    report.numbers[thing] = kind .. " " .. report.counts[kind]
  end
  return report.numbers[thing]
end

local function listed(tasks)
  local out = {}
  for i = 1, math.min(#tasks, NAMED) do out[i] = tostring(tasks[i]) end
  if #tasks > NAMED then out[#out + 1] = ("%d more"):format(#tasks - NAMED) end
  return table.concat(out, ", ")
end

-- ---- what it can be ----

-- The name of the scope that a task waits for the end of.
local function scope_name(task)
  return in_host(task, function(source, first)
    if source == "=[tusk.scope]" and type(first) == "userdata" then return first.name or false end
  end)
end

local function on_tasks(_, task, tasks)
  local name = scope_name(task)
  local whose = name and (' of "%s"'):format(name) or ""
  if not tasks[1] then -- a program, say, that is being ended
    return { kind = "tasks", text = ("for the end of what the scope%s owns"):format(whose), what = name or nil, of = tasks }
  end
  local which = #tasks == 1 and "its child" or ("its %d children"):format(#tasks)
  return { kind = "tasks", text = ("for %s%s, %s"):format(which, whose, listed(tasks)), what = name or nil, of = tasks }
end

local function filled(ch)
  if ch.cap == 0 then return "" end
  return (" (%d of %d in it)"):format(ch.len, ch.cap)
end

local function on_channel(report, _, ch, receives)
  local what = number(report, "channel", ch)
  local text = (receives and "to receive from " or "to send to ") .. what .. filled(ch)
  return { kind = receives and "recv" or "send", text = text, what = what }
end

local function on_permit(report, kind, thing, sem)
  local tasks, what = holders_of(report, sem), number(report, kind, thing)
  local text = "for " .. what .. (tasks[1] and ", held by " .. listed(tasks) or "")
  return { kind = kind, text = text, what = what, through = sem, of = tasks }
end

local function on_task(task)
  return { kind = "await", text = "for " .. tostring(task), of = { task } }
end

-- Semaphores and the like, by the name of their metatable; self is what stands in the outer frames.
local on_thing = {}

function on_thing.semaphore(report, task, sem)
  local pool = in_host(task, function(_, first)
    if type(first) == "table" and rawget(first, "gate") == sem then return first end
  end)
  local kind = pool and getmetatable(pool).__name or "semaphore"
  return on_permit(report, kind, pool or sem, sem)
end

local function on_limiter(report, limiter)
  local what = number(report, "limiter", limiter)
  local name = rawget(limiter, "name")
  return { kind = "limiter", text = "for " .. what .. (name and (' "%s"'):format(name) or ""), what = what }
end

on_thing["limiter line"] = function(report, _, line)
  return on_limiter(report, line.limiter)
end

-- The first in a limiter's line sleeps until it may: not all that sleep wait for nothing but the time.
local function on_time(report, task)
  local line = in_host(task, function(source, first)
    if source == "=[tusk.limiter.line]" and type(first) == "table" and rawget(first, "limiter") then return first end
  end)
  return line and on_limiter(report, line.limiter)
end

function on_thing.watch(report, _, watch)
  local what = number(report, "watch", watch)
  return { kind = "watch", text = "for " .. what, what = what }
end

on_thing["tusk.Queue"] = function(_, task, queue)
  return in_host(task, function(source, first, co, level)
    if source ~= "=[tusk.require]" or type(first) ~= "table" or rawget(first, "queue") ~= queue then return nil end
    local _, name = debug.getlocal(co, level, 3)
    return { kind = "module", text = ("for module %s, loaded by %s"):format(tostring(name), tostring(first.task)),
      what = "module " .. tostring(name), of = { first.task } }
  end)
end

local function on_object(report, task, thing)
  local meta = getmetatable(thing)
  local describe = type(meta) == "table" and on_thing[rawget(meta, "__name")]
  return describe and describe(report, task, thing) or nil
end

-- The object of whose line this is the address is the first local of one of the host's own frames.
local function on_line(report, task, address)
  if report.lines[address] then return on_task(report.lines[address]) end
  local thing = in_host(task, function(_, first)
    local line = type(first) == "table" and rawget(first, "line")
    if type(line) == "userdata" and kernel.address(line) == address then return first end
  end)
  return thing and on_object(report, task, thing)
end

local function ids(tasks)
  local list = {}
  for i, task in ipairs(tasks or {}) do list[i] = task.id end
  return list[1] and list or nil
end

local function on_case(report, task, case)
  local x, on = case.x
  if kernel.is_task(x) then on = on_task(x)
  elseif channel.is(x) then on = on_channel(report, task, x, true)
  else on = on_object(report, task, x) end
  on = on or { kind = "every", what = "a tick" }
  on.name, on.tasks = case.name, ids(on.of)
  return on
end

local function on_select(report, task)
  local list = in_host(task, function(source, first)
    if source == "=[tusk.select]" and type(first) == "table" and first[1] then return first end
  end)
  if not list then return nil end
  local on, texts = { kind = "select", cases = {}, of = {} }, {}
  for i, case in ipairs(list) do
    local c = on_case(report, task, case)
    on.cases[i] = c
    texts[i] = ("%s (%s)"):format(c.name, c.what or listed(c.of))
    if c.kind == "await" then table.insert(on.of, c.of[1]) end
  end
  on.text = "for the first of " .. table.concat(texts, ", ")
  return on
end

local BY_KIND = {
  tasks = on_tasks, channel = on_channel, select = on_select,
  line = on_line,
}

-- ---- the report ----

local function by_age(tasks)
  local born = {}
  for _, task in ipairs(tasks) do born[task] = task.id end
  table.sort(tasks, function(a, b) return born[a] < born[b] end)
  return tasks
end

--- What each task waits on: { tasks = all that live, oldest first, on = { [task] = tusk.Waits } }.
function waits.report()
  local report = { tasks = by_age(kernel.tasks()), on = {}, lines = {}, numbers = {}, counts = {}, permits = {} }
  for _, task in ipairs(report.tasks) do report.lines[kernel.awaiters(task)] = task end
  for _, task in ipairs(report.tasks) do
    local kind, what, how = kernel.waits_on(task)
    local describe = BY_KIND[kind] or on_time
    local on = describe(report, task, what, how)
    if on then
      report.on[task] = on
      on.tasks = ids(on.of)
      if on.through then report.permits[on.through] = on.of end
    end
  end
  return report
end

return waits

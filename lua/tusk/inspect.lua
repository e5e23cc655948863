-- inspect.lua: the tasks that live, as data and as a tree for people.
local collect = require "tusk.collect"
local kernel = require "tusk.kernel"
local sites = require "tusk.sites"
local stacks = require "tusk.stacks"
local waits = require "tusk.waits"

local getinfo = debug.getinfo

local inspect = {}

local FRAMES = 100
local TEXT_MAX = 56 * 1024 -- bytes of a tree; with what follows it 64 KiB: what a socket takes at once, and a log keeps
local STATES_MAX = 8 * 1024 -- bytes of the lines after it

-- The name by which the user's code has called into the host: "recv", "await".
local function method(co)
  local inner
  for level = 0, FRAMES do
    local info = getinfo(co, level, "Sn")
    if not info then return nil end
    if info.what ~= "C" and info.source:sub(1, 6) ~= "=[tusk" then return inner end
    inner = info.name and info.name:match("^[%w_]+$") -- not "(for generator)"
  end
end

-- Where a task's code is, in the generator it waits for, if it does; and what it has called there.
local function place(task)
  local all = stacks.coroutines(task)
  local co = all[#all]
  local site = co and sites.here(co) or nil
  return site, site and not site.op and kernel.state(task) == "parked" and method(co) or nil
end

-- A copy without what only the report itself can use.
local function plain(on)
  if not on then return nil end
  local out = { kind = on.kind, text = on.text, what = on.what, name = on.name, tasks = on.tasks }
  for i, case in ipairs(on.cases or {}) do
    out.cases = out.cases or {}
    out.cases[i] = plain(case)
  end
  return out
end

local function describe(task, on)
  local id, _, _, owner = kernel.info(task)
  local site, called = place(task)
  return {
    id = id, name = task.name, parent = owner and owner.id, state = task.state, site = site, op = site and site.op,
    method = called, on = plain(on),
    since = kernel.parked_for(task), deadline = kernel.deadline_of(task),
  }
end

---@class tusk.Inspected
---@field id integer
---@field name string|nil
---@field parent integer|nil the task whose scope owns it
---@field state string "running" "ready" "parked" "joining": its body has ended, its children have not
---@field op string|nil the operator it is in, without "@"
---@field method string|nil the method it is in, where that is no operator: "recv", "await"
---@field on tusk.Waits|nil what it waits on, where that is known: other tasks, a channel, a semaphore …
---@field site table|nil { file, line, column }
---@field since number|nil seconds that it has waited
---@field deadline number|nil seconds that are left to it

--- All tasks that live, owners before what they own.
---@param report table|nil of waits.report, if the caller has one
---@return tusk.Inspected[]
function inspect.tasks(report)
  report = report or waits.report()
  local list = {}
  for i, task in ipairs(kernel.tasks()) do list[i] = describe(task, report.on[task]) end
  return list
end

--- One of them.
---@return tusk.Inspected
function inspect.one(task)
  return describe(task)
end

local STATES = { parked = "waits", joining = "waits for its tasks", running = "runs", ready = "is ready" }

--- One task as a line: `task 3 "mail" waits for task 4 since 0.3 s in await at app/main.lua:14`.
---@param t tusk.Inspected
function inspect.line(t)
  local out = { "task " .. t.id }
  if t.name then out[#out + 1] = ('"%s"'):format((t.name:sub(1, 60):gsub("%c", "?"))) end
  out[#out + 1] = t.on and "waits " .. t.on.text or STATES[t.state] or t.state
  if t.since then out[#out + 1] = ("since %.1f s"):format(t.since) end
  if t.op or t.method then out[#out + 1] = "in " .. (t.op and "@" .. t.op or t.method) end
  if t.site then out[#out + 1] = ("at %s:%d"):format(t.site.file, t.site.line) end
  if t.deadline then out[#out + 1] = ("(%.1f s left)"):format(t.deadline) end
  return table.concat(out, " ")
end

-- id of the owner → what it owns; false → what no task owns.
local function by_owner(list)
  local owned = {}
  for _, t in ipairs(list) do
    local key = t.parent or false
    owned[key] = owned[key] or {}
    table.insert(owned[key], t)
  end
  for _, tasks in pairs(owned) do
    table.sort(tasks, function(a, b) return a.id < b.id end)
  end
  return owned
end

-- Every task with its depth, in the order of the tree; without recursion: it may be deep.
local function walk(owned, visit)
  local stack = { { list = owned[false] or {}, at = 0 } }
  while stack[1] do
    local top = stack[#stack]
    top.at = top.at + 1
    local t = top.list[top.at]
    if not t then
      stack[#stack] = nil
    else
      visit(t, #stack - 1)
      if owned[t.id] then stack[#stack + 1] = { list = owned[t.id], at = 0 } end
    end
  end
end

-- Adds lines as long as they are no more than so many bytes together; the others are counted.
local function bounded(out, max)
  local bytes, left_out = 0, 0
  local function add(line)
    bytes = bytes + #line + 1
    if bytes <= max then out[#out + 1] = line else left_out = left_out + 1 end
  end
  local function finish(lead)
    if left_out > 0 then out[#out + 1] = ("%s… and %d more"):format(lead, left_out) end
  end
  return add, finish
end

-- Breakers, limiters and others that have a name: a line each.
local function add_states(out)
  local add, finish = bounded(out, STATES_MAX)
  for _, line in ipairs(collect.states()) do add((line:gsub("%c", "?"))) end
  finish("")
end

--- The tree, a line for each task, then how policies with a name stand; what is too much for 64 KiB is only counted.
---@return string without a newline at its end
function inspect.text()
  local list = inspect.tasks()
  local out = { ("%d task%s"):format(#list, #list == 1 and "" or "s") }
  local add, finish = bounded(out, TEXT_MAX)
  walk(by_owner(list), function(t, depth) add(("  "):rep(math.min(depth, 20) + 1) .. inspect.line(t)) end)
  finish("  ")
  add_states(out)
  return table.concat(out, "\n")
end

return inspect

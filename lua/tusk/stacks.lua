-- stacks.lua: what the stacks of tasks tell: the coroutines a task is in, the host's functions it waits in, the
-- permits it holds. For reports only.
local kernel = require "tusk.kernel"
local semaphore = require "tusk.semaphore"

local getinfo, getlocal = debug.getinfo, debug.getlocal

local stacks = {}

local FRAMES = 200

-- The coroutine of the user's that co has resumed and that waits: the resume is a frame of coroutine.lua, whose
-- first local it is.
local function resumed_by(co)
  for level = 0, FRAMES do
    local info = getinfo(co, level, "S")
    if not info then return nil end
    if info.source == "=[tusk.coroutine]" then
      local _, inner = getlocal(co, level, 1)
      if type(inner) == "thread" then return inner end
    elseif info.what ~= "C" then
      return nil
    end
  end
end

--- The coroutines that a task is in: its own, and each that the one before has resumed.
---@return thread[]
function stacks.coroutines(task)
  local list, co = {}, kernel.coroutine_of(task)
  while co and #list < FRAMES do
    list[#list + 1] = co
    co = resumed_by(co)
  end
  return list
end

--- visit(source, first local, coroutine, level) for the host's own frames of the innermost coroutine, up to the
--- user's code; what that returns first.
function stacks.in_host(task, visit)
  local all = stacks.coroutines(task)
  local co = all[#all]
  for level = 0, co and FRAMES or -1 do
    local info = getinfo(co, level, "S")
    if not info or info.what ~= "C" and info.source:sub(1, 6) ~= "=[tusk" then return nil end
    local _, first = getlocal(co, level, 1)
    local found = visit(info.source, first, co, level)
    if found ~= nil then return found end
  end
end

-- ---- who holds permits: those inside `with`, and those who have taken a lease ----

-- The semaphore whose permit the frame holds, and the frame inside it.
local function held_in(co, level, inner)
  local gate = semaphore.holders[getinfo(co, level, "f").func]
  if not gate or inner == semaphore.take then return nil end
  local _, self = getlocal(co, level, 1)
  return gate(self)
end

-- Adds the task to the holders of each semaphore that it holds a permit of.
local function note_holders(task, holders)
  for _, co in ipairs(stacks.coroutines(task)) do
    local inner
    for level = 0, FRAMES do
      local info = getinfo(co, level, "f")
      if not info then break end
      local held = held_in(co, level, inner)
      if held then
        holders[held] = holders[held] or {}
        table.insert(holders[held], task)
      end
      inner = info.func
    end
  end
end

--- { [semaphore] = the tasks that are inside of its `with`, or its pool's }
---@param tasks tusk.Task[]
function stacks.holders(tasks)
  local holders = {}
  for _, task in ipairs(tasks) do note_holders(task, holders) end
  return holders
end

return stacks

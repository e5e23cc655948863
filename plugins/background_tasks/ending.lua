-- ending.lua: the end of a pool, or of one type of its tasks: what is there is done first, as far as the time allows.
local task = require "tusk.plugins.background_tasks.task"

local ending = {}

local IN_TIME = 0.9 -- of what a finalizer, or who asks for the end, has

local function by_id(a, b)
  return a.id < b.id
end

-- What is in line, under way, or between two attempts; of one type, or of all.
local function left(self, name)
  local list = {}
  for t in pairs(self.open) do
    local is_open = t.state == "queued" or t.state == "running" or t.state == "paused"
    if is_open and (name == nil or t.name == name) then list[#list + 1] = t end
  end
  table.sort(list, by_id)
  return list
end

local function wait_for(self, name)
  while left(self, name)[1] do self.ended:changed() end
end

-- Waits, so long at most. What that took is gone from the time that the pool has at its end.
local function wait_within(self, seconds, fn, ...)
  local from = @date.clock()
  seconds = math.min(seconds, (@remaining() or math.huge) * IN_TIME)
  @try(@timeout, math.max(0, seconds), fn, ...)
  self.spent = self.spent + @date.clock() - from
end

local function give_up(self, name)
  for _, t in ipairs(left(self, name)) do
    self.figures:count("undone", t.name)
    task.finish(t, "undone")
    if t.running then t.running:cancel() end
    table.insert(self.undone, t)
  end
end

--- The scope of a type has ended: no more of it are taken, but from tasks; those there are are done, or given up.
---@param kind background_tasks.Kind
function ending.retire(self, name, kind)
  if self.kinds[name] ~= kind then return end -- another has taken its place
  kind.over = true
  wait_within(self, self.drain - self.spent, wait_for, self, name)
  give_up(self, name)
end

--- The end of all.
---@param seconds number
---@return background_tasks.Task[] undone
function ending.stop(self, seconds)
  self.ending = true
  wait_within(self, seconds - self.spent, self.idle, self)
  self.queue:close()
  @yield() -- those who wait for room are told
  give_up(self)
  for _, worker in ipairs(self.workers) do worker:cancel() end
  return self.undone
end

return ending

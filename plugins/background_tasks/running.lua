-- running.lua: workers, and the tasks that they run. One that pauses between two attempts leaves its worker to others.
local task = require "tusk.plugins.background_tasks.task"
local tusk = require "tusk"

local is, note, rethrow = tusk.errors.is, tusk.errors.note, tusk.errors.rethrow

local running = {}

local under_way = {} -- task → the scope of its attempt, of all pools

--- The task that asks, or has started who asks; nil when none has.
---@param pool background_tasks.Pool|nil of that one alone
---@return background_tasks.Task|nil
function running.asking(pool)
  for t, scope in pairs(under_way) do
    if (pool == nil or pool.open[t]) and scope:is_around() then return t end
  end
end

-- ---- what is open: from before it is in line until it has ended ----

function running.open(self, t)
  self.open[t], self.count.open = true, self.count.open + 1
end

function running.close(self, t)
  if not self.open[t] then return end
  self.open[t], self.count.open = nil, self.count.open - 1
  self.ended:set(t.id)
end

-- ---- a task and its worker: the channel on which the worker waits until the task can do without it ----

local function release(t)
  local worker = t.worker
  t.worker = false
  if worker then worker:try_send(true) end
end

-- Others may have its worker meanwhile. Only so many rest at a time: more keep theirs, which holds back all who enqueue.
local function rest(self, t)
  if t.resting or self.count.paused >= self.queue.cap then return end
  t.resting, t.state, self.count.paused = true, "paused", self.count.paused + 1
  release(t)
end

local function rested(self, t)
  if t.resting then self.count.paused = self.count.paused - 1 end
  t.resting = false
end

-- Goes on as soon as there is a worker for it.
local function resume(self, t)
  if t.resting then
    t.grant = @channel(1)
    self.again:send(t)
    t.grant:recv()
  end
  rested(self, t)
  t.state = "running"
end

-- ---- a task ----

-- As they were handed in: what is no value is none here too.
local function args_of(t)
  local args = @json.decode(t.text, { nulls = true })
  if args ~= tusk.null then return args end
end

local function perform(t, kind)
  return tusk.scope({ timeout = kind.timeout }, function(scope)
    under_way[t] = scope
    return (kind.fn { id = t.id, name = t.name, args = args_of(t), attempt = t.attempt })
  end)
end

local function attempt(self, t, kind)
  resume(self, t)
  local from = @date.clock()
  t.attempt, self.count.running = t.attempt + 1, self.count.running + 1
  local ok, value = xpcall(perform, note, t, kind)
  under_way[t] = nil
  t.seconds, self.count.running = t.seconds + @date.clock() - from, self.count.running - 1
  if ok then return value end
  if not is(value, "cancelled") then rest(self, t) end
  rethrow(value)
end

local function succeeded(self, t, value)
  self.count.done = self.count.done + 1
  self.figures:count("done", t.name)
  task.finish(t, "done", value)
end

-- What was raised, for the log: an object of somebody's may refuse to be looked at.
local function shown(err)
  local ok, text = pcall(tostring, err)
  return ok and text or "an error object that is no text"
end

local function failed(self, t, err)
  if is(err, "cancelled") then -- nobody has cancelled it; who awaits it must not take that for their own end
    err = tusk.errors.new("tasks.failed", ("%s raised a cancellation of its own"):format(t), { cause = err })
  end
  self.count.failed = self.count.failed + 1
  self.figures:count("failed", t.name)
  self.log.error("task failed", { type = t.name, id = t.id, attempts = t.attempt, kind = rawget(err, "kind"), error = shown(err) })
  task.finish(t, "failed", err)
end

-- What became of it; false: it is not over, it was cut short, and who does that names it.
local function settle(self, t, ok, value)
  if ok then succeeded(self, t, value)
  elseif not is(value, "cancelled") or pcall(@yield) then failed(self, t, tusk.errors.wrap(value))
  elseif t.asked then task.finish(t, "cancelled", t.asked.why)
  else return false end
  return true
end

local function run(self, t, kind)
  if kind.waits then rest(self, t) end
  local ok, value = xpcall(kind.policy.run, note, kind.policy, attempt, self, t, kind)
  self.figures:took(t.name, t.seconds)
  if settle(self, t, ok, value) then running.close(self, t) end
  rested(self, t)
  release(t)
end

-- ---- workers ----

-- Has the task got this worker now?
local function serve(self, t, worker)
  if t.state == "queued" then
    t.state, t.worker = "running", worker
    t.running = self.scope:spawn({ name = tostring(t) }, run, self, t, self.kinds[t.name])
  elseif t.state == "paused" then
    t.worker = worker
    t.grant:try_send(true)
  else
    running.close(self, t) -- it was cancelled in line
    return false
  end
  return true
end

--- A worker, until the queue is closed. A task that goes on comes before one that is new.
function running.work(self)
  local worker, cases = @channel(1), { { self.again, "again" }, { self.queue, "new" } }
  while true do
    local _, t = @select(cases)
    if not t then return end
    if serve(self, t, worker) then worker:recv() end
  end
end

return running

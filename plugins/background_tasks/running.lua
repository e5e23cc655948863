-- running.lua: workers, and the tasks that they run.
local task = require "tusk.plugins.background_tasks.task"
local tusk = require "tusk"
local worker = require "tusk.plugins.background_tasks.worker"

local is, note, rethrow = tusk.errors.is, tusk.errors.note, tusk.errors.rethrow

local running = {}

-- ---- what is open: from before it is in line until it has ended ----

function running.open(self, t)
  self.open[t], self.count.open = true, self.count.open + 1
end

function running.close(self, t)
  if not self.open[t] then return end
  self.open[t], self.count.open = nil, self.count.open - 1
  self.ended:set(t.id)
end

-- ---- a task ----

local function perform(t, kind)
  return @scope({ timeout = kind.timeout }, function()
    return (kind.fn { id = t.id, name = t.name, args = @json.decode(t.text, { nulls = true }), attempt = t.attempt })
  end)
end

local function attempt(self, t, kind)
  worker.resume(self, t)
  local from = @date.clock()
  t.attempt, self.count.running = t.attempt + 1, self.count.running + 1
  local ok, value = xpcall(perform, note, t, kind)
  t.seconds, self.count.running = t.seconds + @date.clock() - from, self.count.running - 1
  if ok then return value end
  if not is(value, "cancelled") then worker.rest(self, t) end
  rethrow(value)
end

local function succeeded(self, t, value)
  self.count.done = self.count.done + 1
  self.figures:count("done", t.name)
  task.finish(t, "done", value)
end

local function failed(self, t, err)
  if is(err, "cancelled") then -- nobody has cancelled it; who awaits it must not take that for their own end
    err = tusk.errors.new("tasks.failed", ("%s raised a cancellation of its own"):format(t), { cause = err })
  end
  self.count.failed = self.count.failed + 1
  self.figures:count("failed", t.name)
  self.log.error("task failed", { type = t.name, id = t.id, attempts = t.attempt, kind = err.kind, error = tostring(err) })
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
  worker.enter(self, t)
  if kind.waits then worker.rest(self, t) end
  local ok, value = xpcall(kind.policy.run, note, kind.policy, attempt, self, t, kind)
  worker.leave()
  self.figures:took(t.name, t.seconds)
  if settle(self, t, ok, value) then running.close(self, t) end
  worker.rested(self, t)
  worker.release(t)
end

-- ---- workers ----

-- Has the task got this worker now?
local function serve(self, t, own)
  if t.state == "queued" then
    t.state, t.worker = "running", own
    t.running = self.scope:spawn({ name = tostring(t) }, run, self, t, self.kinds[t.name])
  elseif t.state == "paused" then
    t.worker = own
    t.grant:try_send(true)
  else
    running.close(self, t) -- it was cancelled in line
    return false
  end
  return true
end

--- A worker, until the queue is closed. A task that goes on comes before one that is new.
function running.work(self)
  local own, cases = @channel(1), { { self.again, "again" }, { self.queue, "new" } }
  while true do
    local _, t = @select(cases)
    if not t then return end
    if serve(self, t, own) then own:recv() end
  end
end

return running

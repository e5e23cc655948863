-- background_tasks.lua: workers over a bounded queue, as a library. A full queue makes those wait who enqueue; a task that fails is no
-- worker's end.
local figures = require "tusk.plugins.background_tasks.figures"
local task = require "tusk.plugins.background_tasks.task"
local tusk = require "tusk"

---@class background_tasks.Pool
---@field scope tusk.Scope owns the workers
---@field log table
---@field queue tusk.Channel of background_tasks.Task
---@field open table<background_tasks.Task, true> taken, and not ended
---@field kinds table<string, background_tasks.Kind>
local Pool = {}
Pool.__index = Pool

local check, is = tusk.check, tusk.errors.is

local background_tasks = {}

---@class background_tasks.Kind
---@field fn fun(job: { id: integer, name: string, args: any, attempt: integer }): any
---@field policy tusk.Policy around each attempt: a table of options for @policy

local inside = setmetatable({}, { __mode = "k" }) -- coroutine of a task's → true

-- From before it is in line until a worker is through with it.
local function open(self, t)
  self.open[t], self.count.open = true, self.count.open + 1
end

local function close(self, t)
  if not self.open[t] then return end
  self.open[t], self.count.open = nil, self.count.open - 1
  self.ended:set(t.id)
end

-- ---- running them ----

local function attempt(self, t, kind)
  t.attempt = t.attempt + 1
  return @scope({ name = tostring(t) }, function()
    return (kind.fn { id = t.id, name = t.name, args = @json.decode(t.text, { nulls = true }), attempt = t.attempt })
  end)
end

local function run(self, t, kind)
  local co = coroutine.running()
  inside[co] = true
  local ok, value = xpcall(kind.policy.run, tusk.errors.note, kind.policy, attempt, self, t, kind)
  inside[co] = nil -- other tasks get it next
  if not ok then tusk.errors.rethrow(value) end
  return value
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

local function succeeded(self, t, value)
  self.count.done = self.count.done + 1
  self.figures:count("done", t.name)
  task.finish(t, "done", value)
end

-- What became of it. One that ends with its worker stays open, for who ends the workers to name.
local function settle(self, t, ok, value)
  if ok then return succeeded(self, t, value) end
  if t.running.state == "failed" then return failed(self, t, value) end
  if t.asked then return task.finish(t, "cancelled", t.asked.why) end
  error(is(value, "cancelled") and value or tusk.errors.cancelled(), 0)
end

local function perform(self, t)
  local kind, from = self.kinds[t.name], @date.clock()
  t.state, self.count.running = "running", self.count.running + 1
  t.running = @async({ name = tostring(t) }, run, self, t, kind)
  local ok, value = pcall(t.running.await, t.running)
  self.count.running = self.count.running - 1
  self.figures:took(t.name, @date.clock() - from)
  settle(self, t, ok, value)
end

local function work(self)
  for t in self.queue do
    if t.state == "queued" then perform(self, t) end -- else it was cancelled in line
    close(self, t)
  end
end

-- ---- handing them in ----

--- A type of tasks. A name that is taken gets another function, for tasks that begin from then on.
---@param name string
---@param opts table { timeout = of one attempt, retry =, breaker =, limiter = }: as for @policy
function Pool:define(name, opts, fn)
  check.string("name", name)
  check.options(opts, { "timeout", "retry", "breaker", "limiter" })
  check.callable("fn", fn)
  local policy = @policy(
    { name = name, attempt_timeout = opts.timeout, retry = opts.retry, breaker = opts.breaker, limiter = opts.limiter })
  self.kinds[name] = { fn = fn, policy = policy }
end

local function names_of(kinds)
  local names = {}
  for name in pairs(kinds) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function new_task(self, name, args)
  check.string("name", name)
  if not self.kinds[name] then
    local names = names_of(self.kinds)
    local hint, near = check.hint(name, names)
    check.fail(("there is no task %q%s"):format(name, hint),
      { argument = "name", suggestion = near, help = { "there is: " .. table.concat(names, ", ") } })
  end
  return task.new(name, @json.encode(args))
end

local function refuse_closed(t)
  tusk.errors.raise("closed", ("%s was not taken: the program is ending"):format(t))
end

-- A task that waits for room keeps a worker. When all of them do, nobody would ever make any.
local function wait_inside(self, t)
  if self.stuck + 1 >= self.size then
    tusk.errors.raise("tasks.full", ("%s was not taken: the queue is full, and every worker waits for room in it"):format(t),
      { retryable = true })
  end
  self.stuck = self.stuck + 1
  local ok, err = pcall(self.queue.send, self.queue, t)
  self.stuck = self.stuck - 1
  if not ok then error(err, 0) end
end

local function send(self, t)
  if #self.queue >= self.queue.cap and inside[coroutine.running()] then return wait_inside(self, t) end
  self.queue:send(t)
end

--- Waits for room, then returns: the task is in line. When the call is cancelled or fails, it is not.
---@param args any what JSON can hold; copied now
---@return background_tasks.Task
function Pool:enqueue(name, args)
  local t = new_task(self, name, args)
  open(self, t)
  local ok, err = pcall(send, self, t)
  if ok then return t end
  close(self, t)
  if is(err, "closed") then refuse_closed(t) end
  error(err, 0)
end

--- Never waits.
---@return background_tasks.Task|nil, string|nil "full"
function Pool:try_enqueue(name, args)
  local t = new_task(self, name, args)
  if self.queue.closed then refuse_closed(t) end
  open(self, t)
  if self.queue:try_send(t) then return t end
  close(self, t)
  return nil, "full"
end

-- ---- looking on ----

--- Waits until nothing is in line and nothing runs.
function Pool:idle()
  while self.count.open > 0 do self.ended:changed() end
end

function Pool:stats()
  local c = self.count
  return { workers = self.size, capacity = self.queue.cap, queued = #self.queue, running = c.running, done = c.done,
    failed = c.failed }
end

-- ---- the end ----

local function by_id(a, b)
  return a.id < b.id
end

local function await_workers(self)
  for _, worker in ipairs(self.workers) do @try(worker.await, worker) end
end

-- What is in line or under way, and what a worker has just been given.
local function left(self)
  local list = {}
  for t in pairs(self.open) do
    if t.state == "queued" or t.state == "running" then list[#list + 1] = t end
  end
  table.sort(list, by_id)
  return list
end

--- No more tasks are taken; those in line are done, as far as the time allows; what is under way then is cancelled.
---@param seconds number
---@return background_tasks.Task[] undone `was` is the state each was in
function Pool:stop(seconds)
  self.queue:close()
  @try(@timeout, seconds, await_workers, self)
  local undone = left(self)
  for _, t in ipairs(undone) do
    self.figures:count("undone", t.name)
    task.finish(t, "undone")
  end
  for _, worker in ipairs(self.workers) do worker:cancel() end
  return undone
end

--- Forgets its figures.
function Pool:remove_metrics()
  self.figures:remove()
end

local function at_least_one(name, value)
  if check.integer(name, value) < 1 then check.fail(name .. ": at least 1 is needed", { argument = name }) end
  return value
end

--- Workers that run until the scope ends; :stop() lets them finish first.
---@param opts { scope: tusk.Scope, log: table, workers: integer, queue: integer, name: string|nil }
---  scope owns the workers, log is told of failures (as ctx.log of a plugin); at most so many run, so many are in line;
---  name: for its figures, "tasks"
---@return background_tasks.Pool
function background_tasks.new(opts)
  check.options(opts, { "scope", "log", "workers", "queue", "name" })
  local self = setmetatable({
    scope = opts.scope, log = opts.log or @log, name = check.opt_string("name", opts.name) or "tasks",
    size = at_least_one("workers", opts.workers), queue = @channel(at_least_one("queue", opts.queue)), kinds = {}, open = {},
    count = { open = 0, running = 0, done = 0, failed = 0 }, stuck = 0, ended = @watch(0), workers = {},
  }, Pool)
  self.figures = figures.new(self.name, function() return #self.queue end, function() return self.count.running end)
  for i = 1, self.size do
    self.workers[i] = opts.scope:spawn({ name = ("%s worker %d"):format(self.name, i) }, work, self)
  end
  return self
end

return background_tasks

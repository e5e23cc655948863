-- background_tasks.lua: workers over a bounded queue, as a library. A full queue makes those wait who enqueue; a task that fails is no
-- worker's end.
local ending = require "tusk.plugins.background_tasks.ending"
local figures = require "tusk.plugins.background_tasks.figures"
local running = require "tusk.plugins.background_tasks.running"
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
---@field policy tusk.Policy around each attempt, its time apart
---@field timeout number|nil of one attempt
---@field waits boolean it may wait for its policy before the first attempt
---@field over boolean its scope has ended

-- ---- handing them in ----

-- What owns: ctx.scope, or what @scope gives.
local function scope_of(scope)
  local ok, defer = pcall(function() return scope.defer end)
  if ok and check.is_callable(defer) then return scope end
  check.fail("scope: a scope such as ctx.scope expected, got " .. type(scope), { argument = "scope" })
end

--- A type of tasks. A name that is taken gets another function, for tasks that begin from then on.
---@param name string
---@param opts table { timeout = of one attempt, retry =, breaker =, limiter = as for @policy, scope = whose end is its own }
function Pool:define(name, opts, fn)
  check.string("name", name)
  check.options(opts, { "timeout", "retry", "breaker", "limiter", "scope" })
  check.callable("fn", fn)
  local scope = opts.scope ~= nil and scope_of(opts.scope) or nil
  local kind = {
    fn = fn, timeout = opts.timeout ~= nil and check.duration("timeout", opts.timeout) or nil, waits = opts.limiter ~= nil,
    policy = @policy { name = name, retry = opts.retry, breaker = opts.breaker, limiter = opts.limiter }, over = false,
  }
  self.kinds[name] = kind
  if scope then scope:defer(function() ending.retire(self, name, kind) end) end
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

local function refuse(t)
  tusk.errors.raise("closed", ("%s was not taken: the program, or who defined it, is ending"):format(t))
end

-- At the end only what tasks enqueue that are still to be done.
local function admit(self, t)
  if (self.ending or self.kinds[t.name].over) and not running.asking() then refuse(t) end
  running.open(self, t)
end

-- One more call of a task waits for room, or one less.
local function count_stuck(self, by, n)
  local before = by.waiting
  by.waiting = before + n
  if before == 0 or by.waiting == 0 then self.stuck = self.stuck + n end
end

-- A task that waits for room, or has started who does, keeps a worker. When all of them do, nobody would ever make any.
local function wait_inside(self, t, by)
  if by.waiting == 0 and self.stuck + 1 >= self.size then
    tusk.errors.raise("tasks.full", ("%s was not taken: the queue is full, and every worker waits for room in it"):format(t),
      { retryable = true })
  end
  count_stuck(self, by, 1)
  local ok, err = pcall(self.queue.send, self.queue, t)
  count_stuck(self, by, -1)
  if not ok then error(err, 0) end
end

local function send(self, t)
  local by = #self.queue >= self.queue.cap and running.asking(self)
  if by then return wait_inside(self, t, by) end
  self.queue:send(t)
end

--- Waits for room, then returns: the task is in line. When the call is cancelled or fails, it is not.
---@param args any what JSON can hold; copied now
---@return background_tasks.Task
function Pool:enqueue(name, args)
  local t = new_task(self, name, args)
  admit(self, t)
  local ok, err = pcall(send, self, t)
  if ok then return t end
  running.close(self, t)
  if is(err, "closed") then refuse(t) end
  error(err, 0)
end

--- Never waits.
---@return background_tasks.Task|nil, string|nil "full"
function Pool:try_enqueue(name, args)
  local t = new_task(self, name, args)
  admit(self, t)
  if self.queue:try_send(t) then return t end
  running.close(self, t)
  return nil, "full"
end

-- ---- looking on ----

--- Waits until nothing is in line and nothing runs.
function Pool:idle()
  while self.count.open > 0 do self.ended:changed() end
end

function Pool:stats()
  local c = self.count
  return { workers = self.size, capacity = self.queue.cap, queued = #self.queue, running = c.running, paused = c.paused, done = c.done,
    failed = c.failed }
end

-- ---- the end ----

--- No more tasks are taken, but from tasks; all are done, as far as the time allows; what is under way then is cancelled.
---@param seconds number|nil the pool's `drain` unless given
---@return background_tasks.Task[] undone all that were not done since it began; `was` is the state each was in
function Pool:stop(seconds)
  return ending.stop(self, check.duration("seconds", seconds, self.drain))
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
---@param opts { scope: tusk.Scope, log: table, workers: integer, queue: integer, drain: number|string|nil, name: string|nil }
---  scope owns the workers, log is told of failures (as ctx.log of a plugin); at most so many run, so many are in line;
---  drain: how long tasks may go on at the end, 8 s; name: for its figures, "tasks"
---@return background_tasks.Pool
function background_tasks.new(opts)
  check.options(opts, { "scope", "log", "workers", "queue", "drain", "name" })
  local self = setmetatable({
    scope = scope_of(opts.scope), log = opts.log or @log, name = check.opt_string("name", opts.name) or "tasks",
    size = at_least_one("workers", opts.workers), queue = @channel(at_least_one("queue", opts.queue)), kinds = {}, open = {},
    count = { open = 0, running = 0, paused = 0, done = 0, failed = 0 }, stuck = 0, ended = @watch(0), again = @channel(), workers = {},
    drain = check.duration("drain", opts.drain, 8), spent = 0, ending = false, undone = {},
  }, Pool)
  self.figures = figures.new(self.name, function() return #self.queue end, function() return self.count.running end)
  for i = 1, self.size do
    self.workers[i] = self.scope:spawn({ name = ("%s worker %d"):format(self.name, i) }, running.work, self)
  end
  return self
end

return background_tasks

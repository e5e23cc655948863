-- worker.lua: what a task has of its worker: the channel on which that waits until the task can do without it. A task that only
-- waits (between two attempts, for its limiter, for another task, for room in the queue) leaves it to others.
local tusk = require "tusk"

local worker = {}

local inside = setmetatable({}, { __mode = "k" }) -- coroutine → { pool, task }, of tasks that run

--- Is it a task of some pool that asks?
function worker.is_inside()
  return inside[coroutine.running()] ~= nil
end

--- The running coroutine is the task's, until `leave`.
function worker.enter(pool, t)
  inside[coroutine.running()] = { pool, t }
end

function worker.leave()
  inside[coroutine.running()] = nil -- other tasks get it next
end

--- The worker goes on with others.
function worker.release(t)
  local own = t.worker
  t.worker = false
  if own then own:try_send(true) end
end

--- Leaves it, until `resume`. Only so many rest at a time: more keep theirs, which holds back all who enqueue.
function worker.rest(pool, t)
  if t.resting or pool.count.paused >= pool.queue.cap then return end
  t.resting, t.state, pool.count.paused = true, "paused", pool.count.paused + 1
  worker.release(t)
end

--- It rests no more.
function worker.rested(pool, t)
  if t.resting then pool.count.paused = pool.count.paused - 1 end
  t.resting = false
end

--- Goes on as soon as there is a worker for it.
function worker.resume(pool, t)
  if t.resting then
    t.grant = @channel(1)
    pool.again:send(t)
    t.grant:recv()
  end
  worker.rested(pool, t)
  t.state = "running"
end

local function back(pool, t, ok, ...)
  pool.count.running = pool.count.running + 1
  worker.resume(pool, t) -- which a cancelled one cannot
  if not ok then error((...), 0) end
  return ...
end

-- With its worker, as there are as many at rest as there may be. When every worker is kept so, nothing goes on any more.
local function keeping(pool, t, fn, ...)
  if pool.stuck + 1 >= pool.size then
    tusk.errors.raise("tasks.full", ("%s cannot wait: every worker waits for other tasks, and %d have left theirs"):format(t,
      pool.count.paused), { retryable = true })
  end
  pool.stuck = pool.stuck + 1
  local ok, value = pcall(fn, ...)
  pool.stuck = pool.stuck - 1
  if not ok then error(value, 0) end
end

--- fn(…), which waits for other tasks: one of a pool needs no worker meanwhile.
function worker.without(fn, ...)
  local me = inside[coroutine.running()]
  if not me then return fn(...) end
  local pool, t = me[1], me[2]
  worker.rest(pool, t)
  if not t.resting then return keeping(pool, t, fn, ...) end
  pool.count.running = pool.count.running - 1
  return back(pool, t, pcall(fn, ...))
end

return worker

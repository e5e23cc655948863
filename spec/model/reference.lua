-- What a program (see generate.lua) does, by the rules of world.lua.
local World = require "spec.model.world"
local choice = require "spec.model.choice"
local trace = require "spec.model.trace"

local acts = {} -- operation → function(run, task, node, k); k(ok, value, second)

-- Statements in a row, as a function's body.
local function body(run, task, list, k)
  local function step(i)
    local node = list[i]
    if not node then return k(true) end
    if node.op == "return" then return k(true, trace.value(node)) end
    return acts[node.op](run, task, node, function(ok, value, second)
      trace.note(run.marks, node, run.world.now, ok, value, second)
      if not ok then return k(false, value) end
      return step(i + 1)
    end)
  end
  return step(1)
end

-- k unless the task is to be told that it is cancelled.
local function checkpoint(run, task, k, go)
  if task.scope.reason then return k(false, run.world:cancelled(task)) end
  return go()
end

-- Parks; go(value) when what it waits for has come.
local function wait(run, task, k, unlink, go)
  run.world:park(task, unlink, function(interrupted, value)
    if interrupted then return k(false, run.world:cancelled(task)) end
    return go(value)
  end)
end

local function take_out(list, item)
  return function() World.remove(list, item) end
end

function acts.sleep(run, task, node, k)
  checkpoint(run, task, k, function()
    local world = run.world
    local timer = world:after(node.d, function() world:ready(task) end)
    wait(run, task, k, take_out(world.timers, timer), function() k(true) end)
  end)
end

function acts.yield(run, task, _, k)
  checkpoint(run, task, k, function() run.world:pause(task, function() k(true) end) end)
end

function acts.fail(_, _, node, k)
  return k(false, World.error("e" .. node.id))
end

function acts.scope(run, task, node, k)
  return run.world:scope(task, { timeout = node.timeout, shielded = node.shield, collect = node.collect }, function(s, done)
    run.scopes[node.id] = s
    if node.collect then run.collecting[node.id] = s end
    return body(run, task, node.body, done)
  end, k)
end

local function start(held)
  return function(run, task, node, k)
    local owner = task.scope
    if node.into then owner = run.scopes[node.into] end
    if not owner then return k(true, "none") end
    if owner.ended then return k(false, World.error "closed") end
    if task.scope.reason then return k(false, run.world:cancelled(task)) end
    if owner.reason then return k(false, World.error "closed") end
    run.world:start(owner, held, function(child, done)
      run.tasks[node.id] = child -- it may name itself
      return body(run, child, node.body, done)
    end)
    return k(true)
  end
end
acts.spawn, acts.async = start(false), start(true)

local function result(task, k)
  task.observed = true
  if task.state == "done" then return k(true, task.value) end
  return k(false, task.state == "cancelled" and World.error "task_cancelled" or task.value)
end

function acts.await(run, task, node, k)
  local other = run.tasks[node.ref]
  if not other then return k(true, "none") end
  checkpoint(run, task, k, function()
    if other.ended then return result(other, k) end
    if other == task then return k(false, World.error "argument") end
    local waiter = { wake = function() run.world:ready(task) end }
    table.insert(other.awaiters, waiter)
    wait(run, task, k, take_out(other.awaiters, waiter), function() result(other, k) end)
  end)
end

function acts.cancel(run, _, node, k)
  local task, s = run.tasks[node.ref], run.scopes[node.ref]
  if task and not task.ended then run.world:cancel(task.own, "asked") end
  if s and not s.ended then run.world:cancel(s, "asked") end
  return k(true, not (task or s) and "none" or nil)
end

function acts.defer(run, _, node, k)
  local s = run.scopes[node.ref]
  if not s then return k(true, "none") end
  if s.ended then return k(false, World.error "closed") end
  table.insert(s.finalizers, function(task, done) return body(run, task, node.body, done) end)
  return k(true)
end

acts["try"] = function(run, task, node, k)
  return body(run, task, node.body, function(ok, value)
    if ok then return k(true, value) end
    if value.kind == "cancelled" then return k(false, value) end
    return k(true, nil, value)
  end)
end

function acts.pcall(run, task, node, k)
  return body(run, task, node.body, function(ok, value)
    if ok then return k(true, value) end
    return k(true, nil, value)
  end)
end

-- ---- channels ----

function acts.send(run, task, node, k)
  local ch = run.channels[node.ch]
  checkpoint(run, task, k, function()
    if ch.closed then return k(false, World.error "closed") end
    if ch.receivers[1] then
      table.remove(ch.receivers, 1).wake(node.id)
      return k(true)
    end
    if #ch.buffer < ch.capacity then
      table.insert(ch.buffer, node.id)
      return k(true)
    end
    local sender = { task = task, value = node.id }
    table.insert(ch.senders, sender)
    wait(run, task, k, take_out(ch.senders, sender), function(closed)
      if closed then return k(false, World.error "closed") end
      return k(true)
    end)
  end)
end

local function next_value(run, ch)
  local sender = table.remove(ch.senders, 1)
  if sender then
    run.world:ready(sender.task)
    table.insert(ch.buffer, sender.value)
  end
  return table.remove(ch.buffer, run.broken.fifo and #ch.buffer or 1)
end

function acts.recv(run, task, node, k)
  local ch = run.channels[node.ch]
  checkpoint(run, task, k, function()
    local value = next_value(run, ch)
    if value then return k(true, value) end
    if ch.closed then return k(true, nil, "closed") end
    local receiver = { wake = function(v) run.world:ready(task, false, v) end }
    table.insert(ch.receivers, receiver)
    wait(run, task, k, take_out(ch.receivers, receiver), function(v)
      if v then return k(true, v) end
      return k(true, nil, "closed")
    end)
  end)
end

function acts.close(run, _, node, k)
  local ch = run.channels[node.ch]
  if ch.closed then return k(true) end
  ch.closed = true
  while ch.receivers[1] do table.remove(ch.receivers, 1).wake() end
  for _, sender in ipairs(ch.senders) do run.world:ready(sender.task, false, true) end
  ch.senders = {}
  return k(true)
end

-- ---- permits ----

local function give(run, sem)
  local waiter = table.remove(sem.line, run.broken.line and #sem.line or 1)
  if waiter then run.world:ready(waiter) else sem.available = sem.available + 1 end
end

acts["with"] = function(run, task, node, k)
  local sem = run.semaphores[node.sem]
  local function inside()
    return body(run, task, node.body, function(ok, value)
      if ok or value.kind ~= "cancelled" or not run.broken.permit then give(run, sem) end
      return k(ok, value)
    end)
  end
  checkpoint(run, task, k, function()
    if sem.available > 0 then
      sem.available = sem.available - 1
      return inside()
    end
    table.insert(sem.line, task)
    wait(run, task, k, take_out(sem.line, task), inside)
  end)
end

function acts.shield(run, task, node, k)
  return run.world:scope(task, { timeout = node.timeout, shielded = true }, function(_, done)
    return body(run, task, node.body, done)
  end, k)
end

function acts.select(run, task, node, k)
  return choice(run, task, node, k, { checkpoint = checkpoint, wait = wait, result = result, next_value = next_value })
end

local reference = {}

--- What happens: the list of marks, in order.
---@param broken table|nil rules to break on purpose: shield, defer, sibling, fifo, select, line, permit
function reference.run(program, newest_first, broken)
  local world = World.new(newest_first, broken)
  local run = { world = world, broken = broken or {}, marks = {}, tasks = {}, scopes = {}, collecting = {}, channels = {},
    semaphores = {} }
  for i, size in ipairs(program.semaphores) do run.semaphores[i] = { available = size, line = {} } end
  for i, capacity in ipairs(program.channels) do
    run.channels[i] = { capacity = capacity, buffer = {}, senders = {}, receivers = {} }
  end
  local main = world:start(nil, true, function(task, done)
    return acts.scope(run, task, program, function(ok, value, second)
      trace.note(run.marks, program, world.now, ok, value, second)
      return done(true)
    end)
  end)
  world:run()
  assert(main.ended, "the reference has come to a halt")
  trace.states(run.marks, run.tasks, run.collecting, run.semaphores)
  return run.marks
end

return reference

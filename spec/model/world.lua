-- The rules of docs/concurrency.md once more, in plain Lua and as simply as they can be said: tasks, scopes,
-- time. Nothing of Tusk is used. A task is what it does next: `resume`, a function of (interrupted, value).
--
-- The design leaves one thing open: in which order a cancellation reaches the children of a scope.
-- `newest_first` chooses.
local failures = require "spec.model.failures"

local is_cancelled, gather, suppress = failures.is_cancelled, failures.gather, failures.suppress

local World = { error = failures.new }
World.__index = World

local GRACE = 5

function World.new(newest_first, broken)
  local w = { now = 0, count = 0, timers = {}, queue = {}, head = 1, newest_first = newest_first, broken = broken or {} }
  return setmetatable(w, World)
end

local function remove(list, item)
  for i = 1, #list do
    if list[i] == item then return table.remove(list, i) end
  end
end
World.remove = remove

-- ---- the run queue and the clock ----

function World:ready(task, interrupted, value)
  task.state = "ready"
  self.queue[#self.queue + 1] = { task, interrupted, value }
end

function World:park(task, unlink, resume)
  task.state, task.unlink, task.resume = "parked", unlink, resume
end

function World:pause(task, resume)
  task.resume = resume
  self:ready(task)
end

function World:after(seconds, fire)
  self.count = self.count + 1
  local timer = { due = self.now + seconds, order = self.count, fire = fire }
  table.insert(self.timers, timer)
  return timer
end

local function earliest(timers)
  local first
  for _, t in ipairs(timers) do
    if not first or t.due < first.due or (t.due == first.due and t.order < first.order) then first = t end
  end
  return first
end

function World:run()
  while true do
    while self.queue[self.head] do
      local entry = self.queue[self.head]
      self.head = self.head + 1
      entry[1].state = "running"
      entry[1].resume(entry[2], entry[3])
    end
    local timer = earliest(self.timers)
    if not timer then return end
    self.now = timer.due
    while timer and timer.due == self.now do -- all of this moment, before anybody runs
      remove(self.timers, timer)
      timer.fire()
      timer = earliest(self.timers)
    end
  end
end

-- ---- cancellation ----

-- Somebody was told `cancelled`: so the scopes around know that it came in time.
function World:cancelled(task)
  local s = task.scope
  while s and s.reason do
    s.noticed = true
    s = s.parent
  end
  return World.error "cancelled"
end

function World:interrupt(task)
  if task.state ~= "parked" then return end -- what it waited for has come first
  task.unlink()
  self:ready(task, true)
end

function World:cancel(s, why)
  if s.reason then return end
  s.reason = why
  if s.task.scope == s and not s.joining then self:interrupt(s.task) end
  local n = #s.children
  for i = 1, n do
    local child = s.children[self.newest_first and n + 1 - i or i]
    if not child.shielded or self.broken.shield then self:cancel(child, "outer") end
  end
end

-- ---- scopes ----

local function link(parent, s)
  s.parent, s.children, s.failures = parent, {}, {}
  if not parent then return s end
  table.insert(parent.children, s)
  if parent.reason and not s.shielded then s.reason = "outer" end
  return s
end

-- What the one that waits for the children of s does when the last is gone.
function World:unlink(s)
  local parent = s.parent
  if not parent then return end
  remove(parent.children, s)
  if #parent.children > 0 or not parent.joining then return end
  parent.joining = false
  if parent.is_task then self:end_task(parent.task) else self:ready(parent.task) end
end

function World:join(task, s, k)
  if #s.children == 0 then return k() end
  s.joining = true
  self:park(task, nil, function() self:join(task, s, k) end)
end

function World:finalize(task, s, err, k)
  if not s.finalizers[1] then return k(err) end
  self:scope(task, { shielded = true, timeout = GRACE }, function(all, done)
    local first
    local next_one
    local function ended(ok, e)
      if not ok and not is_cancelled(e) then first = suppress(first, e) end
      return next_one()
    end
    function next_one() -- each in a scope of its own, as long as there is time for one
      local f = table.remove(s.finalizers, self.broken.defer and 1 or #s.finalizers)
      if not f then return done(not first, first) end
      if all.reason then return f(task, ended) end
      return self:scope(task, {}, function(_, k_end) return f(task, k_end) end, ended)
    end
    next_one()
  end, function(ok, late)
    if not ok then err = suppress(not is_cancelled(err) and err or nil, late) end
    self:join(task, s, function() self:finalize(task, s, err, k) end)
  end)
end

function World:close(task, s, ok, value, err, body_first, k)
  if s.timer then remove(self.timers, s.timer) end
  task.scope = s.parent
  s.errors = failures.of_children(s.failures)
  local failure = gather(err, body_first, s.collect and {} or s.failures)
  local cancelled = is_cancelled(err) and s.reason
  local function leave(...)
    s.ended = true
    remove(s.parent.children, s)
    return k(...)
  end
  if s.reason == "timeout" and s.noticed then return leave(false, failures.timed_out(failure)) end
  if failure and not is_cancelled(failure) then return leave(false, failure) end
  if s.reason == "asked" then return leave(true, nil, "cancelled") end
  if cancelled then return leave(false, err) end
  if s.reason == "outer" and s.noticed then return leave(false, self:cancelled(task)) end
  return leave(true, ok and value)
end

-- body(scope, done), done(ok, value or error); then k(ok, value or error, why nothing).
function World:scope(task, opts, body, k)
  if task.scope.reason and not opts.shielded then return k(false, self:cancelled(task)) end
  local s = { task = task, shielded = opts.shielded, collect = opts.collect, finalizers = {} }
  link(task.scope, s)
  task.scope = s
  if opts.timeout then s.timer = self:after(opts.timeout, function() self:cancel(s, "timeout") end) end
  return body(s, function(ok, value)
    local body_first, err = not ok and #s.failures == 0, not ok and value or nil
    if not ok then self:cancel(s, "sibling_failed") end
    self:join(task, s, function()
      self:finalize(task, s, err, function(e) self:close(task, s, ok, value, e, body_first, k) end)
    end)
  end)
end

-- ---- tasks ----

-- body(task, done)
function World:start(owner, held, body)
  local task = { held = held, state = "running", awaiters = {} }
  task.own = link(owner, { task = task, is_task = true, finalizers = {} })
  task.scope = task.own
  body(task, function(ok, value)
    task.ok, task.value = ok, value
    task.body_first = not ok and #task.own.failures == 0
    if #task.own.children == 0 then return self:end_task(task) end
    task.own.joining, task.state = true, "joining"
    if not ok then self:cancel(task.own, "sibling_failed") end
  end)
  return task
end

function World:end_task(task)
  local own = task.own
  local owner = own.parent
  local err = gather(not task.ok and task.value or nil, task.body_first, own.failures)
  if not err then task.state = "done"
  elseif is_cancelled(err) then task.state = "cancelled"
  else task.state, task.value = "failed", err end
  if err and task.state == "failed" and owner then
    table.insert(owner.failures, { err = err, task = task, held = task.held })
    if not (task.held or owner.collect or self.broken.sibling) then self:cancel(owner, "sibling_failed") end
  end
  task.ended = true
  while task.awaiters[1] do table.remove(task.awaiters, 1).wake() end
  self:unlink(own)
end

return World

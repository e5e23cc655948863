-- Runs a program (see generate.lua) on Tusk, on the virtual clock.
local generate = require "spec.model.generate"
local kernel = require "tusk.kernel"
local test = require "tusk.test"
local trace = require "spec.model.trace"

local acts = {} -- operation → function(run, node)

local function one(run, node)
  return acts[node.op](run, node)
end

local function noted(run, node, ok, ...)
  trace.note(run.marks, node, test.now(), ok, ...)
  if not ok then error((...), 0) end
end

local function body(run, list)
  for _, node in ipairs(list) do
    if node.op == "return" then return trace.value(node) end
    noted(run, node, pcall(one, run, node))
  end
end

function acts.sleep(_, node) @sleep(node.d) end
function acts.yield() @yield() end
function acts.fail(_, node) error({ kind = "e" .. node.id }, 0) end

function acts.scope(run, node)
  return @scope({ timeout = node.timeout, shield = node.shield, on_error = node.collect and "collect" or nil }, function(s)
    run.scopes[node.id] = s
    if node.collect then run.collecting[node.id] = s end
    return body(run, node.body)
  end)
end

-- A task may be named by others, and itself, before the call that started it has returned.
local function child(run, node)
  return function()
    run.tasks[node.id] = kernel.current()
    return body(run, node.body)
  end
end

function acts.spawn(run, node)
  if not node.into then @spawn(child(run, node)) return end
  local s = run.scopes[node.into]
  if not s then return "none" end
  s:spawn(child(run, node))
end

function acts.async(run, node)
  if not node.into then @async(child(run, node)) return end
  local s = run.scopes[node.into]
  if not s then return "none" end
  s:async(child(run, node))
end

function acts.await(run, node)
  local task = run.tasks[node.ref]
  if not task then return "none" end
  return task:await()
end

function acts.cancel(run, node)
  local it = run.tasks[node.ref] or run.scopes[node.ref]
  if not it then return "none" end
  it:cancel()
end

function acts.defer(run, node)
  local s = run.scopes[node.ref]
  if not s then return "none" end
  s:defer(function() return body(run, node.body) end)
end

acts["try"] = function(run, node)
  return @try(body, run, node.body)
end

local function caught(ok, ...)
  if ok then return ... end
  return nil, (...)
end

function acts.pcall(run, node)
  return caught(pcall(body, run, node.body))
end

function acts.send(run, node) run.channels[node.ch]:send(node.id) end
function acts.recv(run, node) return run.channels[node.ch]:recv() end
function acts.close(run, node) run.channels[node.ch]:close() end

acts["with"] = function(run, node)
  return run.semaphores[node.sem]:with(body, run, node.body)
end

function acts.shield(run, node)
  return @shield({ timeout = node.timeout }, body, run, node.body)
end

function acts.select(run, node)
  local cases = { timeout = node.d }
  for _, c in ipairs(node.cases) do
    local it = run.channels[c.ch] or run.tasks[c.ref]
    if it then table.insert(cases, { it, generate.case_text(c) }) end
  end
  if not cases[1] and not node.d then return "none" end
  local name, value, why = @select(cases)
  return name, why or value
end

-- Tasks; not those that see to generators which other specs have left.
local function count_tasks()
  local n = 0
  for _, t in ipairs(kernel.tasks()) do
    if t.name ~= "finalizers" then n = n + 1 end
  end
  return n
end

local runner = {}

--- What happened: the list of marks, in order.
function runner.run(program)
  local run = { marks = {}, tasks = {}, scopes = {}, collecting = {}, channels = {}, semaphores = {} }
  for i, size in ipairs(program.semaphores) do run.semaphores[i] = @semaphore(size) end
  for i, capacity in ipairs(program.channels) do run.channels[i] = @channel(capacity) end
  local before = count_tasks()
  test.clock(function()
    local function note(...) trace.note(run.marks, program, test.now(), ...) end
    note(pcall(acts.scope, run, program))
  end)
  trace.states(run.marks, run.tasks, run.collecting, run.semaphores)
  local left = count_tasks() - before
  if left > 0 then table.insert(run.marks, left .. " tasks left") end
  return run.marks
end

return runner

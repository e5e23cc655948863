-- lifecycle.lua: plugins from setup to teardown. Each is a task with a scope that owns all it starts.
local core = require "tusk.core"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local operators = require "tusk.operators"
local report = require "tusk.report"
local running = require "tusk.running"
local scope = require "tusk.scope"
local wait = require "tusk.wait"

local lifecycle = {}

---@class tusk.Running
---@field manifest tusk.Plugin
---@field needs tusk.Running[]
---@field state string "waiting" "ready" "failed" "ended"
---@field changed table queue of those who wait for the next state of any plugin
---@field error any what it failed with
---@field told boolean|nil whether that was reported
---@field took number seconds of setup

local function set_state(p, state)
  p.state = state
  p.changed:wake_all()
end

local function wait_until_set_up(p)
  while p.state == "waiting" do p.changed:park() end
  return p.state == "ready"
end

local function context(p, s)
  local log = operators.get("log")
  local own = {}
  for _, level in ipairs { "debug", "info", "warn", "error" } do
    own[level] = function(message, fields)
      local with = { plugin = p.manifest.name }
      for k, v in pairs(fields or {}) do with[k] = v end
      return log[level](message, with)
    end
  end
  return { name = p.manifest.name, dir = p.dir, root = p.root, log = own, scope = s }
end

local function define_operators(p)
  for name, value in pairs(p.manifest.operators or {}) do operators.define(name, value, p.manifest.name) end
end

-- A mistake in what it was given, told where nobody sees by whom.
local function said_where(p, err)
  if type(err) == "string" then err = errors.wrap(err) end
  local site = type(err) == "table" and rawget(err, "site")
  if getmetatable(err) ~= errors.Error or errors.is(err, "cancelled") or site and site.file:sub(1, 5) ~= "[tusk" then return err end
  local help = {}
  for i, line in ipairs(err.help or {}) do help[i] = line end
  local name, root = p.manifest.name, p.root or "."
  local own = p.file and p.file:sub(1, #root + 1) == root .. "/" and (" (%s)"):format(p.file) or ""
  help[#help + 1] = ("while the plugin %s%s was set up, with plugins.%s of %s/tusk.lua"):format(name, own, name, root)
  err.help = help
  return err
end

local function set_up(p, s, cfg)
  p.context = context(p, s)
  local from = core.now()
  if p.manifest.setup then
    local ok, err = xpcall(p.manifest.setup, errors.note, p.context, cfg)
    if not ok then errors.rethrow(said_where(p, err)) end
  end
  p.took = core.now() - from
  define_operators(p)
end

local function services(p, s)
  p.services = {}
  for name, own in pairs(p.manifest.services or {}) do
    local full = p.manifest.name .. "." .. name
    local fn = own
    if type(own) == "table" then
      local service = require "tusk.service"
      local policy = service.policy(own, service.IN_MANIFEST)
      fn = function(ctx) service.run(policy, own.run, ctx) end
    end
    table.insert(p.services, s:spawn({ name = full }, fn, p.context))
  end
end

-- The life of one plugin: its scope stays open until somebody cancels it.
local function live(p, cfg)
  for _, other in ipairs(p.needs) do
    if not wait_until_set_up(other) then
      errors.raise("plugin", ("%s was not started: it requires %s, which failed"):format(p.manifest.name, other.manifest.name),
        { follows = true })
    end
  end
  scope.run({ name = "plugin " .. p.manifest.name, on_error = "log" }, function(s)
    p.scope = s
    set_up(p, s, cfg)
    services(p, s)
    running.enter(p)
    set_state(p, "ready")
    wait.reside() -- until it is cancelled
  end)
end

local function withdraw(p)
  running.leave(p)
  for name in pairs(p.manifest.operators or {}) do operators.remove(name) end
end

local function live_as_unit(p, cfg)
  kernel.unit(p.manifest.name)
  live(p, cfg)
end

-- Whatever fails, and be it for want of memory: those who wait for the plugin's next state get one.
local function run(p, cfg)
  local ok, e = xpcall(live_as_unit, errors.at_base, p, cfg)
  if ok and p.manifest.teardown then ok, e = xpcall(p.manifest.teardown, errors.at_base, p.context) end
  pcall(withdraw, p)
  if not ok then p.error = e end
  set_state(p, ok and "ended" or "failed")
end

local function start_below(p, fn, ...)
  return core.spawn({ name = "plugin " .. p.manifest.name }, fn, ...)
end

--- Starts the tasks of plugins, in the given order; independent ones are set up side by side.
---@param order table[] from manifest.order
---@param configs table section → values
---@param opts table|nil { changed = the queue for all plugins, start = fn(p, fn, ...) starts the task of one }
function lifecycle.launch(order, configs, opts)
  local changed, start = opts and opts.changed or core.Queue.new(), opts and opts.start or start_below
  for _, p in ipairs(order) do
    p.state, p.changed = "waiting", changed
    for name in pairs(p.manifest.operators or {}) do operators.announce(name, p.manifest.name) end
  end
  for _, p in ipairs(order) do
    p.task = start(p, run, p, configs["plugins." .. p.manifest.name] or {})
  end
end

-- The one whose setup failed, or nil. A plugin that only lacks a failed one is not the cause.
local function find_failed(order)
  local failed
  for _, p in ipairs(order) do
    if p.state == "failed" and (not failed or failed.error.follows) then failed = p end
  end
  return failed
end

-- Tells of those that have become ready; is there one that is not?
local function news(order, on_ready, told)
  local waiting = false
  for _, p in ipairs(order) do
    if p.state == "ready" and not told[p] then
      told[p] = true
      on_ready(p)
    end
    waiting = waiting or p.state == "waiting"
  end
  return waiting
end

-- Everybody is there: what was put off until then can begin, as tasks of the plugins'.
local function tell_ready(order)
  for _, p in ipairs(order) do
    local hook = p.manifest.on and p.manifest.on.ready
    if hook and p.state == "ready" then p.scope:spawn({ name = p.manifest.name .. " on.ready" }, hook, p.context) end
  end
end

--- Waits until all are set up, and tells those who want to know; or until one has failed.
---@param on_ready fun(p: tusk.Running) called for each, as they become ready
---@return table|nil failed the first whose setup failed
function lifecycle.await_ready(order, on_ready)
  local told = {}
  while news(order, on_ready, told) and not find_failed(order) do order[1].changed:park() end
  local failed = find_failed(order)
  if not failed then tell_ready(order) return nil end
  failed.told = true
  return failed
end

--- Waits until every service has ended.
function lifecycle.await_services(order)
  for _, p in ipairs(order) do
    for _, task in ipairs(p.services or {}) do pcall(task.await, task) end
    core.checkpoint()
  end
end

local SHARE = 0.9 -- of the time that is left is a hook's: it can still say what it could not do
local over_at -- when what has not ended is left behind, once that is watched

-- What waits in a hook has that deadline, and others their share.
local function in_time(hook, ctx)
  if not over_at then return hook(ctx) end
  return core.timeout(math.max(0, over_at - core.now()) * SHARE, hook, ctx)
end

local function run_hook(p)
  local hook = p.manifest.on and p.manifest.on.shutdown
  if not hook then return end
  local ok, e = xpcall(in_time, errors.at_base, hook, p.context)
  if not ok then report.unhandled(e) end
end

local function unexpected(p)
  return p.error ~= nil and not p.told and not errors.is(p.error, "cancelled")
    and not (type(p.error) == "table" and p.error.follows)
end

local function stop_one(p)
  if p.state == "ready" then
    run_hook(p)
    p.scope:cancel()
  elseif p.state == "waiting" and p.task then
    p.task:cancel() -- its setup is cut short
  elseif p.state == "waiting" then
    p.state = "ended" -- it has not even begun
  end
  while p.state == "ready" or p.state == "waiting" do p.changed:park() end
  if unexpected(p) then report.unhandled(p.error) end
end

--- Ends plugins, last started first: each one's shutdown hook, its scope, its teardown.
function lifecycle.stop(order)
  for i = #order, 1, -1 do stop_one(order[i]) end
end

local function names_left()
  local names = {}
  for _, t in ipairs(kernel.tasks()) do
    local name = t.name
    if name ~= "shutdown" and name ~= "tusk" then names[#names + 1] = tostring(t) end
  end
  return table.concat(names, ", ")
end

--- After so many seconds, names what has not ended and leaves it behind.
---@param seconds number
---@param abandon function
---@return function dismiss ends the watch
function lifecycle.watch(seconds, abandon)
  local over = core.Queue.new()
  over_at = math.min(over_at or math.huge, core.now() + seconds)
  local function wait_and_abandon()
    errors.names[kernel.current()] = "shutdown"
    local ended = pcall(core.shield, core.timeout, seconds, over.park, over)
    if ended then return end
    kernel.log(3, ("tusk: not ended within %gs: %s"):format(seconds, names_left()))
    abandon(1)
  end
  kernel.spawn_root(wait_and_abandon)
  return function() over:wake() end
end

--- Watches a shutdown that somebody asks for: one that takes too long is cut short.
---@return function dismiss ends the watch
function lifecycle.watch_shutdown(seconds, abandon)
  local dismiss
  kernel.use("stopping", function() dismiss = lifecycle.watch(seconds, abandon) end)
  return function()
    if dismiss then dismiss() end
  end
end

return lifecycle

-- background_tasks: `@tasks`: work that goes on after the caller has gone on: N workers over a bounded queue.
local background_tasks = require "tusk.plugins.background_tasks"
local kept = require "tusk.plugins.background_tasks.kept"
local tusk = require "tusk"
local types = require "tusk.plugins.background_tasks.types"

local own -- the pool, from setup on
local config
local path, writing -- the file for what is kept, who writes it
local left = {} -- what the last run has left, by name, until such a task is defined
local open_lists = 0 -- of those, that are being done
local is_ready = false -- all plugins are set up

local tasks = {}

-- ---- what the last run has left ----

local function still_left()
  local entries = {}
  for name, list in pairs(left) do
    for _, entry in ipairs(list) do entries[#entries + 1] = { task = name, args = entry.args } end
  end
  return entries
end

-- When all of it is done the file goes; until then a crash leaves it, for the run after.
local function take_up(name, list)
  local handles = {}
  while list[1] do
    local t, err = @try(own.enqueue, own, name, list[1].args)
    if tusk.errors.is(err, "closed") then return end -- the end has come; they are kept once more
    if err then error(err, 0) end
    handles[#handles + 1] = t
    table.remove(list, 1)
  end
  left[name] = nil
  for _, t in ipairs(handles) do @try(t.await, t) end
  open_lists = open_lists - 1
  writing:with(function()
    if open_lists == 0 and not next(left) and not own.ending then kept.write(path, {}) end
  end)
end

-- Not before everybody is there whom a task may need.
local function take_up_known()
  for name, list in pairs(left) do
    if is_ready and own.kinds[name] and not list.begun then
      list.begun, open_lists = true, open_lists + 1
      own.scope:spawn({ name = "tasks of the last run" }, take_up, name, list)
    end
  end
end

-- ---- @tasks ----

--- Defines a type of tasks, as @jobs does. fn{ id, name, args, attempt } gets the arguments as they were handed in.
---@param name string
---@param opts table|function { timeout = of one attempt, retry =, breaker =, limiter = as for @policy, scope = ctx.scope }; or fn
---  itself. When the scope ends, tasks of that type are done first
---@param fn nil|fun(job: { id: integer, name: string, args: any, attempt: integer }): any
function tasks.define(name, opts, fn)
  if tusk.check.is_callable(opts) then opts, fn = fn, opts end
  own:define(name, opts or {}, fn)
  take_up_known()
end

--- Puts a task in line, and waits for room if there is none.
---@param name string
---@param args any what JSON can hold; copied now
---@return background_tasks.Task its :await() is what came of it
function tasks.enqueue(name, args)
  return own:enqueue(name, args)
end

--- The same without waiting.
---@return background_tasks.Task|nil, string|nil full
function tasks.try_enqueue(name, args)
  return own:try_enqueue(name, args)
end

--- Waits until nothing is in line and nothing runs.
function tasks.idle()
  own:idle()
end

---@return { workers: integer, capacity: integer, queued: integer, running: integer, done: integer, failed: integer }
function tasks.stats()
  return own:stats()
end

-- ---- the plugin ----

local function function_of(name, opts)
  local ok, fn = pcall(function() return require(opts.module)[opts.call or name] end)
  if ok and tusk.check.is_callable(fn) then return fn end
  tusk.errors.raise("config", ("plugins.background_tasks.types.%s: %s"):format(name,
    ok and ("module %s has no function %q"):format(opts.module, opts.call or name) or tostring(fn)))
end

-- What a type's function is: that of a module, or the one that comes with the plugin.
local function type_of(name, opts, log)
  if opts.module then return function_of(name, opts) end
  local fn = types.OPTIONS[name] and types[name]
  if not fn then
    local known = {}
    for shipped in pairs(types.OPTIONS) do known[#known + 1] = shipped end
    tusk.errors.raise("config",
      ('plugins.background_tasks.types.%s: say where its function is: { module = "…", call = "…" }%s'):format(name, (tusk.check.hint(name, known))))
  end
  return function(job) return fn(job, config, log, own) end
end

local function define_configured(cfg, log)
  local all = {}
  for name, opts in pairs(types.OPTIONS) do all[name] = opts end
  for name, opts in pairs(cfg.types) do all[name] = opts end
  for name, opts in pairs(all) do
    if opts then
      local limits = {}
      for key, value in pairs(types.OPTIONS[name] or {}) do limits[key] = value end
      for key, value in pairs(opts) do limits[key] = value end
      local fn = type_of(name, limits, log)
      limits.module, limits.call = nil, nil
      tasks.define(name, limits, fn)
    end
  end
end

local function setup(ctx, cfg)
  config = cfg
  own = background_tasks.new { scope = ctx.scope, log = ctx.log, workers = cfg.workers, queue = cfg.queue, drain = cfg.drain }
  path, writing = cfg.keep and (cfg.keep:sub(1, 1) == "/" and cfg.keep or ctx.root .. "/" .. cfg.keep), @semaphore(1)
  left = path and kept.read(path) or {}
  define_configured(cfg, ctx.log)
end

local function named(list)
  local names = {}
  for i, t in ipairs(list) do names[i] = ("%s (%s)"):format(t, t.was) end
  return names
end

local function ready()
  is_ready = true
  take_up_known()
end

local function raise_undone(names, cause)
  tusk.errors.raise("tasks.undone", ("%d tasks were not done: %s%s"):format(#names, table.concat(names, ", "),
    cause and "; they could not be kept either" or ""), { tasks = names, cause = cause })
end

-- Those of the last run that nobody has defined this time, and those that this one has not done.
local function keep(undone, names, log)
  local entries = still_left()
  for _, entry in ipairs(entries) do names[#names + 1] = entry.task .. " (of an earlier run)" end
  for _, t in ipairs(undone) do entries[#entries + 1] = { task = t.name, args = @json.decode(t.text, { nulls = true }) } end
  local ok, err = pcall(writing.with, writing, kept.write, path, entries)
  if not ok and names[1] then raise_undone(names, err) end
  if not ok then error(err, 0) end
  if names[1] then log.warn("tasks are kept for the next run", { tasks = names, file = path }) end
end

-- So long what is in line may go on, and then there is time to say what is lost.
local function time_for(seconds)
  local most = @remaining() or math.huge
  return math.max(0, math.min(seconds, most * 0.9, most - 0.1))
end

-- What could not be done is kept for the next run, or is an error that names it.
local function finish(ctx, seconds)
  local undone = own:stop(seconds)
  local names = named(undone)
  if path then keep(undone, names, ctx.log)
  elseif names[1] then raise_undone(names) end
end

-- It keeps to its time by itself: cut short it could not say what is lost.
local function shutdown(ctx)
  tusk.shield(finish, ctx, time_for(config.drain))
end

return {
  name = "background_tasks",
  version = "1.0.0",
  description = "@tasks: work in the background, by so many workers over a bounded queue",
  config = {
    workers = { type = "integer", default = 4, doc = "how many tasks run at a time" },
    queue = { type = "integer", default = 1000, doc = "how many wait in line; whoever enqueues more waits himself" },
    drain = { type = "duration", default = "8s", doc = "how long tasks may go on at the end, within --shutdown-timeout" },
    keep = { type = "string", doc = "a file for those that were not done by then, for the next run to take up" },
    types = { type = "table", default = {}, doc = "name → { module =, call =, timeout =, retry =, … }, or false" },
    processing = { type = "string", default = "processor.process", doc = "the operator's function that process_data calls" },
  },
  setup = setup,
  operators = { tasks = tasks },
  on = { ready = ready, shutdown = shutdown },
  teardown = function() own:remove_metrics() end,
}

-- loading.lua: what an embedding program loads into its host, and takes away again: sources, plugins, directories.
local at = require "tusk.at"
local core = require "tusk.core"
local errors = require "tusk.errors"
local events = require "tusk.events"
local kernel = require "tusk.kernel"
local lifecycle = require "tusk.lifecycle"
local loader = require "tusk.loader"
local modules = require "tusk.require"
local named = require "tusk.named"
local operators = require "tusk.operators"
local scope = require "tusk.scope"
local wait = require "tusk.wait"

local loading = {}

local plugins = {} -- those that are loaded, or being loaded or unloaded, in their order
local changed = core.Queue.new() -- woken whenever the state of one changes
local used = false

local function spawn_root(name, fn, ...)
  return named(kernel.spawn_root, { name = name }, fn, ...)
end

-- ---- sources ----

-- One that listens to events stays until it is unloaded.
local function body(s, fn)
  fn()
  if events.has_listener(s) then wait.reside() end
end

--- The body of a source's task. What it spawns belongs to it; a child that fails is told of, and the others go on.
---@param name string
---@param fn function
function loading.source(name, fn)
  kernel.unit(name)
  errors.names[kernel.current()] = name
  scope.run({ name = name, on_error = "log" }, body, fn)
end

-- ---- plugins ----

local function find(name)
  for i, p in ipairs(plugins) do
    if p.manifest.name == name then return p, i end
  end
end

local function tidy(p)
  for name in pairs(p.manifest.operators or {}) do
    operators.announce(name, nil)
    at.refresh(name)
  end
  if p.own_folder then modules.forget(p.dir) end
end

-- Others may wait for that: they go on, though there be no memory for the rest.
local function forget(p)
  for i = #plugins, 1, -1 do
    if plugins[i] == p then table.remove(plugins, i) end
  end
  local ok, e = pcall(tidy, p)
  changed:wake_all()
  if not ok then error(e, 0) end
end

-- A name that is being unloaded is free when that is done.
local function wait_for_name(name)
  while find(name) do
    if not find(name).leaving then errors.raise("exists", ("a plugin %q is loaded already"):format(name)) end
    changed:park()
  end
end

-- The needs of new ones are met by those that are there, too.
local function in_order(new)
  local manifest = require "tusk.manifest"
  local all, is_new, order = {}, {}, {}
  for _, p in ipairs(plugins) do all[#all + 1] = p end
  for _, p in ipairs(new) do all[#all + 1], is_new[p] = p, true end
  for _, p in ipairs(manifest.order(all)) do
    if is_new[p] then order[#order + 1] = p end
  end
  return order
end

-- The plugin's task: the root's, so that it outlives the load.
local function start(p, fn, ...)
  return spawn_root("plugin " .. p.manifest.name, fn, ...)
end

local function refresh(p)
  for name in pairs(p.manifest.operators or {}) do at.refresh(name) end
end

local function launch(order, configs)
  for _, p in ipairs(order) do plugins[#plugins + 1] = p end
  lifecycle.launch(order, configs, { changed = changed, start = start })
  return lifecycle.await_ready(order, refresh)
end

-- Ends it, or sees at least that it ends.
local function stop(p)
  local ok, e = xpcall(lifecycle.stop, errors.at_base, { p })
  if not ok and p.task then p.task:cancel() end
  forget(p)
  if not ok then error(e, 0) end
end

local function stop_all(order)
  local first
  for i = #order, 1, -1 do
    local ok, e = pcall(stop, order[i])
    if not ok then first = first or e end
  end
  if first then error(first, 0) end
end

-- Sets plugins up; if one fails, none of them stays.
local function set_up(order, configs)
  used = true
  local ok, failed = xpcall(launch, errors.at_base, order, configs)
  if ok and not failed then return end
  scope.shield(stop_all, order)
  error(ok and failed.error or failed, 0)
end

-- What variables (TUSK_PLUGINS__NAME__FIELD) and defaults say about one plugin.
local function configuration(p)
  local config, env = require "tusk.config", require "tusk.cli.env"
  local section = "plugins." .. p.manifest.name
  local fields = { [section] = p.manifest.config or {} }
  local tree, problems = config.layers({}, { variables = env.variables() }, fields)
  return (config.resolve({ [section] = tree[section] }, problems, fields))
end

-- Without waiting, so that the caller hears at once what is wrong.
local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- The plugin at a path: a file, or a folder with an init.lua or a library of its name.
local function place(name, path)
  if loader.is_directory(path) then
    for _, first in ipairs { path .. "/init.lua", path .. "/" .. name .. ".so" } do
      if exists(first) then return { file = first, name = name, dir = path, own_folder = true } end
    end
    errors.raise("not_found", ("%s has no init.lua"):format(path))
  end
  if not exists(path) then errors.raise("not_found", ("there is no %s"):format(path)) end
  return { file = path, name = name, dir = path:match("^(.*)/[^/]*$") or "." }
end

local function read(where)
  local p = require("tusk.manifest").load(where.file, where.name, where.dir)
  p.root, p.own_folder = where.dir, where.own_folder
  return p
end

--- Loads the plugin at a path, under its own name. In a task.
---@param name string
---@param path string
function loading.plugin(name, path)
  kernel.unit(name)
  wait_for_name(name)
  local p = read(place(name, path))
  if p.manifest.name ~= name then
    errors.raise("argument", ("%s is a plugin called %q, not %q"):format(path, p.manifest.name, name))
  end
  set_up(in_order({ p }), configuration(p))
end

-- ---- directories ----

local function is_app(dir)
  return exists(dir .. "/main.lua") or exists(dir .. "/tusk.lua") or loader.is_directory(dir .. "/plugins")
end

-- As `tusk run` does it.
local function app_of(dir)
  local app = require("tusk.cli.app").load(dir, { set = {} })
  require("tusk.cli.db").at_start(app)
  return app
end

-- A folder of plugins.
local function plain(dir)
  local found, configs = {}, {}
  for _, entry in ipairs(operators.get("file").read_dir(dir)) do
    local where = require("tusk.cli.plugins").of_entry(dir, entry)
    if where then
      where.own_folder = entry.type == "directory"
      local p = read(where)
      found[#found + 1] = p
      for section, values in pairs(configuration(p)) do configs[section] = values end
    end
  end
  if not found[1] then errors.raise("not_found", ("%s has neither a main.lua nor plugins"):format(dir)) end
  return { plugins = found, values = configs }
end

--- Loads a script directory, or a folder of plugins. In a task.
---@param dir string
function loading.directory(dir)
  kernel.unit(dir)
  if not loader.is_directory(dir) then errors.raise("not_found", ("there is no directory %s"):format(dir)) end
  local app = is_app(dir) and app_of(dir) or plain(dir)
  for _, p in ipairs(app.plugins) do wait_for_name(p.manifest.name) end
  if app.plugins[1] then set_up(in_order(app.plugins), app.values) end
  if not app.main then return end
  local fn, message = loader.loadfile(app.main)
  if not fn then error(errors.of_compiler(message), 0) end
  spawn_root("main", loading.source, "main", fn)
end

-- ---- and the end of them ----

local function needed_by(p)
  for _, other in ipairs(plugins) do
    for _, need in ipairs(other.needs or {}) do
      if need == p and not other.leaving then return other.manifest.name end
    end
  end
end

local function cancel_all(tasks)
  for _, task in ipairs(tasks) do task:cancel() end
end

--- Begins to end what was loaded under that name. Raises kinds not_found, exists.
---@param name string
function loading.unload(name)
  local p, tasks = find(name), kernel.units(name)
  if not p and not tasks[1] then errors.raise("not_found", ("nothing called %q is loaded"):format(name)) end
  if not p then return cancel_all(tasks) end
  local other = needed_by(p)
  if other then errors.raise("exists", ("%q is required by %q: unload that first"):format(name, other)) end
  if p.leaving then return end
  p.leaving = true
  local ok, e = pcall(spawn_root, "unload " .. name, stop, p)
  if ok then return end
  p.leaving = nil
  error(e, 0)
end

-- ---- the end of everything ----

--- Begins the end: sources are cancelled, plugins stopped, last loaded first.
function loading.stop()
  local is_plugin = {}
  for _, p in ipairs(plugins) do is_plugin[p.task] = true end
  for _, task in ipairs(kernel.units()) do
    if not is_plugin[task] then task:cancel() end
  end
  if plugins[1] then spawn_root("shutdown", stop_all, { unpack(plugins) }) end
end

--- Was a plugin ever loaded?
function loading.used()
  return used
end

return loading

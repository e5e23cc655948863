-- core.lua: joins the kernel and its Lua half; the few functions every operator uses.
local kernel = require "tusk.kernel"
local check = require "tusk.check"
local errors = require "tusk.errors"
local wait = require "tusk.wait"
local task = require "tusk.task"
local scope = require "tusk.scope"
require "tusk.stray"

kernel.use("xpcall", xpcall)
kernel.use("handler", errors.at_base)
kernel.use("error", errors.new)
kernel.use("cancelled", errors.cancelled)

---@class tusk.core
local core = {
  settle = wait.settle, checkpoint = wait.checkpoint, sleep = wait.sleep, yield = wait.yield, Queue = wait.Queue,
  spawn = task.spawn, async = task.async,
  scope = scope.run, timeout = scope.timeout, shield = scope.shield, flight_scope = scope.supervisor,
  now = kernel.now, clock = kernel.clock, wall = kernel.wall, current = kernel.current, remaining = kernel.remaining,
}

--- fn(…), within opts.timeout if there is one.
function core.within(opts, fn, ...)
  if opts and opts.timeout then return scope.timeout(check.duration("timeout", opts.timeout), fn, ...) end
  return fn(...)
end

local locals = setmetatable({}, { __mode = "k" })

--- A value bound to the running task.
function core.local_get(key)
  local mine = locals[kernel.current()]
  return mine and mine[key]
end

--- Binds a value to the running task, or a given one: its children do not see it.
function core.local_set(key, value, of)
  local me = of or kernel.current()
  local mine = locals[me]
  if not mine then
    mine = {}
    locals[me] = mine
  end
  mine[key] = value
end

local sections = {}

--- The configuration of one section ("db", "cache", a plugin's name); {} if none was given.
function core.config(section)
  return sections[section] or {}
end

--- Sets what core.config gives: section → name → value.
function core.configure(all)
  sections = all
  if all.metrics and all.metrics.operators then require("tusk.operators").get("metrics") end
end

--- What `@env` reads: names set here go before the process's own.
core.env = setmetatable({}, { __index = function(_, name) return os.getenv(name) end })

-- Called when an operator that waits is used where the task cannot be suspended.
local function refuse(in_task)
  return require("tusk.refuse").raise(in_task)
end

local function unhandled(err, handle)
  require("tusk.report").unhandled(err, handle)
end

local function deadlock()
  require("tusk.report").deadlock()
end

kernel.use("refuse", refuse)
kernel.use("slow", function(...) require("tusk.report").slow(...) end)
kernel.use("stuck", function(t) require("tusk.report").stuck(t) end)
kernel.on_dump(function() kernel.log(1, require("tusk.inspect").text()) end)
kernel.use("stopping", function() end)
kernel.use("unhandled", unhandled)
kernel.use("deadlock", deadlock)

--- What a callback of luv failed with: logged, like a task nobody waits for.
function core.callback_failed(err)
  require("tusk.report").callback(err)
end

-- Take the place of Lua's own: the dialect everywhere, and coroutines and modules that may wait.
local function install()
  local loader = require "tusk.loader"
  local modules = require "tusk.require"
  local shim = require "tusk.coroutine"
  debug.getregistry()["tusk.compile"], debug.getregistry()["tusk.require"] = loader.compile, modules.require
  _G.load, _G.loadstring, _G.loadfile = loader.load, loader.loadstring, loader.loadfile
  _G.require, _G.dofile = modules.require, modules.dofile
  for name, fn in pairs(shim) do coroutine[name] = fn end -- luacheck: ignore 122
  package.loaders[3] = modules.search -- the one for package.path, after preload and the host's own
  table.insert(package.loaders, 3, function(name) -- no file of package.path shadows what comes with the host
    if name:find("^tusk%.plugins%.") then return require("tusk.shipped").search(name) end
  end)
  package.preload.luv = function() return require "tusk.binding.luv" end
end

package.loaded["tusk.core"] = core -- operators may ask for it while it still loads
install()
if kernel.chance then require("tusk.chance").values(kernel.chance) end -- the embedder's seed

return core

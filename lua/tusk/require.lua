-- require.lua: require and dofile as Lua functions, so that what they load may wait.
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local loader = require "tusk.loader"
local wait = require "tusk.wait"

local loaded, c_require = package.loaded, require
local modules = {}

local own = {} -- the host's modules exist once, whoever (busted, between files) empties package.loaded
local loading = {} -- name → { task =, queue = } of loads in progress
local waits_for = {} -- task → the name it waits for

-- Would waiting for this load close a circle of tasks that wait for each other's loads?
local function circular(me, name)
  for _ = 1, 1000 do
    local load = loading[name]
    if not load then return false end
    if load.task == me then return true end
    name = waits_for[load.task]
    if not name then return false end
  end
  return true
end

local function wait_for(load, me, name)
  waits_for[me] = name
  local ok, e = xpcall(load.queue.park, errors.note, load.queue)
  waits_for[me] = nil
  if not ok then errors.rethrow(e) end
end

local function find(name)
  local tried = {}
  for _, search in ipairs(package.loaders) do
    local found = search(name)
    if type(found) == "function" then return found end
    if type(found) == "string" then tried[#tried + 1] = found end
  end
  error(("module '%s' not found:%s"):format(name, table.concat(tried)), 0)
end

local function run(name)
  local value = find(name)(name)
  if value ~= nil then loaded[name] = value
  elseif loaded[name] == nil then loaded[name] = true end
  if name:sub(1, 5) == "tusk." then own[name] = loaded[name] end
  return loaded[name]
end

local function end_load(name, load, ok, value)
  loading[name] = nil
  load.queue:wake_all()
  if not ok then
    loaded[name] = nil
    errors.rethrow(value)
  end
  return value
end

-- Before there are tasks, and in callbacks of luv. What Lua's own leaves of a load that failed would be taken for a module.
local function require_outside(name)
  local ok, value = pcall(c_require, name)
  if ok then return value end
  loaded[name] = nil
  error(value, 0)
end

--- require: concurrent callers share one load; a failed or cancelled one may be tried again.
function modules.require(name)
  if type(name) ~= "string" then
    error("bad argument #1 to 'require' (string expected, got " .. type(name) .. ")", 2)
  end
  local load, me = loading[name], kernel.current()
  if not load then
    local value = loaded[name]
    if value == nil then value = own[name] end
    if value ~= nil and value ~= false then return value end
    if not me then return require_outside(name) end
    load = { task = me, queue = wait.Queue.new() }
    loading[name] = load
    return end_load(name, load, xpcall(run, errors.note, name))
  end
  if not me or circular(me, name) then error(("loop or previous error loading module '%s'"):format(name), 2) end
  wait_for(load, me, name)
  return modules.require(name)
end

--- dofile(path): its body may wait.
function modules.dofile(path)
  local fn, message = loader.loadfile(path)
  if not fn then error(message, 0) end
  return fn()
end

local paths = {} -- module → the file it was found in

--- What was loaded from a folder is loaded again when it is next required.
---@param dir string
function modules.forget(dir)
  for name, path in pairs(paths) do
    if path:sub(1, #dir + 1) == dir .. "/" then loaded[name], paths[name] = nil, nil end
  end
end

local function find_file(name)
  local tried = {}
  for template in package.path:gmatch("[^;]+") do
    local path = template:gsub("%?", (name:gsub("%.", "/")))
    local file = io.open(path, "rb")
    if file then
      file:close()
      paths[name] = path
      return path
    end
    tried[#tried + 1] = "\n\tno file '" .. path .. "'"
  end
  return nil, table.concat(tried)
end

--- The searcher that takes the place of Lua's own for files.
function modules.search(name)
  local path, tried = find_file(name)
  if not path then return tried end
  local fn, message = loader.loadfile(path)
  if fn then return fn end
  error(("error loading module '%s' from file '%s':\n\t%s"):format(name, path, message), 0)
end

return modules

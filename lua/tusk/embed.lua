-- embed.lua: the Lua half of tusk.h: operators from C, functions called from C, events, values.
local array = require "tusk.array"
local check = require "tusk.check"
local errors = require "tusk.errors"
local events = require "tusk.events"
local ffi = require "ffi"
local kernel = require "tusk.kernel"
local operators = require "tusk.operators"
local running = require "tusk.running"
local scope = require "tusk.scope"
local wait = require "tusk.wait"

local settle, start = wait.settle, kernel.start_call
local int64, uint64 = ffi.typeof("int64_t"), ffi.typeof("uint64_t")

local embed = {}

embed.values = { null = require "tusk.null", mark = array.mark }

function embed.values.kind64(v)
  return ffi.istype(int64, v) and 1 or ffi.istype(uint64, v) and 2 or 0
end

function embed.values.make64(high, low)
  return int64(high) * 4294967296 + int64(low)
end

-- ---- operators ----

local gathering -- what a plugin in C defines while it is opened: name → function or namespace

local function split(name)
  local space, key = name:match("^([%a_][%w_]*)%.([%a_][%w_]*)$")
  space = space or name:match("^[%a_][%w_]*$")
  if not space or not load("local " .. space) or key and not load("local " .. key) then
    errors.raise("argument", ('%q is no name for an operator: write "ping" or "physics.raycast"'):format(name))
  end
  return space, key
end

--- Makes a function of C an operator; raises kind `argument` or `exists`.
---@param name string "ping", "physics.raycast"
---@param fn function
---@param plain boolean it never waits
function embed.define(name, fn, plain)
  local space, key = split(name)
  local call = plain and fn or function(...) return settle(fn(...)) end
  operators.add(gathering, space, key, call)
end

--- fn() → what it has defined meanwhile, and what it returned.
---@param fn function
---@return table<string, any> operators
function embed.gather(fn)
  gathering = {}
  local results = { pcall(fn) }
  local found = gathering
  gathering = nil
  if not results[1] then error(results[2], 0) end
  return found, unpack(results, 2, 5)
end

-- ---- calls ----

local function not_found(what, word, names)
  table.sort(names)
  local hint = check.hint(word, names)
  errors.raise("not_found", ("there is no %s %q%s"):format(what, word, hint))
end

-- The function of an operator's namespace, or nil; nothing is raised.
local function member(namespace, key)
  local ok, v = pcall(function() return namespace[key] end)
  return ok and type(v) == "function" and v or nil
end

local function each_function(p, fn)
  for name, value in pairs(p.manifest.operators or {}) do
    if type(value) == "function" then fn(name, name, value) end
    for key, v in pairs(type(value) == "table" and value or {}) do
      if type(key) == "string" and type(v) == "function" then fn(name .. "." .. key, key, v) end
    end
  end
end

local function ambiguous(p, name, full)
  table.sort(full)
  errors.raise("argument", ("%q of %s could be %s"):format(name, p.manifest.name, table.concat(full, " or ")))
end

local function in_plugin(p, name)
  local space, key = name:match("^([%w_]+)%.([%w_]+)$")
  local fn = space and member((p.manifest.operators or {})[space], key)
  if fn then return fn end
  local found, full, names = nil, {}, {}
  each_function(p, function(long, short, v)
    if short == name or long == name then found, full[#full + 1] = v, long end
    names[#names + 1] = name:find(".", 1, true) and long or short
  end)
  if full[2] then ambiguous(p, name, full) end
  return found or not_found(("function of the plugin %q:"):format(p.manifest.name), name, names)
end

local function globals()
  local names = {}
  for name, v in pairs(_G) do
    if type(name) == "string" and type(v) == "function" then names[#names + 1] = name end
  end
  return names
end

local function anywhere(name)
  local space, key = name:match("^([%w_]+)%.([%w_]+)$")
  local own = rawget(_G, name)
  if type(own) == "function" then return own end
  if not space then
    local value = operators.exists(name) and operators.get(name)
    return type(value) == "function" and value or not_found("global function", name, globals())
  end
  if not operators.exists(space) then not_found("operator", space, operators.names()) end
  local namespace = operators.get(space)
  return member(namespace, key) or not_found("function of @" .. space .. ":", key, operators.functions(space) or {})
end

-- Lua's own error for want of memory is a string; with a place before it, it is one of the host's.
local function is_memory(err)
  local value = type(err) == "table" and rawget(err, "value") or err
  return type(value) == "string" and value:find("not enough memory$") ~= nil
end

local function describe(err)
  local kind = type(err) == "table" and rawget(err, "kind")
  local trace = type(err) == "table" and rawget(err, "traceback")
  if type(kind) ~= "string" or kind == "lua" then kind = is_memory(err) and "memory" or "lua" end
  return kind, tostring(err), type(trace) == "string" and trace or "", type(err) == "table" and rawget(err, "sent") == true
end

-- -> the failure, if it is to be reported.
local function ended(future, alone, ok, ...)
  if ok then return nil, kernel.future_done(future, ...) end
  local told, kind, message, trace, sent = pcall(describe, (...))
  if not told then kind, message, trace = "lua", "error object", "" end
  kernel.future_failed(future, kind, message, trace, sent)
  return alone and not errors.is((...), "cancelled") and (...) or nil
end

local function without_scope(_, fn, ...)
  return fn(...)
end

local function attempt(future, alone, label, seconds, fn, ...)
  errors.names[kernel.current()] = label
  local opts = seconds and { timeout = seconds }
  return ended(future, alone, xpcall(scope.run, errors.at_base, opts, without_scope, fn, ...))
end

local function run(future, ...)
  local ok, failure = pcall(attempt, future, ...)
  kernel.future_lost(future)
  if ok and failure ~= nil then error(failure, 0) end
end

--- Starts the task of one call. Raises kinds not_found, argument, closed. Starting it is the last thing done.
---@param future userdata
---@param plugin string|nil
---@param name string
---@param seconds number|nil
---@param alone boolean nobody else tells of a failure
function embed.call(future, plugin, name, seconds, alone, ...)
  local p, fn
  if plugin then
    p = running.get(plugin) or not_found("plugin", plugin, running.names())
    fn = in_plugin(p, name)
  else
    fn = anywhere(name)
  end
  local label = plugin and plugin .. "." .. name or name
  return start(p and p.scope, run, future, alone, label, seconds, fn, ...)
    or errors.raise("closed", plugin and ("the plugin %q is ending"):format(plugin) or "the application is ending")
end

-- ---- events ----

embed.listeners = events.listeners

local function handle(label, fn, ...)
  errors.names[kernel.current()] = label
  fn(...)
end

--- Starts one listener's task, unless what it belongs to ends.
function embed.deliver(listener, ...)
  start(listener.scope, handle, listener.label, listener.fn, ...)
end

return embed

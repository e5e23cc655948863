-- at.lua: what `@name` denotes at one place: a site handle that calls the operator and keeps the place.
local operators = require "tusk.operators"
local errors = require "tusk.errors"
local sites = require "tusk.sites"

local at = {}

-- The call below must not be a tail call: its frame is how an error finds the place.
local function keep(...)
  return ...
end

local function read_only()
  errors.raise("operator", "operators are read-only; a plugin adds one through its manifest")
end

local function site_at(site, path)
  return { file = site.file, line = site.line, column = site.column, span = site.span, op = path }
end

-- fn is looked up in its namespace at every call: a plugin may replace it.
local function closure(site, namespace, key)
  local function call(...)
    return keep(namespace[key](...))
  end
  sites.add(call, site)
  return call
end

local function is_namespace(v)
  local mt = type(v) == "table" and getmetatable(v)
  return type(mt) == "table" and rawget(mt, "__namespace") == true
end

local proxy

local function member(site, namespace, key)
  local v = namespace[key]
  if type(v) == "function" then return closure(site_at(site, site.op .. "." .. tostring(key)), namespace, key), true end
  if is_namespace(v) then return proxy(site_at(site, site.op .. "." .. tostring(key)), v), true end
  return v
end

-- Looks a member up with the place at hand, so that an unknown name is reported there.
local function located(site, fn, ...)
  local function lookup(...)
    return keep(fn(...))
  end
  sites.add(lookup, site)
  return lookup(...)
end

function proxy(site, namespace)
  local known = {}
  setmetatable(known, { __index = function(_, key)
    local v, fixed = located(site, member, site, namespace, key)
    if fixed then rawset(known, key, v) end
    return v
  end })
  local function call(_, ...)
    return keep(namespace(...))
  end
  sites.add(call, site)
  return setmetatable({}, {
    __index = known, __newindex = read_only, __call = call, __namespace = true,
    __tostring = function() return "@" .. site.op end,
  })
end

local function handle(site)
  local v = located(site, operators.get, site.op)
  if type(v) == "function" then
    local function call(...)
      return keep(v(...))
    end
    sites.add(call, site)
    return call
  end
  return proxy(site, v)
end

--- The `_at` of one chunk: its sites by number, made on first use.
---@param file string as messages show it
---@param list table { name, line, column, span, name, … }
function at.chunk(file, list)
  local handles = setmetatable({}, { __index = function(handles, i)
    local base = (i - 1) * 4
    local h = handle {
      file = file, op = list[base + 1], line = list[base + 2], column = list[base + 3], span = list[base + 4],
    }
    rawset(handles, i, h)
    return h
  end })
  return setmetatable({}, { __index = handles, __newindex = read_only })
end

return at

-- at.lua: what `@name` denotes at one place: a site handle that calls the operator and keeps the place.
local dots = require "tusk.dots"
local kernel = require "tusk.kernel"
local operators = require "tusk.operators"
local errors = require "tusk.errors"
local sites = require "tusk.sites"

local site_function, setupvalue = kernel.site_function, debug.setupvalue

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

-- What handles call: { an operator or a namespace in it, name =, path =, known =, self = the handle, own_name = is the
-- operator the host's own? }. A test may replace it.
local cells = setmetatable({}, { __mode = "k" })

local function cell_of(value, name, path)
  local cell = { value, name = name, path = path, own_name = operators.is_core(name) }
  cells[cell] = true
  return cell
end

local observer

-- What stands for a call at a place, perhaps with somebody looking on.
local function placed(site, call)
  sites.add(call, site)
  return observer and observer(site.op, call) or call
end

--- From now on fn(op, call), of the operator's name and what calls it at one place, gives what is called there.
---@param fn nil|fun(op: string, call: function): function
function at.observe(fn)
  observer = fn
end

-- What is there for a function of the host's own where it is called with a colon: then its namespace comes first.
local function dotted(site, cell, key)
  local self = cell.self
  return function(...)
    if (...) == self then dots.wrong("@" .. site.op, select(2, ...)) end
    return keep(cell[1][key](...))
  end
end

-- The function is looked up in its namespace at every call: a plugin may replace it.
local function closure(site, cell, key)
  if cell.own_name then return placed(site, dotted(site, cell, key)) end
  local function call(...)
    return keep(cell[1][key](...))
  end
  return placed(site, call)
end

local function is_namespace(v)
  local mt = type(v) == "table" and getmetatable(v)
  return type(mt) == "table" and rawget(mt, "__namespace") == true
end

local proxy

local function below(path, key)
  local longer = { unpack(path) }
  longer[#longer + 1] = key
  return longer
end

local function member(site, cell, key)
  local v = cell[1][key]
  if type(v) == "function" then return closure(site_at(site, site.op .. "." .. tostring(key)), cell, key), true end
  if not is_namespace(v) then return v end
  return proxy(site_at(site, site.op .. "." .. tostring(key)), cell_of(v, cell.name, below(cell.path, key))), true
end

-- Looks a member up with the place at hand, so that an unknown name is reported there.
local function located(site, fn, ...)
  local function lookup(...)
    return keep(fn(...))
  end
  sites.add(lookup, site)
  return lookup(...)
end

function proxy(site, cell)
  local known = {}
  cell.known = known
  setmetatable(known, { __index = function(_, key)
    local v, fixed = located(site, member, site, cell, key)
    if fixed then rawset(known, key, v) end
    return v
  end })
  local function call(_, ...)
    return keep(cell[1](...))
  end
  sites.add(call, site)
  cell.self = setmetatable({}, {
    __index = known, __newindex = read_only, __call = call, __namespace = true,
    __tostring = function() return "@" .. site.op end,
  })
  return cell.self
end

local function handle(site)
  local v = located(site, operators.get, site.op)
  local cell = cell_of(v, site.op, {})
  if type(v) ~= "function" then return proxy(site, cell) end
  local call = site_function(v)
  if call then
    cell.direct, cell.own = call, v
  else
    function call(...)
      return keep(cell[1](...))
    end
  end
  return placed(site, call)
end

-- What the cell stands for now; where that no longer is, asking or calling raises what looking for it does.
local function find(cell)
  local v = operators.get(cell.name)
  for _, key in ipairs(cell.path) do v = v[key] end
  return v
end

local function missing(cell)
  return setmetatable({}, {
    __index = function(_, key) return find(cell)[key] end,
    __call = function(_, ...) return find(cell)(...) end,
  })
end

--- Another value has taken the place of an operator: handles made before call that.
---@param name string
function at.refresh(name)
  for cell in pairs(cells) do
    if cell.name == name then
      local ok, v = operators.exists(name), nil -- to look for one that is not there may wait
      if ok then ok, v = pcall(find, cell) end
      cell[1] = ok and v ~= nil and v or missing(cell)
      for key in pairs(cell.known or {}) do cell.known[key] = nil end
      if cell.direct then setupvalue(cell.direct, 1, cell[1] ~= cell.own and cell[1] or nil) end
    end
  end
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

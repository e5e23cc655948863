-- test/fake: other operators, or ones that fail, for as long as a body runs.
local at = require "tusk.at"
local check = require "tusk.check"
local errors = require "tusk.errors"
local operators = require "tusk.operators"

local fake = {}

local stacks = {} -- name → values that have taken each other's place, the real one first

local function put(name, stack)
  operators.replace(name, stack[#stack])
  at.refresh(name)
end

local function push(name, value)
  local stack = stacks[name] or { operators.get(name) }
  stacks[name] = stack
  stack[#stack + 1] = value
  put(name, stack)
end

local function pop(name, value)
  local stack = stacks[name]
  for i = #stack, 2, -1 do
    if stack[i] == value then
      table.remove(stack, i)
      break
    end
  end
  put(name, stack)
  if #stack == 1 then stacks[name] = nil end
end

local function finish(name, value, ok, ...)
  pop(name, value)
  if not ok then errors.rethrow((...)) end
  return ...
end

local function with(name, value, fn, ...)
  push(name, value)
  return finish(name, value, xpcall(fn, errors.note, ...))
end

--- fn(…) with `value` as the operator of that name, in code that had it before too.
---@param name string "http"
---@param value table|function what the operator itself is: a table of functions, or a function
function fake.operator(name, value, fn, ...)
  check.string("name", name)
  check.callable("fn", fn)
  local real = operators.get(name)
  if type(value) ~= type(real) then
    check.fail(("@%s is a %s; its fake must be one too, got %s"):format(name, type(real), type(value)))
  end
  return with(name, value, fn, ...)
end

--- The operator that a fake has taken the place of.
---@param name string
function fake.real(name)
  local stack = stacks[check.string("name", name)]
  return stack and stack[1] or operators.get(name)
end

-- ---- faults ----

local function split(path)
  local list = {}
  for part in path:gmatch("[^.]+") do list[#list + 1] = part end
  return list
end

-- The operator, with something done before the function at the end of the path.
local function wrapped(real, path, i, before)
  if i > #path then
    if not check.is_callable(real) then check.fail(("@%s is no function"):format(table.concat(path, "."))) end
    return function(...)
      before()
      return real(...)
    end
  end
  if type(real) ~= "table" then check.fail(("there is no @%s"):format(table.concat(path, "."))) end
  local mt = getmetatable(real)
  return setmetatable({ [path[i]] = wrapped(real[path[i]], path, i + 1, before) }, {
    __index = real,
    __call = function(_, ...) return real(...) end,
    __namespace = type(mt) == "table" and rawget(mt, "__namespace") or nil,
  })
end

local function numbers(at_)
  if at_ == "all" then return nil, 1 end
  local set, last = {}, 0
  for _, n in ipairs(type(at_) == "table" and at_ or { at_ or 1 }) do
    check.integer("at", n)
    if n < 1 then check.fail("at: calls are counted from 1", { argument = "at" }) end
    set[n], last = true, math.max(last, n)
  end
  if last == 0 then check.fail("at: no call is named", { argument = "at" }) end
  return set, last
end

local function copy(fields)
  local own = {}
  for key, value in pairs(fields or {}) do own[key] = value end
  return own
end

local function reached(path, calls, last, ...)
  if calls() < last then
    errors.raise("test", ("@%s was called %d times; the fault at call %d never came"):format(path, calls(), last))
  end
  return ...
end

--- fn(…), in which the first (or another) call of an operator fails. Raises kind `test` if there were too few.
---@param path string "http.get", "db.users.insert", "sleep"
---@param opts table|nil { at = 1 | { 1, 3 } | "all", kind = "fault", message =, fields = further ones of the error }
function fake.fail(path, opts, fn, ...)
  if type(opts) == "function" then return fake.fail(path, {}, opts, fn, ...) end
  check.string("path", path)
  opts = check.options(opts, { "at", "kind", "message", "fields" })
  check.callable("fn", fn)
  local set, last = numbers(opts.at)
  local kind = opts.kind == nil and "fault" or check.string("kind", opts.kind)
  local message = opts.message == nil and "injected by a test" or check.string("message", opts.message)
  local parts, n = split(path), 0
  local function before()
    n = n + 1
    if not set or set[n] then errors.raise(kind, message, copy(opts.fields)) end
  end
  local value = wrapped(operators.get(parts[1]), parts, 2, before)
  return reached(path, function() return n end, last, with(parts[1], value, fn, ...))
end

return fake

-- test/leaks: what a body has left behind: tasks, handles of the loop, descriptors.
local check = require "tusk.check"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local sites = require "tusk.sites"
local wait = require "tusk.wait"

local leaks = {}

local PATIENCE, PAUSE = 100, 0.005 -- times, seconds: for what is on its way out

-- { kind → { count =, [what] = true } } of what is listed as key → kind
local function by_kind(list, kind_of)
  local kinds = {}
  for key, what in pairs(list) do
    local kind = kind_of(what)
    local group = kinds[kind] or { count = 0, has = {} }
    kinds[kind] = group
    group.count = group.count + 1
    group.has[key] = what
  end
  return kinds
end

local function same(what)
  return what
end

-- "socket:[4711]" is a socket; a file is its path.
local function descriptor_kind(target)
  return (target:gsub(":%[%d+%]$", ""))
end

--- What there is now.
function leaks.snapshot()
  local tasks = {}
  for _, t in ipairs(kernel.tasks()) do tasks[t] = true end
  return {
    tasks = tasks,
    handles = by_kind(kernel.handles(), same),
    descriptors = by_kind(kernel.descriptors(), descriptor_kind),
  }
end

local function task_line(t)
  local co = kernel.coroutine_of(t)
  local site = co and sites.here(co)
  local where = site and (site.op and " in @" .. site.op or "") .. (" at %s:%d"):format(site.file, site.line) or ""
  return ("%s, %s%s"):format(tostring(t), (kernel.state(t)), where)
end

local function new_tasks(before, now, lines)
  for t in pairs(now) do
    if not before[t] and t ~= kernel.current() then lines[#lines + 1] = task_line(t) end
  end
end

-- Kinds of which there are more than before, with those that are new.
local function grown(before, now, name, lines)
  for kind, group in pairs(now) do
    local old = before[kind] or { count = 0, has = {} }
    local more = group.count - old.count
    for key, what in pairs(group.has) do
      if more > 0 and old.has[key] ~= what then
        lines[#lines + 1] = name(key, what)
        more = more - 1
      end
    end
  end
end

local function handle_line(_, kind)
  return "a uv " .. kind
end

local function descriptor_line(number, target)
  return ("descriptor %d: %s"):format(number, target)
end

local function list_left(before)
  local now, lines = leaks.snapshot(), {}
  new_tasks(before.tasks, now.tasks, lines)
  grown(before.handles, now.handles, handle_line, lines)
  grown(before.descriptors, now.descriptors, descriptor_line, lines)
  table.sort(lines)
  return lines
end

--- What there is that was not there before, once all that is on its way out has gone: what only the collector can
--- close, closing handles, calls that were cancelled in flight.
---@return string[]
function leaks.left(before)
  for i = 1, PATIENCE do
    local lines = list_left(before)
    if not lines[1] then return lines end
    if i == 2 then
      collectgarbage()
      collectgarbage()
    end
    wait.sleep(PAUSE, true)
  end
  return list_left(before)
end

--- Raises kind `test` if there is anything now that was not before.
function leaks.expect(before)
  local lines = leaks.left(before)
  if not lines[1] then return end
  errors.raise("test", ("left behind: %s"):format(table.concat(lines, "; ")), { left = lines })
end

local function finish(before, ...)
  leaks.expect(before)
  return ...
end

--- fn(…); raises kind `test`, naming them, if tasks, handles or descriptors are left that were not there before.
---@param opts table|function { warm = true: fn() runs once before, so that what is kept on purpose (connections) is
---  there already }; or fn itself
function leaks.check(opts, fn, ...)
  if type(opts) == "function" then return leaks.check({}, opts, fn, ...) end
  check.options(opts, { "warm" })
  check.callable("fn", fn)
  if opts.warm then fn(...) end
  return finish(leaks.snapshot(), fn(...))
end

return leaks

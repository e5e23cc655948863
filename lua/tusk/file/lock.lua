-- lock.lua: one at a time, among tasks and among processes.
local args = require "tusk.file.args"
local check = require "tusk.check"
local core = require "tusk.core"
local handles = require "tusk.file.handles"
local kernel = require "tusk.kernel"
local raw = require "tusk.binding.file"
local semaphore = require "tusk.semaphore"

local within, sleep = core.within, core.sleep

local OPTIONS = { "timeout", "shared" }
local SHORTEST, LONGEST = 0.001, 0.05 -- seconds between two attempts

local lock = {}

-- Other processes do not say when they let go: it is asked again, less and less often, and not in step with others.
local function acquire(at, path, shared, held)
  local pause = SHORTEST
  while true do
    held.lock = handles.open(raw.lock, at.root, path, shared)
    if held.lock then return end
    sleep(pause * (0.75 + 0.5 * math.random()), true)
    pause = math.min(pause * 1.5, LONGEST)
  end
end

-- Tasks of this process wait in a line for each path, first in, first out: only the first of them asks.
local function line_of(at, path)
  local lines = at.lines or {}
  at.lines = lines
  local line = lines[path] or { turn = semaphore.new(1), users = 0 }
  lines[path] = line
  return line, lines
end

-- What was held is given back, the lock before the turn.
local function let_go(held)
  if held.lock then raw.unlock(held.lock) end
  local line = held.line
  if not line then return end
  if held.turn then
    line.holder = nil
    held.turn:release()
  end
  line.users = line.users - 1
  if line.users == 0 then held.lines[held.path] = nil end
end

local function take_turn(at, path, held)
  local line, lines = line_of(at, path)
  if line.holder == kernel.current() then
    check.fail(("this task has locked %q already"):format(path), { argument = "path" })
  end
  line.users = line.users + 1
  held.line, held.lines, held.path = line, lines, path
  held.turn = line.turn:acquire()
  line.holder = kernel.current()
end

local function wait_for(at, path, shared, held)
  if not shared then take_turn(at, path, held) end
  acquire(at, path, shared, held)
end

--- fn() while nobody else, in this process or another, has a lock on the file; it is made if it is missing, and stays. The
--- lock is given back however fn ends, and by the system when the program dies.
---@param at tusk.file.At
---@param path string
---@param opts { timeout: string|number, shared: boolean }|nil timeout: of the waiting; shared: together with others who
---  say so
---@param fn fun(): ...
---@return any ... what fn returns
function lock.lock(at, path, opts, fn)
  args.path(at, "path", path)
  if fn == nil and check.is_callable(opts) then opts, fn = nil, opts end
  opts = check.options(opts, OPTIONS)
  check.callable("fn", fn)
  args.flags(opts, "shared")
  return core.scope(nil, function(s)
    local held = {}
    s:defer(function() let_go(held) end)
    within(opts, wait_for, at, path, opts.shared, held)
    return fn()
  end)
end

return lock

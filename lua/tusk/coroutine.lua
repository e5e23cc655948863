-- coroutine.lua: user coroutines that may do I/O: a wait inside one suspends the task, not its consumer.
local kernel = require "tusk.kernel"
local PARK = kernel.PARK

local resume, yield, create = coroutine.resume, coroutine.yield, coroutine.create
local status, running, isyieldable = coroutine.status, coroutine.running, coroutine.isyieldable
local block, c_suspend, c_resume = kernel.block, kernel.scope_suspend, kernel.scope_resume
local error, type = error, type

local shim = {}

-- What is special about resuming a coroutine. A text: it must not be resumed, and why. Any other value: it
-- has scopes open; true while it runs, then the innermost one.
local special = setmetatable({}, { __mode = "k" })
kernel.use("coroutines", special) -- the host enters the coroutines of tasks, and those that open scopes

local WAITS = "cannot resume coroutine: it waits in an operator"
local RUNS = "cannot resume running coroutine"
local NO_TASK = "cannot resume coroutine: it has a scope open, and no task is running"

local pass

local function back_in(co, before, ...)
  special[co] = before
  return pass(co, resume(co, ...))
end

-- What a resume gave: the user's values, or a park to hand outward and its answer to hand back in.
function pass(co, ok, first, ...)
  local before = special[co]
  if first ~= PARK then
    if before then special[co] = c_suspend(co) end
    return ok, first, ...
  end
  special[co] = WAITS
  return back_in(co, before, yield(first, ...))
end

local function unblock(co, ...)
  block(-1)
  if special[co] then special[co] = c_suspend(co) end
  return ...
end

-- nil if the coroutine may be resumed now, with its scopes in place; or why not.
local function refused(co)
  local how = special[co]
  if type(how) == "string" then return how end
  if how == true then return RUNS end
  if not c_resume(co, how) then return NO_TASK end
  special[co] = true
end

--- coroutine.resume
function shim.resume(co, ...)
  if special[co] then
    local why = refused(co)
    if why then return false, why end
  end
  if isyieldable() then return pass(co, resume(co, ...)) end
  block(1) -- a C function below cannot be suspended, so nothing inside may wait either
  return unblock(co, resume(co, ...))
end

local function unwrap(ok, ...)
  if ok then return ... end
  local e = (...)
  error(e, 0)
end

--- coroutine.wrap
function shim.wrap(fn)
  local co = create(fn)
  return function(...)
    if special[co] then
      local why = refused(co)
      if why then error(why, 2) end
    end
    if isyieldable() then return unwrap(pass(co, resume(co, ...))) end
    block(1)
    return unwrap(unblock(co, resume(co, ...)))
  end
end

--- coroutine.status: one that waits in an operator is "normal": it has resumed something else, the host.
function shim.status(co)
  return special[co] == WAITS and "normal" or status(co)
end

shim.create, shim.yield, shim.running, shim.isyieldable = create, yield, running, isyieldable

return shim

-- coroutine.lua: user coroutines that may do I/O: a wait inside one suspends the task, not its consumer.
local kernel = require "tusk.kernel"
local PARK = kernel.PARK

local resume, yield, create = coroutine.resume, coroutine.yield, coroutine.create
local status, running, isyieldable = coroutine.status, coroutine.running, coroutine.isyieldable
local block = kernel.block
local error = error

local shim = {}
local waiting = setmetatable({}, { __mode = "k" }) -- coroutines inside which the task is parked
local IN_THE_WAY = "cannot resume coroutine: it waits in an operator"

local pass

local function back_in(co, ...)
  waiting[co] = nil
  return pass(co, resume(co, ...))
end

-- What a resume gave: the user's values, or a park to hand outward and its answer to hand back in.
function pass(co, ok, first, ...)
  if first ~= PARK then return ok, first, ... end
  waiting[co] = true
  return back_in(co, yield(first, ...))
end

local function unblock(...)
  block(-1)
  return ...
end

--- coroutine.resume
function shim.resume(co, ...)
  if waiting[co] then return false, IN_THE_WAY end
  if isyieldable() then return pass(co, resume(co, ...)) end
  block(1) -- a C function below cannot be suspended, so nothing inside may wait either
  return unblock(resume(co, ...))
end

local function unwrap(co, ok, ...)
  if ok then return ... end
  local e = (...)
  error(e, 0)
end

--- coroutine.wrap
function shim.wrap(fn)
  local co = create(fn)
  return function(...)
    if waiting[co] then error(IN_THE_WAY, 2) end
    if isyieldable() then return unwrap(co, pass(co, resume(co, ...))) end
    block(1)
    return unwrap(co, unblock(resume(co, ...)))
  end
end

--- coroutine.status: one that waits in an operator is "normal": it has resumed something else, the host.
function shim.status(co)
  return waiting[co] and "normal" or status(co)
end

shim.create, shim.yield, shim.running, shim.isyieldable = create, yield, running, isyieldable

return shim

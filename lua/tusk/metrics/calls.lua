-- metrics/calls.lua: how often operators were called, how it ended, how long it took. Off unless configured: then
-- every `@` that is met from there on calls through here.
local at = require "tusk.at"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"

local clock, is = kernel.clock, errors.is

local calls = {}

local figures = {} -- operator → { ok =, error =, cancelled =, seconds = }

local function figures_of(op)
  local f = figures[op]
  if not f then
    f = { ok = 0, error = 0, cancelled = 0, seconds = 0 }
    figures[op] = f
  end
  return f
end

local function ended(f, began, ok, ...)
  local outcome = ok and "ok" or is((...), "cancelled") and "cancelled" or "error"
  f[outcome], f.seconds = f[outcome] + 1, f.seconds + (clock() - began)
  if ok then return ... end
  errors.rethrow((...))
end

local function counted(op, call)
  local f = figures_of(op)
  return function(...)
    return ended(f, clock(), xpcall(call, errors.note, ...))
  end
end

--- Counts the calls of every place that is reached for the first time from now on.
function calls.on()
  at.observe(counted)
end

--- Emits what was counted; see collect.lua.
function calls.emit(_, emit)
  for op, f in pairs(figures) do
    for _, outcome in ipairs { "ok", "error", "cancelled" } do
      emit("counter", "tusk_operator_calls_total", "calls of operators that have ended",
        { operator = op, outcome = outcome }, f[outcome])
    end
    emit("counter", "tusk_operator_seconds_total", "seconds that calls of operators took, waits included", { operator = op },
      f.seconds)
  end
end

return calls

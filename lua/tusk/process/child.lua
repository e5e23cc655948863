-- child.lua: a program that runs beside its caller, and belongs to its scope.
local check = require "tusk.check"
local core = require "tusk.core"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local operators = require "tusk.operators"
local pipes = require "tusk.process.pipes"
local raw = require "tusk.binding.process"
local result = require "tusk.process.result"
local signals = require "tusk.process.signals"

local settle, within = core.settle, core.within

---@class tusk.Process
---@field pid integer
---@field stdin tusk.process.Input|nil
---@field stdout tusk.process.Output|nil
---@field stderr tusk.process.Output|nil
local Process = { __name = "process" }
local child = {}

local FIELDS = { "pid", "stdin", "stdout", "stderr" }
local has = {}
for _, name in ipairs(FIELDS) do has[name] = true end

function Process.__index(_, key)
  local method = Process[key]
  if method or has[key] then return method end
  check.no_field("a process", key, { wait = true, kill = true, stop = true }, FIELDS)
end

function Process:__tostring()
  return "process " .. self.pid
end

local PIPE = 0 -- in the binding's numbers

---@param spec table from process.spec
---@return tusk.Process
function child.new(spec)
  local box, pid = settle(raw.spawn(spec))
  local self = { box = box, pid = pid, argv = spec.argv }
  if spec.input == 1 and not spec.stdin then self.stdin = pipes.input(box) end
  if spec.stdout == PIPE then self.stdout = pipes.output(box, 1) end
  if spec.stderr == PIPE then self.stderr = pipes.output(box, 2) end
  return setmetatable(self, Process)
end

local function wait(self)
  return result.new(self.argv, settle(raw.wait(self.box)))
end

--- Waits until the program is over; nothing of it is left then. One that writes more than its pipes hold has to be read.
---@param opts { timeout: string|number }|nil of the waiting: the program goes on
---@return tusk.process.Result
function Process:wait(opts)
  dots.colon(Process, self, "process", "wait")
  return within(check.options(opts, { "timeout" }), wait, self)
end

--- Sends a signal to the program and what it has started.
---@param signal string|integer|nil "TERM"
---@return boolean sent false: it is over
function Process:kill(signal)
  dots.colon(Process, self, "process", "kill")
  return raw.kill(self.box, signals.number(signal or "TERM"))
end

--- Ends it: TERM, after its grace KILL. Returns when it is over; what it still writes is lost.
---@return tusk.process.Result
function Process:stop()
  dots.colon(Process, self, "process", "stop")
  return result.new(self.argv, settle(raw.stop(self.box)))
end

-- Writes what comes from a source until its end, or that of the program's interest.
local function pump(box, source)
  local ok, e = xpcall(function()
    operators.get("stream")(source):each(function(piece)
      settle(raw.write(box, check.string("an item of stdin", piece)))
    end)
  end, errors.note)
  raw.close(box, 0)
  if not ok and not errors.is(e, "process.closed") and not errors.is(e, "closed") then errors.rethrow(e) end
end

--- Starts the writing of spec.source to the process.
---@param s tusk.Scope
---@return tusk.Task
function child.feed(self, s, source)
  return s:start(pump, self.box, source)
end

return child

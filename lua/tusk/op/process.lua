-- @process: other programs, with their arguments as a list and no shell between.
local check = require "tusk.check"
local child = require "tusk.process.child"
local core = require "tusk.core"
local dots = require "tusk.dots"
local raw = require "tusk.binding.process"
local result = require "tusk.process.result"
local spec = require "tusk.process.spec"

local settle, within = core.settle, core.within

local process = {}

local function run(made)
  return result.new(made.argv, settle(raw.run(made)))
end

-- Its input comes from a source, which is pulled from while it runs.
local function run_fed(made)
  return core.scope(nil, function(s)
    local p = child.new(made)
    local feeding = child.feed(p, s, made.source)
    local ended = p:wait()
    feeding:cancel()
    return ended
  end)
end

--- Runs a program to its end.
---@param argv string[]|string the program and its arguments; a string with shell = true
---@param opts table|nil { stdin = string or what @stream takes, cwd, env = { NAME = value | false }, clear_env, timeout,
---  capture = false, stdout, stderr, max = "16MiB", grace = "5s", group, shell, terminal }
---@return tusk.process.Result { code, signal, ok, stdout, stderr }, with :check()
function process.run(argv, opts)
  dots.check("process", process, argv, 'run { "program", "argument" }')
  opts = check.options(opts, spec.run_options)
  local made = spec.of_run(argv, opts)
  return within(opts, made.source and run_fed or run, made)
end

--- Starts a program that runs beside the caller. It belongs to the scope: when that ends, the program does.
---@param argv string[]|string
---@param opts table|nil as for run, but for timeout, capture and max; stdin: a string, or false for none
---@return tusk.Process { pid, stdin, stdout, stderr }, with :wait() :kill(signal) :stop()
function process.spawn(argv, opts)
  dots.check("process", process, argv, 'spawn { "program", "argument" }')
  opts = check.options(opts, spec.spawn_options)
  return child.new(spec.of_spawn(argv, opts))
end

return process

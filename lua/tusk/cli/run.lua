-- cli/run: `tusk run`, `tusk FILE`, `tusk -e`, `tusk -`.
local check = require "tusk.check"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local loader = require "tusk.loader"
local render = require "tusk.render"
local report = require "tusk.report"
local scope = require "tusk.scope"

local run = {}

local function syntax_error(message)
  error(setmetatable({ kind = "syntax", message = message }, errors.Error), 0)
end

local function compile(text, chunkname)
  local fn, message = loader.compile(text, chunkname)
  if not fn then syntax_error(message) end
  return fn
end

local function script(program)
  local args = { unpack(program, 2) }
  local name = program[1]
  if program.command == "-e" then
    if not name then errors.raise("usage", "tusk -e needs a piece of code") end
    render.chunks["(command line)"] = name
    return compile(name, "=(command line)"), args, name
  end
  if name == "-" or not name then
    local text = loader.read_all(nil)
    render.chunks.stdin = text
    return compile(text, "=stdin"), args, "-"
  end
  local text, message = loader.read_all(name)
  if not text then errors.raise("usage", message) end
  return compile(text, "@" .. name), args, name
end

local function application(s, fn, args)
  kernel.set_app(s)
  report.app = s
  fn(unpack(args))
end

local function in_scope(flags, fn, args)
  local ok, e = xpcall(scope.run, errors.at_base,
    { name = "main", on_error = "log", timeout = flags.timeout }, application, fn, args)
  kernel.set_app(nil)
  if ok then return report.failures > 0 and 1 or 0 end
  require("tusk.cli").complain(e)
  return errors.is(e, "timeout") and flags.timeout and e.scope == "main" and 124 or 1
end

--- Runs a script, or a directory of them.
function run.main(program, flags)
  if flags.timeout then flags.timeout = check.duration("--timeout", flags.timeout) end
  local fn, args, name = script(program)
  _G.arg = args
  _G.arg[0] = name
  return in_scope(flags, fn, args)
end

return run

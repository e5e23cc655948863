-- cli: the Lua half of the command line; host/cli.c has read the flags.
local program = require "tusk.program"
local render = require "tusk.render"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"

local cli = {}

local COMMANDS = { run = "run", ["-e"] = "run", test = "test", check = "check", expand = "expand", db = "db" }

--- Prints an error on stderr.
function cli.complain(err)
  kernel.log(3, render.error(err))
end

local function flags()
  local out = { set = {} }
  for _, f in ipairs(program.flags) do
    if f.name == "set" then table.insert(out.set, f.value)
    elseif f.value == "" then errors.raise("usage", ("--%s needs a value"):format(f.name))
    else out[f.name] = f.value end
  end
  return out
end

--- Runs the command; the program's exit status is what it returns.
function cli.main()
  render.color = program.terminal
  require("tusk.log_style").pretty = program.terminal
  local command = require("tusk.cli." .. COMMANDS[program.command])
  local ok, status = xpcall(function() return command.main(program, flags()) end, errors.at_base)
  if not ok then
    cli.complain(status)
    status = errors.is(status, "config") and 3 or errors.is(status, "usage") and 2 or 1
  end
  io.stdout:flush()
  program.exit(status or 0)
end

return cli

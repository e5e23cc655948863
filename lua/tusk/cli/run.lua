-- cli/run: `tusk run`, `tusk FILE`, `tusk -e`, `tusk -`.
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local lifecycle = require "tusk.lifecycle"
local loader = require "tusk.loader"
local operators = require "tusk.operators"
local render = require "tusk.render"
local report = require "tusk.report"
local scope = require "tusk.scope"

local run = {}

local SHUTDOWN = 10 -- seconds that tasks have to end

local function syntax_error(message)
  error(errors.of_compiler(message), 0)
end

local function compile(text, chunkname)
  local fn, message = loader.compile(text, chunkname)
  if not fn then syntax_error(message) end
  return fn
end

local function from_text(text, name)
  render.chunks[name] = text
  return compile(text, "=" .. name)
end

local function script(program)
  local name = program[1]
  if program.command == "-e" then
    if not name then errors.raise("usage", "tusk -e needs a piece of code") end
    return from_text(name, "(command line)")
  end
  if name == "-" then return from_text(loader.read_all(nil), "stdin") end
  local text, message = loader.read_all(name)
  if not text then errors.raise("usage", message) end
  return compile(text, "@" .. name)
end

-- What a shutdown cancels; a failed child is reported and the others go on.
local function in_application(flags, body, ...)
  local ok, e = xpcall(scope.run, errors.at_base,
    { name = "main", on_error = "log", timeout = flags.timeout }, function(s, ...)
      kernel.set_app(s)
      report.app = s
      return body(...)
    end, ...)
  kernel.set_app(nil)
  report.app = nil
  if ok then return report.failures > 0 and 1 or 0 end
  require("tusk.cli").complain(e)
  return errors.is(e, "timeout") and flags.timeout and e.scope == "main" and 124 or 1
end

-- A main.lua that is run as a script lacks the plugins beside it.
local function point_to_directory(path)
  local dir = path and path:match("^(.*)/[^/]*$") or "."
  operators.elsewhere = function()
    return loader.is_directory(dir .. "/plugins") and "plugins are loaded with their directory: tusk run " .. dir or nil
  end
end

-- What a script's operators read: TUSK_… variables and --set, over the defaults.
local function configure_script(flags)
  local env = require "tusk.cli.env"
  env.load(".", flags.env or core.env.TUSK_ENV or "development")
  local variables = env.variables()
  if not next(variables) and not flags.set[1] then return end
  local config = require "tusk.config"
  local tree, problems = config.layers({}, { variables = variables, set = flags.set }, config.CORE)
  core.configure(config.resolve(tree, problems, config.CORE))
end

local function run_script(program, flags)
  local fn = script(program)
  if program.command == "run" and program[1] ~= "-" then point_to_directory(program[1]) end
  configure_script(flags)
  _G.arg = { [0] = program[1], unpack(program, 2) }
  return in_application(flags, fn, unpack(program, 2))
end

-- ---- a directory ----

-- A line for a person, or a message with fields for a machine that reads the log.
local function tell(program, line, message, fields)
  if program.terminal then kernel.log(1, line)
  else operators.get("log").info(message, fields) end
end

local function plural(n, one)
  return n == 1 and "1 " .. one or n .. " " .. one .. "s"
end

local function banner(program, app)
  local keys = app.env_keys > 0 and (" · .env (%s)"):format(plural(app.env_keys, "key")) or ""
  tell(program, ("tusk %s  LuaJIT 2.1 · env %s%s"):format(require("tusk").version, app.environment, keys),
    "start", { dir = app.dir, env = app.environment })
end

local function provided(p)
  local names = {}
  for name in pairs(p.manifest.operators or {}) do names[#names + 1] = "@" .. name end
  table.sort(names)
  return names[1] and table.concat(names, " ") or "–"
end

local function on_ready(program)
  return function(p)
    tell(program, ("  ok   %-14s %-18s %.1f ms"):format(p.manifest.name, provided(p), p.took * 1000),
      "plugin ready", { plugin = p.manifest.name })
  end
end

local function main_and_services(app, args)
  if app.main then compile(loader.read_all(app.main), "@" .. app.main)(unpack(args)) end
  lifecycle.await_services(app.plugins)
end

local function start_and_run(program, flags, app, args)
  local failed
  lifecycle.launch(app.plugins, app.values)
  local status = in_application(flags, function()
    failed = lifecycle.await_ready(app.plugins, on_ready(program))
    if failed then return end
    if app.main then
      tell(program, ("running %s · Ctrl-C stops"):format(app.main), "running", { main = app.main })
    end
    main_and_services(app, args)
  end)
  if not failed then return status end
  require("tusk.cli").complain(failed.error)
  return 3
end

-- The database is as the plugins expect it before the first of them is set up.
local function migrate(app)
  local ok, e = xpcall(require("tusk.cli.db").at_start, errors.at_base, app)
  if not ok then require("tusk.cli").complain(e) end
  return ok
end

-- What writes left in DIR/data when the last run was killed. It is no reason not to run that it cannot be removed.
local function sweep(app)
  local file, folder = operators.get("file"), app.dir .. "/data"
  if not file.exists(folder) then return end
  local ok, e = xpcall(file.sweep, errors.at_base, folder)
  if not ok then require("tusk.cli").complain(e) end
end

local function run_directory(program, flags, dir, args)
  local app, wrong = require("tusk.cli.app").open(dir, flags)
  if not app then return wrong end
  banner(program, app)
  if not migrate(app) then return 3 end
  sweep(app)
  _G.arg = { [0] = app.main or dir, unpack(args) }
  local status = start_and_run(program, flags, app, args)
  local dismiss = lifecycle.watch(flags.patience, function(least) program.abandon(math.max(status, least)) end)
  scope.shield(lifecycle.stop, app.plugins)
  dismiss()
  return status ~= 0 and status or report.failures > 0 and 1 or 0
end

-- A duration given as a flag: a bare number is seconds.
local function duration(flags, name, default)
  local text = flags[name]
  if text == nil then return default end
  local ok, seconds = pcall(check.duration, "--" .. name, tonumber(text) or text)
  if not ok then errors.raise("usage", seconds.message) end
  return seconds
end

--- Runs a script, or a directory of them.
function run.main(program, flags)
  flags.timeout = duration(flags, "timeout")
  flags.patience = duration(flags, "shutdown-timeout", SHUTDOWN)
  program.patience(flags.patience)
  local path = program[1] or program.command == "run" and "." or nil
  local dismiss = lifecycle.watch_shutdown(flags.patience, program.abandon)
  local status
  if program.command == "run" and path ~= "-" and loader.is_directory(path) then
    status = run_directory(program, flags, path, { unpack(program, 2) })
  else
    status = run_script(program, flags)
  end
  dismiss()
  return status
end

return run

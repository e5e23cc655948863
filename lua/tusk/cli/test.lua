-- cli/test: `tusk test`: busted, unmodified, inside a task.
local check = require "tusk.check"
local errors = require "tusk.errors"
local guard = require "tusk.cli.guard"
local kernel = require "tusk.kernel"
local lifecycle = require "tusk.lifecycle"
local operators = require "tusk.operators"
local report = require "tusk.report"
local scope = require "tusk.scope"

local test = {}

local SHUTDOWN = 5 -- seconds that a spec which is interrupted has to end
local TEST = 60 -- seconds that each test has

local Exit = { __tostring = function(self) return "exit " .. tostring(self.status) end }

local function exit(status)
  if status == nil or status == true then status = 0 end
  error(setmetatable({ status = status == false and 1 or status }, Exit), 0)
end

-- Counts what ran, for a closing line that any tool can read.
local function counting(counts, seconds)
  local new = require "busted.core"
  package.loaded["busted.core"] = function(...)
    local busted = new(...)
    busted.subscribe({ "test", "end" }, function(_, _, status)
      counts[status] = (counts[status] or 0) + 1
      return nil, true
    end)
    busted.subscribe({ "error" }, function(element)
      if element.descriptor ~= "it" then counts.error = (counts.error or 0) + 1 end
      return nil, true
    end)
    guard.install(busted, seconds)
    return busted
  end
end

local function run_busted(s, counts, seconds)
  kernel.set_app(s)
  report.app = s
  local found, runner = pcall(require, "busted.runner")
  if not found then errors.raise("usage", "busted is not installed: apt-get install lua-busted") end
  counting(counts, seconds)
  local ok, e = xpcall(function() runner { standalone = false } end, errors.note)
  s:cancel() -- what a spec left running
  if ok then return 0 end
  if getmetatable(e) == Exit then return e.status end
  error(e, 0)
end

local function closing_line(counts)
  local failed = (counts.failure or 0) + (counts.error or 0)
  print(("%d passed, %d failed, %d skipped"):format(counts.success or 0, failed, counts.pending or 0))
  return failed
end

-- ---- the script directory that specs belong to ----

local function is_app(dir)
  return require("tusk.cli.app").is_here(dir)
end

-- "app" for app, app/spec and app/spec/users_spec.lua; "." for spec; nil when that is no script directory.
local function app_of(path)
  path = path:gsub("/+$", "")
  local above = ("./" .. path):match("^(.*)/spec$") or ("./" .. path):match("^(.*)/spec/")
  above = above and (above == "." and "." or above:sub(3))
  if path ~= "" and is_app(path) then return path end
  return above and is_app(above) and above or nil
end

-- What the command line names, but for busted's flags and their values; busted looks in spec/ by itself.
local function paths_of(program)
  local paths = {}
  for _, word in ipairs { unpack(program) } do
    if not word:find("^%-") and operators.get("file").exists(word) then paths[#paths + 1] = word end
  end
  return paths[1] and paths or { "spec" }
end

-- Specs of several script directories cannot share one run: each has operators of its own.
local function find_app(program)
  local found
  for _, path in ipairs(paths_of(program)) do
    local dir = app_of(path)
    if found and dir and dir ~= found then
      errors.raise("usage", ("specs of %s and of %s: run them one after the other"):format(found, dir))
    end
    found = found or dir
  end
  return found
end

-- Its plugins are set up in the environment "test"; its main.lua is not run.
local function with_plugins(dir, body)
  local app, wrong = require("tusk.cli.app").open(dir, { env = "test", set = {}, testing = true })
  if not app then return wrong end
  require("tusk.cli.db").at_start(app, true)
  lifecycle.launch(app.plugins, app.values)
  local failed = lifecycle.await_ready(app.plugins, function() end)
  local ok, result = true, 3
  if failed then require("tusk.cli").complain(failed.error)
  else ok, result = pcall(body) end
  scope.shield(lifecycle.stop, app.plugins)
  if not ok then error(result, 0) end
  return result
end

local function run_specs(seconds)
  local counts, status = {}, 0
  local real_exit = os.exit
  os.exit = exit -- luacheck: ignore
  local ok, e = xpcall(scope.run, errors.at_base, { name = "test", on_error = "log" }, function(s)
    status = run_busted(s, counts, seconds)
  end)
  guard.remove()
  os.exit = real_exit -- luacheck: ignore
  kernel.set_app(nil)
  if not ok then error(e, 0) end
  local failed = closing_line(counts)
  return (failed > 0 or status ~= 0 or report.failures > 0) and 1 or 0
end

-- Takes --test-timeout out of what is busted's -> seconds.
local function take_timeout(program)
  for i = 1, #program do
    local name, value = program[i]:match("^(%-%-test%-timeout)=?(.*)$")
    if name then
      table.remove(program, i)
      if value == "" then value = table.remove(program, i) or "" end
      local ok, seconds = pcall(check.duration, name, tonumber(value) or value)
      if not ok then errors.raise("usage", seconds.message) end
      return seconds
    end
  end
  return TEST
end

-- `make stress`: what runs twice is compiled, and what leaves that once is compiled from there.
local function compile_early()
  if os.getenv("TUSK_STRESS") then require("jit.opt").start("hotloop=2", "hotexit=1") end
end

--- Runs specs. Those of a script directory have its plugins, in the environment "test".
function test.main(program)
  local seconds = take_timeout(program)
  compile_early()
  _G.arg = { unpack(program) }
  _G.arg[0] = "tusk test"
  local dir = find_app(program)
  local dismiss = lifecycle.watch_shutdown(SHUTDOWN, program.abandon)
  local status = dir and with_plugins(dir, function() return run_specs(seconds) end) or run_specs(seconds)
  dismiss()
  return status
end

return test

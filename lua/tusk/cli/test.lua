-- cli/test: `tusk test`: busted, unmodified, inside a task.
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local report = require "tusk.report"
local scope = require "tusk.scope"

local test = {}

local Exit = { __tostring = function(self) return "exit " .. tostring(self.status) end }

local function exit(status)
  if status == nil or status == true then status = 0 end
  error(setmetatable({ status = status == false and 1 or status }, Exit), 0)
end

-- Counts what ran, for a closing line that any tool can read.
local function counting(counts)
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
    return busted
  end
end

local function run_busted(s, counts)
  kernel.set_app(s)
  report.app = s
  local found, runner = pcall(require, "busted.runner")
  if not found then errors.raise("usage", "busted is not installed: apt-get install lua-busted") end
  counting(counts)
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

function test.main(program)
  _G.arg = { unpack(program) }
  _G.arg[0] = "tusk test"
  local counts, status = {}, 0
  local real_exit = os.exit
  os.exit = exit -- luacheck: ignore
  local ok, e = xpcall(scope.run, errors.at_base, { name = "test", on_error = "log" }, function(s)
    status = run_busted(s, counts)
  end)
  os.exit = real_exit -- luacheck: ignore
  kernel.set_app(nil)
  if not ok then error(e, 0) end
  local failed = closing_line(counts)
  return (failed > 0 or status ~= 0 or report.failures > 0) and 1 or 0
end

return test

-- cli/db: `tusk db status|migrate|console [DIR]`; and what `tusk run` does about migrations when it starts.
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local loader = require "tusk.loader"
local operators = require "tusk.operators"

local db = {}

local COMMANDS = { "status", "migrate", "console" }

local function plural(n, one)
  return n == 1 and "1 " .. one or n .. " " .. one .. "s"
end

local function folder_of(dir)
  local folder = dir .. "/migrations"
  return operators.get("file").exists(folder) and folder or nil
end

local function hook(name)
  return getmetatable(operators.get("db"))[name]
end

-- The file of the default database; nil for one in memory.
local function file_of(url)
  return hook("__file")(url)
end

-- Looking changes nothing: a database that is not there yet has nothing applied.
local function plan_of(folder)
  local path = file_of(core.config("db").url)
  if path and operators.get("file").exists(path) then
    local there = operators.get("db").open(path, { readonly = true })
    local plan = there.migrate(folder, { plan = true })
    there.close()
    return plan
  end
  local list = require("tusk.migrations").read(folder)
  for _, m in ipairs(list) do m.state = "pending" end
  return list
end

local function count_pending(plan)
  local n = 0
  for _, m in ipairs(plan) do n = n + (m.state == "pending" and 1 or 0) end
  return n
end

--- When a script directory starts: applies its migrations if the configuration says so (db.migrate), else warns of those
--- that are not applied. For specs only a database in memory is touched, and nothing is said.
---@param testing boolean|nil
function db.at_start(app, testing)
  local folder = folder_of(app.dir)
  if not folder or testing and (file_of(app.values.db.url) or not app.values.db.migrate) then return end
  local log = operators.get("log")
  if app.values.db.migrate then
    for _, file in ipairs(operators.get("db").migrate(folder)) do log.info("migration applied", { file = file }) end
    return
  end
  local plan = plan_of(folder)
  local pending = count_pending(plan)
  if pending == 0 then return end
  log.warn(("%d of %s not applied: tusk db migrate %s, or db.migrate = true in tusk.lua")
    :format(pending, plural(#plan, "migration"), app.dir))
end

-- ---- the commands ----

local commands = {}

local function need_folder(dir)
  local folder = folder_of(dir)
  if not folder then errors.raise("usage", ("%s has no folder migrations"):format(dir)) end
  return folder
end

function commands.status(dir)
  local plan = plan_of(need_folder(dir))
  local pending = count_pending(plan)
  print(("%s · %d of %s applied"):format(core.config("db").url, #plan - pending, plural(#plan, "migration")))
  for _, m in ipairs(plan) do
    print(("  %-8s %s%s"):format(m.state, m.file, m.applied_at and "  " .. m.applied_at or ""))
  end
  return pending == 0 and 0 or 1
end

function commands.migrate(dir)
  local folder = need_folder(dir)
  if not file_of(core.config("db").url) then
    errors.raise("usage", "the database is in memory: there is nothing to keep (db.url)")
  end
  local done = operators.get("db").migrate(folder)
  for _, file in ipairs(done) do print("applied  " .. file) end
  print(("%s is up to date%s"):format(core.config("db").url, done[1] and "" or ", nothing to apply"))
  return 0
end

function commands.console(dir, flags)
  local default = not loader.is_directory(dir)
  local url = default and dir or core.config("db").url
  return hook("__console")(url, flags.readonly)
end

local function command_of(program)
  local name = program[1]
  if not name then errors.raise("usage", "tusk db needs a command: " .. table.concat(COMMANDS, ", ")) end
  if commands[name] then return commands[name], name end
  errors.raise("usage", ("tusk db has no command %q%s"):format(name, check.hint(name, COMMANDS)))
end

local function configure(dir, flags)
  local ok, e = xpcall(require("tusk.cli.app").configuration, errors.at_base, dir, flags)
  if ok then return end
  e.kind = errors.is(e, "usage") and "usage" or "config"
  error(e, 0)
end

--- The program's `tusk db`. Exit status: 1 when status finds something that is not applied.
function db.main(program, flags)
  local command, name = command_of(program)
  local dir = program[2] or "."
  if program[3] then errors.raise("usage", ("tusk db %s takes one directory"):format(name)) end
  if flags.readonly and name ~= "console" then errors.raise("usage", "--readonly is for tusk db console") end
  if not operators.get("file").exists(dir) then errors.raise("usage", ("%s: no such directory%s"):format(dir, name == "console" and " or file" or "")) end
  local is_file = not loader.is_directory(dir)
  if is_file and name ~= "console" then errors.raise("usage", ("%s is not a directory"):format(dir)) end
  if not is_file then configure(dir, flags) end
  return command(dir, flags)
end

return db

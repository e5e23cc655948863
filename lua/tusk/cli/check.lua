-- cli/check: `tusk check`: syntax, unknown operators, plugins, configuration, migrations; nothing is set up or run.
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local loader = require "tusk.loader"
local operators = require "tusk.operators"
local render = require "tusk.render"
local suggestions = require "tusk.check"

local check = {}

local STATUS = { usage = 2, config = 3, plugin = 3 } -- by kind of error; the greatest counts

local function listing(path)
  local file = operators.get("file")
  local out = {}
  for _, entry in ipairs(file.read_dir(path)) do
    if entry.type == "directory" and not entry.name:match("^%.") then
      for _, inner in ipairs(listing(entry.path)) do out[#out + 1] = inner end
    elseif entry.name:match("%.lua$") or entry.name:match("%.tusk$") then
      out[#out + 1] = entry.path
    end
  end
  return out
end

local function syntax(path, text)
  local fn, message = loader.compile(text, "@" .. path)
  if not fn then return errors.of_compiler(message) end
end

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  return lines
end

local function finding(message, near, site, help)
  return { kind = "operator", message = message, suggestion = near, site = site, help = help }
end

-- What is wrong with one `@name.member`, or nil.
local function unknown_name(name, member, known, names, site)
  if not known[name] then
    local shipped = operators.shipped(name)
    if shipped then return finding(("there is no operator @%s"):format(name), nil, site, { shipped }) end
    local hint, near = suggestions.hint(name, names)
    return finding(("there is no operator @%s%s"):format(name, hint), near, site)
  end
  local functions = member and operators.functions(name)
  for _, own in ipairs(functions or {}) do
    if own == member then return nil end
  end
  if not functions then return nil end
  local hint, near = suggestions.hint(member, functions)
  return finding(("@%s has no function %q%s"):format(name, member, hint), near, site)
end

-- Operators and functions that nobody provides, each with its place.
local function unknown(path, text, known, names, found)
  local _, sites = kernel.expand(text)
  if type(sites) ~= "table" then return end
  local lines = lines_of(text)
  for i = 1, #sites, 4 do
    local site = { file = path, line = sites[i + 1], column = sites[i + 2], span = sites[i + 3] }
    local written = (lines[site.line] or ""):sub(site.column, site.column + site.span - 1)
    found[#found + 1] = unknown_name(sites[i], written:match("^@[%w_]+%.([%a_][%w_]*)"), known, names, site)
  end
end

local function known_operators(plugins)
  local names, known = operators.names(), {}
  for _, p in ipairs(plugins) do
    for name in pairs(p.manifest.operators or {}) do names[#names + 1] = name end
  end
  for _, name in ipairs(names) do known[name] = true end
  return known, names
end

local function check_file(path, plugins, found)
  local known, names = known_operators(plugins)
  local text, message = loader.read_all(path)
  if not text then
    found[#found + 1] = { kind = "usage", message = message }
    return
  end
  local wrong = syntax(path, text)
  if wrong then found[#found + 1] = wrong
  else unknown(path, text, known, names, found) end
end

-- A value as text; of a table what is in it, but not the values, some of which may be secret.
local function shown(v)
  if type(v) == "string" then return ("%q"):format(v) end
  if type(v) ~= "table" then return tostring(v) end
  if #v > 0 then return ("{ %d of them }"):format(#v) end
  local names = require("tusk.schema").names_of(v)
  return names[1] and ("{ %s }"):format(table.concat(names, ", ")) or "{}"
end

local function show_config(app)
  for _, section in ipairs(require("tusk.schema").names_of(app.values)) do
    local fields = app.fields[section]
    for _, name in ipairs(require("tusk.schema").names_of(app.values[section])) do
      local v = app.values[section][name]
      local text = fields[name].secret and "***" or shown(v)
      print(("%-32s %-24s %s"):format(section .. "." .. name, text, app.sources[section][name]))
    end
  end
end

-- The script directory that a file belongs to, or nil: the nearest one above it.
local function app_above(path)
  local app = require "tusk.cli.app"
  local dir = path
  repeat
    local above = dir:match("^(.+)/[^/]*$") or dir:sub(1, 1) ~= "/" and "." or nil
    if above and app.is_here(above) then return above end
    dir = above
  until not above or above == "."
end

local function check_alone(path, flags, found)
  local dir = app_above(path)
  if not dir then return check_file(path, {}, found) end
  local ok, app = xpcall(require("tusk.cli.app").load, errors.at_base, dir, flags)
  if ok then check_file(path, app.plugins, found)
  else found[#found + 1] = app end
end

local function check_migrations(path, found)
  local folder = path .. "/migrations"
  if not loader.is_directory(folder) then return end
  local _, problems = require("tusk.migrations").list(folder)
  for _, message in ipairs(problems) do found[#found + 1] = { kind = "db.migration", message = folder .. ": " .. message } end
end

local function check_directory(path, flags, found)
  local files = listing(path)
  check_migrations(path, found)
  for _, file in ipairs(files) do
    local text = loader.read_all(file)
    local wrong = text and syntax(file, text)
    if wrong then found[#found + 1] = wrong end
  end
  if found[1] then return #files end -- plugins that do not parse cannot be asked
  local ok, app = xpcall(require("tusk.cli.app").load, errors.at_base, path, flags)
  if not ok then
    found[#found + 1] = app
    return #files
  end
  for _, file in ipairs(files) do check_file(file, app.plugins, found) end
  if flags["show-config"] then show_config(app) end
  return #files
end

--- Checks files and directories (default: the current one). Exit status 0, 1, or 3 for configuration.
function check.main(program, flags)
  local found, count, status = {}, 0, 0
  local paths = program[1] and { unpack(program) } or { "." }
  for _, path in ipairs(paths) do
    if loader.is_directory(path) then count = count + check_directory(path, flags, found)
    else
      check_alone(path, flags, found)
      count = count + 1
    end
  end
  for _, err in ipairs(found) do
    status = math.max(status, STATUS[err.kind] or 1)
    if getmetatable(err) ~= errors.Error then setmetatable(err, errors.Error) end
    kernel.log(3, render.error(err))
  end
  if not found[1] then print(("%d file%s ok"):format(count, count == 1 and "" or "s")) end
  return status
end

return check

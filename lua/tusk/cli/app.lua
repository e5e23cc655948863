-- cli/app: a script directory: its files, configuration and plugins.
local check = require "tusk.check"
local config = require "tusk.config"
local core = require "tusk.core"
local env = require "tusk.cli.env"
local errors = require "tusk.errors"
local operators = require "tusk.operators"
local plugins = require "tusk.cli.plugins"
local shipped = require "tusk.shipped"

local file = operators.get("file")

local app = {}

--- Is there a main.lua, or a plugin?
function app.is_here(dir)
  return file.exists(dir .. "/main.lua") or plugins.here(dir)[1] ~= nil
end

local function fields_of(loaded)
  local fields = {}
  for section, own in pairs(config.CORE) do fields[section] = own end
  for _, p in ipairs(loaded) do fields["plugins." .. p.manifest.name] = p.manifest.config or {} end
  return fields
end

-- Settings of a plugin that is not there: no such one, or one of ours that tusk.lua does not list.
local function absent(name, names)
  if shipped.find(name) then
    return ("plugins.%s: that plugin comes with Tusk, but is not listed: plugins = { %s = {} } in tusk.lua"):format(name, name)
  end
  return ("plugins.%s: there is no such plugin%s"):format(name, check.hint(name, names))
end

local function settings_of_none(tree, loaded, problems)
  local names, known = shipped.names(), {}
  for _, p in ipairs(loaded) do
    names[#names + 1] = p.manifest.name
    known["plugins." .. p.manifest.name] = true
  end
  for section in pairs(tree) do
    local name = section:match("^plugins%.(.+)$")
    if name and not known[section] then
      problems[#problems + 1] = absent(name, names)
      tree[section] = nil
    end
  end
end

local function layers(dir, said, fields, flags)
  return config.layers(said,
    { path = dir .. "/tusk.lua", environment = flags.env, variables = env.variables(), set = flags.set }, fields)
end

local function apply(dir, values, sources, flags)
  if not values.db.url then
    values.db.url, sources.db.url = flags.testing and ":memory:" or dir .. "/data/tusk.db", "default"
  end
  core.configure(values)
  require("tusk.log_style").level = ({ debug = 0, info = 1, warn = 2, error = 3 })[values.log.level]
end

-- The host's own sections, before the plugins are there: their bodies may use its operators. What is wrong is told later,
-- with what is wrong in the plugins' sections.
local function configure_host(dir, said, flags)
  local tree, own = layers(dir, said, config.CORE, flags), {}
  for section in pairs(config.CORE) do own[section] = tree[section] end
  local ok, values, sources = pcall(config.resolve, own, {}, config.CORE)
  if ok then apply(dir, values, sources, flags) end
end

--- Reads the configuration and applies it. Raises kind `config`.
---@param said table what its tusk.lua returned
---@return table values, table sources, table fields
function app.configure(dir, said, loaded, flags)
  local fields = fields_of(loaded)
  local tree, problems = layers(dir, said, fields, flags)
  settings_of_none(tree, loaded, problems)
  local values, sources = config.resolve(tree, problems, fields)
  apply(dir, values, sources, flags)
  return values, sources, fields
end

local function set_paths(dir)
  local places = { "/?.lua", "/lib/?.lua", "/lib/?/init.lua", "/lua_modules/share/lua/5.1/?.lua",
    "/lua_modules/share/lua/5.1/?/init.lua" }
  local list = {}
  for i, place in ipairs(places) do list[i] = dir .. place end
  package.path = table.concat(list, ";") .. ";" .. package.path
  package.cpath = dir .. "/?.so;" .. dir .. "/lua_modules/lib/lua/5.1/?.so;" .. package.cpath
end

--- A directory's configuration: paths, .env, plugins in order, values; all of it applied.
---@param dir string
---@param flags table { env =, set =, testing = the default database is one in memory }
---@return table { dir, environment, env_keys, plugins, values, sources, fields }
function app.configuration(dir, flags)
  dir = #dir > 1 and dir:gsub("/+$", "") or dir
  flags.env = flags.env or core.env.TUSK_ENV or "development"
  set_paths(dir)
  local env_keys = env.load(dir, flags.env)
  local said = config.read_file(dir .. "/tusk.lua")
  configure_host(dir, said, flags)
  local loaded = plugins.load(dir, said, flags.env)
  local values, sources, fields = app.configure(dir, said, loaded, flags)
  return { dir = dir, environment = flags.env, env_keys = env_keys, plugins = loaded, values = values,
    sources = sources, fields = fields }
end

--- The same of one that can be run: with its main.lua, if it has plugins perhaps without.
---@return table as of app.configuration, and main
function app.load(dir, flags)
  local found = app.configuration(dir, flags)
  local main = found.dir .. "/main.lua"
  if file.exists(main) then
    found.main = main
  elseif not found.plugins[1] then
    errors.raise("usage", ("%s has neither a main.lua nor plugins"):format(found.dir))
  end
  return found
end

--- The same for commands that end when it fails: says why.
---@return table|nil app
---@return integer|nil status for the program to exit with
function app.open(dir, flags)
  local ok, result = xpcall(app.load, errors.at_base, dir, flags)
  if ok then return result end
  require("tusk.cli").complain(result)
  return nil, errors.is(result, "usage") and 2 or 3
end

return app

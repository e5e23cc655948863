-- config.lua: one configuration out of defaults, tusk.lua, its environment, variables and --set.
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local loader = require "tusk.loader"
local schema = require "tusk.schema"

local config = {}

--- The sections that belong to the host itself.
config.CORE = {
  db = {
    url = { type = "string", doc = "the default database: a path, or :memory:" },
    synchronous = { type = "string", choices = { "off", "normal", "full", "extra" }, doc = "what a commit waits for" },
    readonly = { type = "boolean" },
    readers = { type = "integer", doc = "threads that read" },
    cache_size = { type = "size", doc = "of the page cache" },
    busy_timeout = { type = "duration", doc = "how long a lock of another process is waited for" },
  },
  cache = { size = { type = "size", default = "64MiB", doc = "the most that the memory cache holds" } },
  log = { level = { type = "string", default = "info", choices = { "debug", "info", "warn", "error" } } },
}

local MAX_STEPS = 1e6 -- of a tusk.lua

-- tusk.lua is data: it gets env("NAME", default), the table and string functions, and a bounded time.
local function sandbox()
  local function env(name, default)
    check.string("name", name)
    local v = core.env[name]
    if v == nil then return default end
    return v
  end
  return {
    env = env, tonumber = tonumber, tostring = tostring, pairs = pairs, ipairs = ipairs, type = type,
    string = { format = string.format, lower = string.lower, upper = string.upper, sub = string.sub },
    table = { concat = table.concat, insert = table.insert }, math = { floor = math.floor, max = math.max, min = math.min },
  }
end

local function fail(message, help)
  errors.raise("config", message, { help = help })
end

local function bounded(fn, path)
  jit.off(fn, true) -- compiled code does not count its steps
  local co = coroutine.create(fn)
  debug.sethook(co, function() error(path .. " takes too long: it is configuration, not a program", 0) end, "", MAX_STEPS)
  local ok, result = coroutine.resume(co)
  debug.sethook(co)
  if not ok then fail(tostring(result)) end
  if coroutine.status(co) ~= "dead" then fail(path .. ": configuration cannot yield") end
  return result
end

--- What a tusk.lua returns; {} when there is no such file.
function config.read_file(path)
  local file = io.open(path, "rb")
  if not file then return {} end
  local text = file:read("*a")
  file:close()
  local fn, message = loader.compile(text, "@" .. path)
  if not fn then error(errors.of_compiler(message, "config"), 0) end
  local result = bounded(setfenv(fn, sandbox()), path)
  if type(result) ~= "table" then fail(path .. " must return a table") end
  return result
end

local function put(tree, section, name, entry)
  tree[section] = tree[section] or {}
  tree[section][name] = entry
end

-- Sections by path: "db", "plugins.users".
local function put_section(tree, problems, section, values, source)
  if type(values) ~= "table" then
    problems[#problems + 1] = ("%s: a table of settings expected, got %s (%s)"):format(section, type(values), source)
    return
  end
  tree[section] = tree[section] or {}
  for name, v in pairs(values) do put(tree, section, tostring(name), { value = v, source = source }) end
end

local function put_table(tree, problems, values, source)
  for section, v in pairs(values) do
    if section == "plugins" then
      if type(v) ~= "table" then
        problems[#problems + 1] = ("plugins: a table expected, got %s (%s)"):format(type(v), source)
      else
        for name, settings in pairs(v) do put_section(tree, problems, "plugins." .. tostring(name), settings, source) end
      end
    elseif section ~= "environments" then
      put_section(tree, problems, tostring(section), v, source)
    end
  end
end

local function put_path(tree, problems, path, value, source)
  local section, name = path:match("^(.+)%.([^.]+)$")
  if not section then
    problems[#problems + 1] = ("%s: write SECTION.NAME=VALUE, like db.url=app.db (%s)"):format(path, source)
    return
  end
  put(tree, section, name, { value = value, source = source, text = true })
end

-- TUSK_DB__URL=… sets db.url; TUSK_PLUGINS__API_CLIENT__BASE=… sets plugins.api_client.base.
local function put_variables(tree, problems, variables)
  for name, value in pairs(variables) do
    local path = name:match("^TUSK_(.+__.+)$")
    if path then put_path(tree, problems, path:lower():gsub("__", "."), value, name) end
  end
end

local function put_flags(tree, problems, list)
  for _, text in ipairs(list) do
    local path, value = text:match("^([^=]+)=(.*)$")
    if path then put_path(tree, problems, path, value, "--set")
    else problems[#problems + 1] = ("--set %s: write --set KEY=VALUE"):format(text) end
  end
end

--- Puts all layers together, unread: section → name → { value, source, text }.
---@param file table what tusk.lua returned
---@param opts table { path =, environment =, variables = name → value, set = string[] }
---@return table tree, string[] problems
function config.layers(file, opts)
  local tree, problems = {}, {}
  put_table(tree, problems, file, opts.path)
  local own = type(file.environments) == "table" and file.environments[opts.environment]
  if own then put_table(tree, problems, own, ("%s (%s)"):format(opts.path, opts.environment)) end
  put_variables(tree, problems, opts.variables or {})
  put_flags(tree, problems, opts.set or {})
  return tree, problems
end

local function known_sections(fields)
  local names = {}
  for section in pairs(fields) do names[#names + 1] = section end
  table.sort(names)
  return names
end

--- Reads every section by its schema; raises kind `config` with all that is wrong.
---@param tree table from layers
---@param problems string[]
---@param fields table section → fields
---@return table values section → name → value, table sources alike
function config.resolve(tree, problems, fields)
  local values, sources = {}, {}
  for section, section_fields in pairs(fields) do
    values[section], sources[section] = schema.read(section_fields, tree[section] or {}, section, problems)
  end
  for section in pairs(tree) do
    if not fields[section] then
      problems[#problems + 1] = ("%s: there is no such section%s"):format(section, check.hint(section, known_sections(fields)))
    end
  end
  if problems[1] then
    table.sort(problems)
    local n = #problems
    fail(n == 1 and problems[1] or ("%d mistakes in the configuration"):format(n), n > 1 and problems or nil)
  end
  return values, sources
end

return config

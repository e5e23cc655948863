-- config.lua: one configuration out of defaults, tusk.lua, its environment, variables and --set.
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local loader = require "tusk.loader"
local schema = require "tusk.schema"

local config = {}

local ENOENT = 2

--- The sections that belong to the host itself.
config.CORE = {
  db = { url = { type = "string", secret = false, doc = "the default database: a path, or :memory:" },
    readonly = { type = "boolean" }, synchronous = { type = "string", choices = { "off", "normal", "full", "extra" } },
    readers = { type = "integer" }, cache_size = { type = "size" }, busy_timeout = { type = "duration" },
    migrate = { type = "boolean", doc = "whether DIR/migrations is applied when the program starts" } },
  cache = { url = { type = "string", default = "memory:", doc = "where values are kept: memory: or redis://host:port/db" },
    size = { type = "size", default = "64MiB", doc = "the most that the memory cache holds" },
    prefix = { type = "string", doc = "what begins every key on a server: cache:" },
    on_down = { type = "string", choices = { "load", "raise" }, doc = "what a server that is down means" },
    timeout = { type = "duration", doc = "how long an answer of the server may take: 1s" } },
  redis = { url = { type = "string", doc = "the default server: redis://[user:password@]host:port/db or redis+unix:///path?db=" },
    timeout = { type = "duration" }, connect_timeout = { type = "duration" }, max_connections = { type = "integer" } },
  email = { url = { type = "string", doc = "the mail server: smtp://user:password@host:port or smtps://" },
    from = { type = "string", doc = "who messages are from: Shop <shop@example.com>" },
    starttls = { type = "boolean", doc = "whether smtp:// must become TLS: yes, but for this machine" },
    tls = { type = "table", doc = "{ ca =, cert =, key =, insecure = }" },
    bearer = { type = "string", secret = true, doc = "a token, instead of the password" },
    timeout = { type = "duration" }, connect_timeout = { type = "duration" }, max_size = { type = "size" },
    max_connections = { type = "integer" } },
  metrics = { operators = { type = "boolean", default = false, doc = "count the calls of operators" } },
  log = { level = { type = "string", default = "info", choices = { "debug", "info", "warn", "error" } } },
}

-- The bounds of a tusk.lua: what it may take in instructions and KiB, looked at every few instructions.
local MAX_STEPS, MAX_KIB, STRIDE = 1e6, 16 * 1024, 10

-- What methods of strings are in a tusk.lua: the rest could make gigabytes in one step.
local STRINGS = { format = string.format, lower = string.lower, upper = string.upper, sub = string.sub }

-- tusk.lua is data: it gets env("NAME", default), a few functions, and a bounded time.
local function sandbox()
  local function env(name, default)
    check.string("name", name)
    local v = core.env[name]
    if v == nil then return default end
    return v
  end
  return {
    env = env, tonumber = tonumber, tostring = tostring, pairs = pairs, ipairs = ipairs, type = type,
    string = STRINGS, table = { concat = table.concat, insert = table.insert },
    math = { floor = math.floor, max = math.max, min = math.min },
  }
end

local function fail(message, help)
  errors.raise("config", message, { help = help })
end

local function too_large(from)
  if collectgarbage("count") - from < MAX_KIB then return false end
  collectgarbage()
  return collectgarbage("count") - from >= MAX_KIB
end

-- The hook that ends a chunk which takes too much. It goes first: hooks are not one coroutine's alone.
local function watch(path)
  local left, from = MAX_STEPS / STRIDE, collectgarbage("count")
  local function look()
    left = left - 1
    local much = left < 0 and "long" or too_large(from) and "much memory"
    if not much then return end
    debug.sethook()
    error(("%s takes too %s: it is configuration, not a program"):format(path, much), 0)
  end
  jit.off(look)
  return look
end

local function bounded(fn, path)
  jit.off(fn, true) -- compiled code does not count its steps
  local co, strings = coroutine.create(fn), getmetatable("")
  local methods = strings.__index
  strings.__index = STRINGS -- it cannot yield: nobody else sees this
  debug.sethook(co, watch(path), "", STRIDE)
  local ok, result = coroutine.resume(co)
  debug.sethook(co)
  strings.__index = methods
  if not ok then fail(tostring(result)) end
  if coroutine.status(co) ~= "dead" then fail(path .. ": configuration cannot yield") end
  return result
end

local function refuse_operators(text, path)
  local _, sites = loader.expand(text)
  if type(sites) ~= "table" or not sites[1] then return end
  errors.raise("config", "configuration cannot use operators; it has env(\"NAME\", default)",
    { op = sites[1], site = { file = path, line = sites[2], column = sites[3], span = sites[4] } })
end

-- The text of a file, or nil when there is none.
local function text_of(path)
  local file, message, number = io.open(path, "rb")
  if not file and number == ENOENT then return nil end
  if not file then fail("cannot open " .. message) end
  local text, why = file:read("*a")
  file:close()
  return text or fail(("cannot read %s: %s"):format(path, why))
end

--- What a tusk.lua returns; {} when there is no such file.
function config.read_file(path)
  local text = text_of(path)
  if not text then return {} end
  local fn, message = loader.compile(text, "@" .. path)
  if not fn then error(setmetatable({ kind = "config", message = message }, errors.Error), 0) end
  refuse_operators(text, path)
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

local function put_environment(tree, problems, all, opts)
  if all ~= nil and type(all) ~= "table" then
    problems[#problems + 1] = ("environments: a table expected, got %s (%s)"):format(type(all), opts.path)
    return
  end
  local own = all and all[opts.environment]
  if type(own) == "table" then put_table(tree, problems, own, ("%s (%s)"):format(opts.path, opts.environment))
  elseif own ~= nil then
    problems[#problems + 1] = ("environments.%s: a table expected, got %s (%s)"):format(opts.environment, type(own), opts.path)
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

local function plain(name)
  return (name:lower():gsub("-", "_"))
end

-- The name that a variable means, which has neither its capitals nor its dashes.
local function spelt(names, name)
  for own in pairs(names) do
    if plain(own) == name then return own end
  end
  return name
end

-- TUSK_DB__URL=… sets db.url; TUSK_PLUGINS__MY_API__BASE=… sets plugins.my-api.base.
local function put_variables(tree, problems, variables, fields)
  for variable, value in pairs(variables) do
    local path = variable:match("^TUSK_(.+__.+)$")
    local section, name = (path or ""):lower():gsub("__", "."):match("^(.+)%.([^.]+)$")
    if section then
      section = spelt(fields, section)
      put_path(tree, problems, section .. "." .. spelt(fields[section] or {}, name), value, variable)
    end
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
---@param fields table section → fields: what can be set
---@return table tree, string[] problems
function config.layers(file, opts, fields)
  local tree, problems = {}, {}
  put_table(tree, problems, file, opts.path)
  put_environment(tree, problems, file.environments, opts)
  put_variables(tree, problems, opts.variables or {}, fields)
  put_flags(tree, problems, opts.set or {})
  return tree, problems
end

local function known_sections(fields)
  local names = {}
  for section in pairs(fields) do names[#names + 1] = section end
  names[#names + 1] = "plugins"
  names[#names + 1] = "environments"
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

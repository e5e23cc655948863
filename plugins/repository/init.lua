-- repository: repositories of tables that tusk.lua names: `@repository.users.find(1)`. See README.md.
local repository = require "tusk.plugins.repository"
local tusk = require "tusk"

local repositories = {}

-- What is wrong in one of several says in which.
local function open(name, opts)
  local ok, result = xpcall(repository.new, tusk.errors.note, name, opts)
  if ok then return result end
  if tusk.errors.is(result, "argument") then result.message = ("tables.%s: %s"):format(tostring(name), result.message) end
  tusk.errors.rethrow(result)
end

local function setup(_, cfg)
  local defaults = { ttl = cfg.ttl, negative_ttl = cfg.negative_ttl, slice = cfg.slice }
  for name, own in pairs(cfg.tables) do
    local opts = {}
    for option, value in pairs(defaults) do opts[option] = value end
    for option, value in pairs(tusk.check.table("tables." .. tostring(name), own)) do opts[option] = value end
    repositories[name] = open(name, opts)
  end
end

return {
  name = "repository",
  version = "1.0",
  description = "rows by key, through the cache; several tables in one transaction",
  config = {
    tables = { type = "table", default = {}, doc = "table → options of repository.new: { users = { ttl = \"1h\" } }" },
    ttl = { type = "duration", default = "1h", doc = "how long a row is kept in the cache" },
    negative_ttl = { type = "duration", doc = "how long it is kept that there is no row; not at all if not set" },
    slice = { type = "integer", default = 200, doc = "how many rows one statement of find_many asks for" },
  },
  setup = setup,
  operators = { repository = repositories },
}

-- repository: repositories of tables that tusk.lua names: `@repository.users.find(1)`. See README.md.
local check = require("tusk").check
local repository = require "tusk.plugins.repository"

local repositories = {}

local function setup(_, cfg)
  local defaults = { ttl = cfg.ttl, negative_ttl = cfg.negative_ttl, slice = cfg.slice }
  for name, own in pairs(cfg.tables) do
    local opts = {}
    for option, value in pairs(defaults) do opts[option] = value end
    for option, value in pairs(check.table("tables." .. tostring(name), own)) do opts[option] = value end
    repositories[name] = repository.new(name, opts)
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

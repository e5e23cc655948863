-- stream_processor: `@stream_processor.new`, with defaults from tusk.lua. See README.md.
local check = require("tusk").check
local stream_processor = require "tusk.plugins.stream_processor"

local defaults = {}
local operator = { pages = stream_processor.pages }

--- A processor of streams: what tusk.lua says, and over that what is given here.
---@param opts table as of stream_processor.lua
---@return stream_processor.Processor
function operator.new(opts)
  check.dotted(opts, "new{ … }")
  local all = {}
  for name, value in pairs(defaults) do all[name] = value end
  for name, value in pairs(check.opt_table("options", opts) or {}) do all[name] = value end
  local processor = stream_processor.new(all)
  return processor
end

local function setup(_, cfg)
  for name, value in pairs(cfg) do defaults[name] = value end
  defaults.dead_table = nil
  if cfg.dead_table then defaults.dead = { table = cfg.dead_table } end
end

return {
  name = "stream_processor",
  version = "1.0",
  description = "streams of items: enriched through the cache, validated, stamped, written in batches",
  config = {
    batch = { type = "integer", default = 100, doc = "how many are written together" },
    within = { type = "duration", doc = "how long one waits at most for others to be written with; as long as it takes if not set" },
    concurrency = { type = "integer", default = 8, doc = "how many are enriched at a time" },
    ordered = { type = "boolean", default = true, doc = "results in the order of the items" },
    ttl = { type = "duration", default = "1h", doc = "how long what an item was enriched with is kept in the cache" },
    max_failures = { type = "integer", doc = "more failed items than that end a run; any number if not set" },
    dead_table = { type = "string", doc = "a table for items that failed; without one the first of them ends a run" },
  },
  setup = setup,
  operators = { stream_processor = operator },
}

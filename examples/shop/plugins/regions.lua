-- regions.lua: @regions: the API that knows which region a postcode is in. It fails half of the time: it is asked up to ten
-- times, a little later each time, and left alone only when nearly nothing gets through.
local api_client = require "tusk.plugins.api_client"

local regions, attempts = {}, 0

--- The region of a postcode: asked for once a day, whoever wants to know.
---@param postcode string
---@return string
function regions.of(postcode)
  return @cache.remember("region:" .. postcode, { ttl = "1d", on_error_stale = "7d" }, function()
    local response = regions.find({ postcode = postcode }, { response = true })
    attempts = attempts + response.attempts
    return response:raise_for_status():json().region
  end)
end

--- How often the API was asked in all, the repetitions included.
function regions.attempts()
  return attempts
end

local function setup(_, cfg)
  api_client.new({
    name = "regions", base = cfg.base or @town.api(), endpoints = { find = "GET /regions/{postcode}" },
    attempt_timeout = "2s", retry = { attempts = 10, base = "5ms", cap = "500ms" }, breaker = { rate = 0.9, open = "1s" },
    bulkhead = { max = 4, queue = 1000 },
  }, regions)
end

return {
  name = "regions",
  requires = { "@town" },
  config = { base = { type = "string", doc = "the API's address; the town's own if not set" } },
  setup = setup,
  operators = { regions = regions },
}

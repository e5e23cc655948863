-- weather.lua: an API in a few lines.
local api_client = require "tusk.plugins.api_client"

local weather = {}

local function setup(_, cfg)
  api_client.new({
    name = "weather",
    base = cfg.base or @origin.url,
    attempt_timeout = "2s",
    retry = { attempts = 5, base = "5ms" },
    limiter = { rate = 200, burst = 20 },
    endpoints = {
      forecast = "GET /forecast/{city}?days",
      send_report = { "POST /reports", idempotency_key = true },
    },
  }, weather)
end

return {
  name = "weather",
  requires = { "@origin" },
  config = { base = { type = "string", doc = "the API's address; the example's own server if not set" } },
  setup = setup,
  operators = { weather = weather },
}

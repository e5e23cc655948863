-- carrier.lua: `@carrier`: the API of a carrier, in a few lines.
local api_client = require "tusk.plugins.api_client"

local carrier = {}

local function setup()
  api_client.new({
    name = "carrier",
    base = @origin.url,
    attempt_timeout = "2s",
    retry = { attempts = 6, base = "2ms" },
    breaker = false, -- its failures are single ones
    endpoints = {
      parcels = "GET /parcels?offset&limit",
      locate = "GET /place/{id}",
    },
  }, carrier)
end

return { name = "carrier", requires = { "@origin" }, setup = setup, operators = { carrier = carrier } }

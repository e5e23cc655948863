-- atlas.lua: the client of an HTTP API: where the sun stands now.
local atlas, client, retries = {}, nil, 0

-- The JSON at a path. A server that fails is asked again, each time a little later.
local function get(path, query)
  for attempt = 1, 4 do
    local response = client.get(path, { query = query })
    if response.status < 500 or attempt == 4 then return response:raise_for_status():json() end
    retries = retries + 1
    @sleep(0.02 * 2 ^ attempt)
  end
end

--- Degrees that the sun stands above the horizon in a country's first zone; nil when it has none.
---@param country { code: string, zones: table[] }
---@return number|nil
function atlas.sun(country)
  local zone = country.zones[1]
  if not zone then return nil end
  return @cache.remember("sun:" .. country.code, "1m",
    @(get("/sun", { latitude = zone.latitude, longitude = zone.longitude }).altitude))
end

--- How many requests had to be made again.
function atlas.retries()
  return retries
end

local function setup(_, cfg)
  client = @http.client { base = cfg.base or @origin.url, timeout = cfg.timeout }
end

return {
  name = "atlas",
  requires = { "@origin" },
  config = {
    base = { type = "string", doc = "the API's address; the example's own server if not set" },
    timeout = { type = "duration", default = "5s", doc = "of one request" },
  },
  setup = setup,
  operators = { atlas = atlas },
}

-- places.lua: the repository of countries and their zones: SQLite, with the cache in front.
local places = {}

local function load(code)
  local country = @db.countries.find(code)
  if not country then return nil end
  country.zones = @db.table("zones"):where("country", code):order_by("id"):get()
  return country
end

--- A country with its zones, or nil when it is not stored.
---@param code string "AD"
function places.find(code)
  return @cache.remember("place:" .. code, "10m", @(load(code)))
end

--- How many countries are stored.
function places.count()
  return @db.countries.count()
end

--- Stores a country and its zones together, or not at all; false when it was there.
---@param country { code: string, name: string, zones: table[] }
---@return boolean
function places.store(country)
  if places.find(country.code) then return false end
  @db.transaction(function(tx)
    tx.countries.insert { code = country.code, name = country.name }
    for _, zone in ipairs(country.zones) do
      tx.zones.insert { country = country.code, name = zone.name, comment = zone.comment,
        latitude = zone.latitude, longitude = zone.longitude }
    end
  end)
  return true
end

local function setup()
  @db.exec [[
    CREATE TABLE IF NOT EXISTS countries (code TEXT PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS zones (
      id INTEGER PRIMARY KEY,
      country TEXT NOT NULL REFERENCES countries (code),
      name TEXT NOT NULL, comment TEXT, latitude REAL NOT NULL, longitude REAL NOT NULL,
      UNIQUE (country, name));
  ]]
end

return { name = "places", setup = setup, operators = { places = places } }

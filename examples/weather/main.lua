-- What the weather will be, in several cities at once. See README.md.
local CITIES = { "Bern", "Atlantis", "Lima", "Oslo", "Quito", "Tokyo" }

local requests = {}
for _, city in ipairs(CITIES) do requests[city] = { "forecast", { city = city, days = 3 } } end
local forecasts, failed = @weather.fetch_multiple(requests, { concurrency = 3 })

local found, missing = 0, 0
for _, city in ipairs(CITIES) do
  local forecast = forecasts[city]
  if forecast then
    found = found + 1
    print(("%-9s %d °C"):format(city, forecast.degrees))
  else
    missing = missing + 1
    print(("%-9s %s"):format(city, failed[city].body.message))
  end
end

-- The server keeps a report and then, now and then, says 503: it is sent again, with the same key.
local kept, sent = 0, 0
repeat
  local report = @weather.send_report { body = { cities = found } }
  kept, sent = kept + 1, sent + @origin.reports[report.id]
until sent > kept

print(("\n%d forecasts · %d city that is not there · reports: %d kept, sent %d times · %d answers of 503, nobody noticed")
  :format(found, missing, kept, sent, @origin.failed))

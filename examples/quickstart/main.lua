-- Countries and their time zones: read, stored, enriched over HTTP, reported. See README.md.
local dir = arg[0]:match("^(.*)/") or "."
local SAMPLE, WIDTH = 20, 16

local function seconds(fn)
  local from = @date.clock()
  fn()
  return @date.clock() - from
end

local started = @date.clock()
local countries, zones = @processor.read()
print(("read    %d zones, %d countries"):format(zones, #countries))

local found = @places.count()
if found > 0 then print(("found   %d countries in the database"):format(found)) end
local took = seconds(@(@map(countries, @places.store)))
local stored = @places.count() - found
if stored > 0 then print(("stored  %d countries, one transaction each, in %.2f s"):format(stored, took)) end

-- The first few one after the other, all the others side by side: what does one answer cost?
local first, others = {}, {}
for _, country in ipairs(countries) do
  if country.zones[1] then table.insert(#first < SAMPLE and first or others, country) end
end
local slow = 1000 / #first * seconds(function()
  for _, country in ipairs(first) do @atlas.sun(country) end
end)
print(("asked   %d times, one after the other: %.1f ms each"):format(#first, slow))
local fast = 1000 / #others * seconds(@(@map(others, @atlas.sun, { concurrency = WIDTH })))
print(("asked   %d times, %d at a time: %.1f ms each"):format(#others, WIDTH, fast))

local report = {} -- all of it is in the cache by now
for i, country in ipairs(countries) do
  report[i] = @places.find(country.code)
  report[i].sun = @atlas.sun(report[i])
end
@reporter.write(dir .. "/report", report)
print(("wrote   %s/report/places.json, places.md\n"):format(dir))

print(("%d zones · %d countries · %d retries · %d cache hits · %.2f s · %.1fx faster side by side"):format(
  zones, #countries, @atlas.retries(), @cache.stats().hits, @date.clock() - started, slow / fast))

-- One day of a shop: people sign up, come back, and in the night there is a report. See README.md.
local people = require "people"

local COUNT, VISITS, AT_ONCE = tonumber((...)) or 200, 5, 16
local started = @date.clock()
local day = (@db.value "select max(day) from users" or 0) + 1
print(("day %d"):format(day))

local left = @desk.catch_up() -- of a run that has ended too early
if left > 0 then print(("%d of the days before have no region yet"):format(left)) end

local ids, refused = {}, 0
@stream(people.of(day, COUNT)):map(function(person)
  return @desk.sign_up(day, person)
end, { concurrency = AT_ONCE }):each(function(user)
  if user then ids[#ids + 1] = user.id else refused = refused + 1 end
  if (#ids + refused) % 50 == 0 then print(("%d of %d have come"):format(#ids + refused, COUNT)) end
end)

-- They come back, while their regions are being asked for.
local visits = {}
for i = 1, VISITS * #ids do visits[i] = ids[i % #ids + 1] end
local seen = 0
@stream(visits):map(@users.find, { concurrency = AT_ONCE }):each(function(user)
  if user.profile.user_id == user.id then seen = seen + 1 end
end)

-- In the evening, whoever has none yet: there was no room in the queue, or ten attempts were not enough.
for _ = 1, 4 do
  @tasks.idle()
  if @desk.catch_up() == 0 then break end
end
local report = @night.close(day)
@analytics.flush()

-- ---- what has become of it all: counted where it lies, and it must add up ----

local function count(sql)
  return @db.value("select count(*) from " .. sql, day)
end

local function events(name)
  return count(("analytics_events where event = '%s' and data ->> '$.day' = ?"):format(name))
end

local wrong = {}
local function same(what, got, wanted)
  if got ~= wanted then wrong[#wrong + 1] = ("%s: %s, not %s"):format(what, got, wanted) end
end

local users, enriched = count "users where day = ?", count "users where day = ? and region is not null"
same("sign-ups", users, people.new_of(COUNT))
same("sign-ups that were answered", #ids, users)
same("refusals", refused, COUNT - users)
same("profiles", count "profiles join users on id = user_id where day = ?", users)
same("regions", enriched, users)
same("regions of the days before", count "users where day < ? and region is null", 0)
same("visits", seen, #visits)
same("reports", count "days where day = ?", 1)
for name, wanted in pairs { sign_up = users, refused = refused, enriched = enriched, report = 1 } do
  same("events of " .. name, events(name), wanted)
end
same("events dropped", @analytics.stats().dropped, 0)

print(("\n%d people · %d sign-ups · %d refused · %d regions by %d requests · %d visits · %d cache hits · %d events · %.2f s"):format(
  COUNT, users, refused, enriched, @regions.attempts(), seen, @cache.stats().hits, @analytics.stats().sent, @date.clock() - started))
if wrong[1] then error("it does not add up: " .. table.concat(wrong, "; "), 0) end
print("nothing is lost, it adds up; the report is on its way: " .. report.path)

-- Run by `tusk test examples/shop/spec`: the plugins are there, the database is one in memory, each third answer of the API
-- is 503.
local people = require "people"

local function signed_up(day, count)
  local users = {}
  for person in people.of(day, count) do users[#users + 1] = @desk.sign_up(day, person) or nil end
  @tasks.idle()
  return users
end

local function events(name, day)
  @analytics.flush()
  return @db.value("select count(*) from analytics_events where event = ? and data ->> '$.day' = ?", name, day)
end

describe("the shop", function()
  it("stores who signs up, with a profile and, later, a region", function()
    local user = signed_up(1, 1)[1]
    local found = @users.find(user.id)
    assert.equal(user.email, found.email)
    assert.same({ user_id = user.id, postcode = user.profile.postcode, newsletter = 0 }, found.profile)
    assert.equal("string", type(found.region))
    assert.same({ 1, 1 }, { events("sign_up", 1), events("enriched", 1) })
  end)

  it("refuses a second one with the same address, and stores nothing of it", function()
    local users, profiles = @db.users.count(), @db.profiles.count()
    assert.equal(19, #signed_up(2, 20))
    assert.same({ users + 19, profiles + 19 }, { @db.users.count(), @db.profiles.count() })
    assert.same({ 19, 1 }, { events("sign_up", 2), events("refused", 2) })
  end)

  it("stores no user whose profile is wrong, and tracks nothing", function()
    local _, err = @try(@desk.sign_up, 3, { name = "Eve", email = "eve@people.example", postcode = {}, newsletter = false })
    assert.is_not_nil(err)
    assert.same({ 0, 0 }, { @db.users.count { email = "eve@people.example" }, events("sign_up", 3) })
  end)

  it("asks for a postcode once, however many live there", function()
    local before = @regions.attempts()
    assert.is_true(@regions.of("9001") == @regions.of("9001"))
    assert.is_true(@regions.attempts() - before <= 2) -- the second answer is good, if the first was not
  end)

  it("catches up with what was left, once", function()
    local user = @users.create { day = 4, name = "Ada", email = "ada@people.example", profile = { postcode = "1234", newsletter = true } }
    assert.equal(1, @desk.catch_up())
    assert.equal(1, @desk.catch_up())
    @tasks.idle()
    assert.equal(0, @desk.catch_up())
    assert.same({ @regions.of("1234"), 1 }, { @users.find(user.id).region, events("enriched", 4) })
  end)

  it("ends a day with a report that is on the disk and on its way", function()
    signed_up(5, 10)
    local report = @night.close(5)
    assert.equal("%PDF", @file.read(report.path):sub(1, 4))
    local noted = @db.days.find(5)
    assert.same({ 10, report.path }, { noted.sign_ups, noted.report })
    assert.matches("@shop.example>$", noted.message)
    @file.remove(report.path)
  end)
end)

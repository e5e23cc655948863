-- Run by `tusk test examples/quickstart/spec`: the plugins are there, the database is one in memory.
local sun = require "sun"

describe("the quickstart", function()
  local countries, zones = @processor.read()
  local by_code = {}
  for _, country in ipairs(countries) do by_code[country.code] = country end

  it("reads as many rows as the tables have", function()
    local lines = { 0, 0 }
    for i, name in ipairs { "zone1970.tab", "iso3166.tab" } do
      for line in @file.lines(@env.get("TZDIR", "/usr/share/zoneinfo") .. "/" .. name) do
        if line:sub(1, 1) ~= "#" then lines[i] = lines[i] + 1 end
      end
    end
    assert.are.same(lines, { zones, #countries })
  end)

  it("knows where a zone is", function()
    local auckland = by_code.NZ.zones[1]
    assert.are.equal("Pacific/Auckland", auckland.name)
    assert.is_near(-36.87, auckland.latitude, 0.01)
    assert.is_near(174.77, auckland.longitude, 0.01)
  end)

  it("stores a country with its zones, once", function()
    assert.is_nil(@places.find("NZ"))
    assert.is_true(@places.store(by_code.NZ))
    assert.is_false(@places.store(by_code.NZ))
    local stored = @places.find("NZ")
    assert.are.equal("New Zealand", stored.name)
    assert.are.equal(#by_code.NZ.zones, #stored.zones)
  end)

  it("stores nothing of a country when one of its zones is wrong", function()
    local broken = { code = "XX", name = "Nowhere", zones = { by_code.NZ.zones[1], { name = "Lost" } } }
    local _, err = @try(@places.store, broken)
    assert.are.equal("db.constraint", err.kind)
    assert.is_nil(@places.find("XX"))
    assert.are.equal(0, @db.zones.count { country = "XX" })
  end)

  it("gets an answer from a server that fails now and then", function()
    for _, code in ipairs { "NZ", "FR", "BR", "JP" } do
      assert.is_number(@atlas.sun(by_code[code]))
    end
    assert.is_true(@atlas.retries() > 0) -- in this environment every third request fails
  end)

  it("asks once for what many want to know at the same time", function()
    local before = @cache.stats().loads
    @map({ by_code.CA, by_code.CA, by_code.CA }, @atlas.sun)
    assert.are.equal(before + 1, @cache.stats().loads)
  end)

  it("knows nothing of the sun where there is no zone", function()
    assert.is_nil(@atlas.sun { code = "XX", zones = {} })
  end)

  it("sees the sun overhead at noon on the equator at the equinox", function()
    local noon = @date.parse("2024-03-20T12:00:00Z")
    assert.is_near(90, sun.altitude(noon, 0, 0), 3)
    assert.is_near(-90, sun.altitude(noon, 0, 180), 3)
  end)

  it("writes both reports, a bar in a name escaped", function()
    local dir = os.tmpname()
    os.remove(dir)
    @reporter.write(dir, { { code = "XX", name = "a|b", zones = {}, sun = 12.4 } })
    assert.are.equal("a|b", @file.read_json(dir .. "/places.json")[1].name)
    assert.matches("| XX | a\\|b | 0 | 12° up |", @file.read(dir .. "/places.md"), 1, true)
    @file.remove(dir, { recursive = true })
  end)
end)

-- The quickstart, run as its users run it, on a copy of its own.
local program = require "spec.support.program"
local temp = require "spec.support.temp"
local uv = require "luv"

local ORIGINAL = "examples/quickstart"
local TZDATA = "/usr/share/zoneinfo"
local QUICK = { env = { TUSK_PLUGINS__ORIGIN__LATENCY = "1ms" } }

local function copy(from, to)
  assert(uv.fs_mkdir(to, 448))
  for _, name in ipairs(temp.list(from)) do
    local path = from .. "/" .. name
    if uv.fs_stat(path).type ~= "directory" then assert(uv.fs_copyfile(path, to .. "/" .. name))
    elseif name ~= "data" and name ~= "report" then copy(path, to .. "/" .. name) end
  end
end

-- fn(dir) with a copy of the example.
local function with_copy(fn)
  temp.dir(function(parent)
    copy(ORIGINAL, parent .. "/app")
    fn(parent .. "/app")
  end)
end

local function data_lines(name)
  local n = 0
  for line in io.lines(TZDATA .. "/" .. name) do
    if not line:find("^#") then n = n + 1 end
  end
  return n
end

-- country code → how many zones the table has for it
local function zones_by_country()
  local counts = {}
  for line in io.lines(TZDATA .. "/zone1970.tab") do
    for code in (line:match("^[%u,]+") or ""):gmatch("%u%u") do counts[code] = (counts[code] or 0) + 1 end
  end
  return counts
end

local function leftovers(dir, found)
  found = found or {}
  for _, name in ipairs(temp.list(dir)) do
    local path = dir .. "/" .. name
    if uv.fs_lstat(path).type == "directory" then leftovers(path, found)
    elseif name:find("^%..*%.tusk%-.*%.tmp$") then found[#found + 1] = path end
  end
  return found
end

local function summary_of(output)
  return output:match("(%d+ zones · [^\n]+)\n$")
end

describe("the quickstart", function()
  local zones, countries = data_lines("zone1970.tab"), data_lines("iso3166.tab")

  it("does it all, and says so in one line", function()
    with_copy(function(dir)
      local r = program.run { "run", dir }
      assert.are.equal(0, r.status, r.stderr)
      local counted = ("^%d zones · %d countries · %%d+ retries · %%d+ cache hits · [%%d.]+ s · [%%d.]+x faster"):format(
        zones, countries)
      assert.matches(counted, summary_of(r.stdout))
      assert.matches(("stored  %d countries"):format(countries), r.stdout, 1, true)
    end)
  end)

  it("is retried by its client where its server failed, and uses its cache", function()
    with_copy(function(dir)
      local summary = summary_of(program.run({ "run", dir }, QUICK).stdout)
      local retries, hits = summary:match("(%d+) retries · (%d+) cache hits")
      assert.is_true(tonumber(retries) > 0)
      assert.is_true(tonumber(hits) >= countries - 20)
    end)
  end)

  it("finds the rows in the database when it runs again", function()
    with_copy(function(dir)
      assert.are.equal(0, program.run({ "run", dir }, QUICK).status)
      local r = program.run({ "run", dir }, QUICK)
      assert.are.equal(0, r.status, r.stderr)
      assert.matches(("found   %d countries in the database"):format(countries), r.stdout, 1, true)
      assert.is_nil(r.stdout:find("stored", 1, true))
      assert.matches(("^%d zones · %d countries · "):format(zones, countries), summary_of(r.stdout))
    end)
  end)

  it("writes a report that is JSON, with every country and all its zones", function()
    with_copy(function(dir)
      program.run({ "run", dir }, QUICK)
      local report, expected = @file.read_json(dir .. "/report/places.json"), zones_by_country()
      assert.are.equal(countries, #report)
      for _, country in ipairs(report) do
        assert.are.equal(expected[country.code] or 0, #country.zones, country.code)
        assert.are.equal(expected[country.code] ~= nil, country.sun ~= nil, country.code)
      end
    end)
  end)

  it("writes a report that is a Markdown table of four columns", function()
    with_copy(function(dir)
      program.run({ "run", dir }, QUICK)
      local lines = {}
      for line in @file.lines(dir .. "/report/places.md") do
        lines[#lines + 1] = line
        local bars = select(2, line:gsub("\\|", ""):gsub("|", ""))
        assert.are.equal(5, bars, line)
      end
      assert.are.equal(countries + 2, #lines)
      assert.matches("^|%-%-%-|", lines[2])
    end)
  end)

  it("works from any folder", function()
    with_copy(function(dir)
      local r = program.run({ "run", "app" }, { cwd = dir:match("^(.*)/") })
      assert.are.equal(0, r.status, r.stderr)
      r = program.run({ "run" }, { cwd = dir })
      assert.are.equal(0, r.status, r.stderr)
      assert.are.equal(countries, #@file.read_json(dir .. "/report/places.json"))
    end)
  end)

  it("ends on TERM with half a transaction nowhere", function()
    with_copy(function(dir)
      local r = program.start({ "run", dir }, {}, function(p)
        p:read_until("read    ") -- it is storing now
        p:signal("sigterm")
        return p:wait()
      end)
      assert.are.equal(143, r.status, r.stderr)
      assert.are.same({}, leftovers(dir))
      local db, expected = @db.open(dir .. "/data/tusk.db"), zones_by_country()
      assert.are.equal("ok", db.value("PRAGMA integrity_check"))
      assert.are.equal(0, #db.query("PRAGMA foreign_key_check"))
      for _, country in ipairs(db.countries.all()) do
        assert.are.equal(expected[country.code] or 0, db.zones.count { country = country.code }, country.code)
      end
      db.close()
    end)
  end)

  it("ends on TERM while it waits for answers, and goes on from there when it runs again", function()
    with_copy(function(dir)
      local slow = { "run", dir, "--set", "plugins.origin.latency=10s", "--set", "plugins.atlas.timeout=60s" }
      local r = program.start(slow, {}, function(p)
        p:read_until("stored  ")
        p:signal("sigterm")
        return p:wait()
      end)
      assert.are.equal(143, r.status, r.stderr)
      assert.are.same({}, leftovers(dir))
      r = program.run({ "run", dir }, QUICK)
      assert.are.equal(0, r.status, r.stderr)
      assert.matches(("found   %d countries in the database"):format(countries), r.stdout, 1, true)
    end)
  end)

  it("passes its own specs", function()
    with_copy(function(dir)
      local r = program.run { "test", dir .. "/spec" }
      assert.are.equal(0, r.status, r.stdout .. r.stderr)
      assert.matches("\n%d+ passed, 0 failed, 0 skipped\n$", r.stdout)
    end)
  end)

  it("is found in order by tusk check, and so is each file of it alone", function()
    for _, path in ipairs { ORIGINAL, ORIGINAL .. "/main.lua", ORIGINAL .. "/plugins/places.lua" } do
      local r = program.run { "check", path }
      assert.are.equal(0, r.status, r.stdout .. r.stderr)
    end
  end)

  it("has plugins short enough to copy", function()
    for _, name in ipairs(temp.list(ORIGINAL .. "/plugins")) do
      local n = 0
      for _ in io.lines(ORIGINAL .. "/plugins/" .. name) do n = n + 1 end
      assert.is_true(n < 60, name .. " has " .. n .. " lines")
    end
  end)
end)

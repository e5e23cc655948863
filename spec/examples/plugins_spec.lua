-- The examples of the plugins that come with Tusk, run by the line in their README, from a copy of their own; each ends
-- with the line that its README shows.
local program = require "spec.support.program"
local temp = require "spec.support.temp"

-- The command and the last line that a README promises, numbers as patterns.
local function promised(name)
  local text = temp.read("examples/" .. name .. "/README.md")
  local args = assert(text:match("\n(tusk run [^\n]+)\n"), name):gsub("^tusk ", "")
  local last = assert(text:match("ends like this[^\n]*\n\n```\n([^\n]+)\n```"), name)
  return args, "^" .. last:gsub("[%-%.%(%)%+%?]", "%%%0"):gsub("%d+", "%%d+") .. "$"
end

-- fn(run), where run() does what the README says, in a folder that has the example where the tree has it.
local function with_example(name, fn)
  temp.dir(function(dir)
    @file.mkdir(dir .. "/examples")
    @file.copy("examples/" .. name, dir .. "/examples/" .. name, { recursive = true })
    for _, made in ipairs { "data", "tidy" } do
      @file.remove(("%s/examples/%s/%s"):format(dir, name, made), { recursive = true, missing_ok = true })
    end
    local line, last = promised(name)
    local args = {}
    for word in line:gmatch("%S+") do args[#args + 1] = word end
    fn(function()
      local r = program.run(args, { cwd = dir })
      assert.equal(0, r.status, r.stdout .. r.stderr)
      assert.matches(last, r.stdout:match("([^\n]+)\n$"))
      return r.stdout
    end, dir .. "/examples/" .. name)
  end)
end

describe("examples/users", function()
  it("stores users once, and finds them when it runs again", function()
    with_example("users", function(run)
      assert.matches("^stored  2000 users", run())
      assert.matches("^found   2000 users", run())
    end)
  end)
end)

describe("examples/weather", function()
  it("has all forecasts although its server fails", function()
    with_example("weather", function(run)
      assert.matches("Oslo      4 °C\n", run(), 1, true)
    end)
  end)
end)

describe("examples/parcels", function()
  it("stores all parcels but one, although the carrier fails, and tells every owner", function()
    with_example("parcels", function(run, dir)
      assert.matches("120 parcels · 119 stored · 1 failed for good · 119 notices · 119 events", run(), 1, true)
      local db = @db.open(dir .. "/data/tusk.db", { readonly = true })
      assert.equal(119, db.value("select count(distinct data ->> '$.parcel') from analytics_events"))
      db.close()
    end)
  end)
end)

describe("examples/notes", function()
  it("makes the notes tidy", function()
    with_example("notes", function(run, dir)
      run()
      assert.equal("March 1st\n\nSnow again.\n", temp.read(dir .. "/tidy/2026/diary.txt"))
      assert.matches("^1  somebody owes somebody 7 francs\n2  ", temp.read(dir .. "/tidy/2026/ledger.txt"))
      assert.is_nil(temp.read(dir .. "/tidy/shopping.txt"):find("[ \t]\n"))
    end)
  end)
end)

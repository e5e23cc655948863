-- Many tasks and many calls: what is used is given back. With N=: a hundred thousand tasks, a million timers.
local kernel = require "tusk.kernel"
local temp = require "spec.support.temp"

local TASKS = os.getenv "N" and 100000 or 10000
local TIMERS = os.getenv "N" and 1000000 or 20000

local function memory()
  collectgarbage()
  collectgarbage()
  return collectgarbage("count")
end

-- Tasks are recycled with their stacks: the first rounds pay for those, later ones must not grow.
local function grows(round)
  for _ = 1, 4 do round() end
  local before = memory()
  round()
  round()
  return memory() - before
end

describe("a host under load", function()
  it("parks very many tasks and ends them all at once", function()
    local growth = grows(function()
      local ended = 0
      @scope(function(s)
        for _ = 1, TASKS do
          s:spawn(function()
            local ok = pcall(@sleep, "1h")
            if not ok then ended = ended + 1 end
            error(@sleep(0), 0)
          end)
        end
        assert.is_true(#kernel.tasks() >= TASKS)
        s:cancel()
      end)
      assert.equal(TASKS, ended)
    end)
    -- as many tasks twice more; one that is not given back costs over 600 bytes, eight times this together
    assert.is_true(growth < TASKS * 0.15, "grew by " .. growth .. " KB")
  end)

  it("takes back timers that never fire, in whatever order", function()
    local function body() return 1 end
    local growth = grows(function()
      @scope(function(s)
        for i = 1, TIMERS / 20 do s:spawn(@sleep, i * 7919 % 3600 + 60) end
        for i = 1, TIMERS do @timeout(i * 7919 % 3600 + 60, body) end
        s:cancel()
      end)
    end)
    assert.is_true(growth < 1500, "grew by " .. growth .. " KB")
  end)

  it("answers more than a hundred thousand calls in a row", function()
    temp.dir(function(dir)
      local db = @db.open(dir .. "/rows.db")
      db.exec "create table t (id integer primary key, v text)"
      db.t.insert_many { { id = 1, v = "one" }, { id = 2, v = "two" } }
      local path = temp.write(dir .. "/file", "text")
      local growth = grows(function()
        for i = 1, 3500 do
          assert(db.t.find(i % 2 + 1))
          assert(@file.read(path) == "text")
          @cache.set("key", i)
          assert(@cache.get("key") == i)
          @yield()
        end
      end)
      db.close()
      assert.is_true(growth < 200, "grew by " .. growth .. " KB")
    end)
  end)

  it("gives timers back in the order of their time", function()
    local out = {}
    @scope(function(s)
      for i = 1, 50 do
        s:spawn(function()
          @sleep((i * 37 % 50) / 200)
          out[#out + 1] = i * 37 % 50
        end)
      end
    end)
    for i = 2, #out do assert.is_true(out[i - 1] <= out[i]) end
    assert.equal(50, #out)
  end)
end)

-- The shop: as a newcomer runs it, and among real servers, some of which are killed.
local nginx = require "spec.support.nginx"
local program = require "spec.support.program"
local redis = require "spec.support.redis"
local smtp = require "spec.support.smtp"
local temp = require "spec.support.temp"
local uv = require "luv"

local ORIGINAL = "examples/shop"
local MADE = { data = true, outbox = true, reports = true }

local function copy(from, to)
  assert(uv.fs_mkdir(to, 448))
  for _, name in ipairs(temp.list(from)) do
    local path = from .. "/" .. name
    if uv.fs_stat(path).type ~= "directory" then assert(uv.fs_copyfile(path, to .. "/" .. name))
    elseif not MADE[name] then copy(path, to .. "/" .. name) end
  end
end

-- Under a sanitizer: what fontconfig and cairo keep stays with the process, and is no leak of ours.
local env = {}

-- fn(dir) with a copy of the example.
local function with_copy(fn)
  temp.dir(function(parent)
    copy(ORIGINAL, parent .. "/shop")
    fn(parent .. "/shop")
  end)
end

-- Runs the program in it to its end.
local function run(...)
  return program.run({ ... }, { env = env })
end

-- Starts the shop; fn(process) is its end.
local function start(dir, fn, ...)
  return program.start({ "run", dir, ... }, { env = env }, fn)
end

-- fn(db) with the database that a run has left.
local function with_database(dir, fn)
  local db = @db.open(dir .. "/data/tusk.db")
  local ok, e = pcall(fn, db)
  db.close()
  if not ok then error(e, 0) end
end

-- It has ended well, and says of so many people that nothing is lost.
local function adds_up(r, count)
  assert.are.equal(0, r.status, r.stdout .. r.stderr)
  assert.matches(("\n%d people · %d sign%%-ups · %d refused · %d regions by %%d+ requests · %d visits · "):format(
    count, count * 0.95, count * 0.05, count * 0.95, count * 0.95 * 5), r.stdout)
  assert.matches("\nnothing is lost, it adds up; the report is on its way: [^\n]+/day%-%d+.pdf\n$", r.stdout)
end

-- The lines that the README shows, as a pattern: numbers may be others.
local function ends_like_the_readme()
  local shown = temp.read(ORIGINAL .. "/README.md"):match("It ends like this.-\n```\n(.-)```")
  return shown:gsub("[%-%.%(%)%+%?]", "%%%0"):gsub("%d+", "%%d+") .. "$"
end

-- A region for each postcode; each second answer on a connection is the right one.
local API = [[
    location ~ ^/regions/(?<first>\d)\d+$ {
      default_type application/json;
      if ($connection_requests ~ [13579]$) { return 503 "{}"; }
      return 200 '{"region":"District $first"}';
    }]]

describe("the shop", function()
  it("runs a day, and the next one, without any service", function()
    with_copy(function(dir)
      for day = 1, 2 do
        local r = run("run", dir)
        adds_up(r, 200)
        assert.matches(ends_like_the_readme(), (r.stdout:gsub(dir:gsub("%p", "%%%0"), ORIGINAL)))
        assert.matches(("^day %d\n"):format(day), r.stdout)
        assert.are.equal("%PDF", temp.read(("%s/reports/day-%d.pdf"):format(dir, day)):sub(1, 4))
      end
      assert.is_true(#temp.list(dir .. "/outbox") > 0)
      with_database(dir, function(db)
        assert.are.equal("ok", db.value "pragma integrity_check")
        assert.are.equal(380, db.value "select count(*) from users join profiles on user_id = id where region is not null")
      end)
    end)
  end)

  it("loses nothing among real servers: the API fails half of the time, the cache is killed and comes back", function()
    local api = nginx.start { locations = API }
    local cache = redis.start()
    local post = smtp.start "plain"
    local ok, e = pcall(with_copy, function(dir)
      env.SHOP_CACHE, env.SHOP_API, env.SHOP_SMTP = cache.url, api.url, post.url
      local r = start(dir, function(p)
        p:read_until("100 of 400 have come")
        cache:kill()
        p:read_until("250 of 400 have come")
        cache:start()
        return p:wait()
      end, "--", "400")
      adds_up(r, 400)
      assert.matches('"level":"warn","msg":"[^"]*cache', r.stderr)
      local statuses = {}
      for _, request in ipairs(api:seen()) do statuses[request.status] = (statuses[request.status] or 0) + 1 end
      assert.are.equal(380, statuses[200])
      assert.is_true(statuses[503] >= 190, statuses[503])
      local mail = post:message()
      assert.are.same({ "board@shop.example" }, mail.to)
      assert.are.equal("Day 1: 380 sign-ups", smtp.header(mail, "Subject"))
      assert.are.equal(@hash.file(dir .. "/reports/day-1.pdf"), mail.parts[2].sha256)
    end)
    env = {}
    post:stop()
    cache:stop()
    api:stop()
    if not ok then error(e, 0) end
  end)

  it("signs people up though the API is away; killed then, the next run asks for what is missing", function()
    with_copy(function(dir)
      local r = start(dir, function(p)
        p:read_until("200 of 200 have come")
        p:signal("sigkill")
        return p:wait()
      end, "--set", "plugins.town.fails=1")
      assert.are.equal("sigkill", r.signal)
      with_database(dir, function(db)
        assert.are.equal(190, db.value "select count(*) from users join profiles on user_id = id where region is null")
        assert.are.equal(190, db.users.count())
      end)
      r = run("run", dir)
      assert.matches("^day 2\n190 of the days before have no region yet\n", r.stdout)
      adds_up(r, 200)
    end)
  end)

  it("ends on TERM with half a sign-up nowhere, and every event where it belongs", function()
    with_copy(function(dir)
      local r = start(dir, function(p)
        p:read_until("50 of 200 have come")
        p:signal("sigterm")
        return p:wait()
      end)
      assert.are.equal(143, r.status, r.stderr)
      with_database(dir, function(db)
        local users = db.users.count()
        assert.is_true(users >= 45)
        assert.are.equal(users, db.profiles.count())
        assert.are.equal(users, db.value "select count(*) from analytics_events where event = 'sign_up'")
        assert.are.equal(db.value "select count(*) from users where region is not null",
          db.value "select count(*) from analytics_events where event = 'enriched'")
      end)
      adds_up(run("run", dir), 200)
    end)
  end)

  it("passes its own specs, and tusk check", function()
    with_copy(function(dir)
      local r = run("test", dir .. "/spec")
      assert.are.equal(0, r.status, r.stdout .. r.stderr)
      assert.matches("\n%d+ passed, 0 failed, 0 skipped\n$", r.stdout)
      r = run("check", dir)
      assert.are.equal(0, r.status, r.stdout .. r.stderr)
    end)
  end)
end)

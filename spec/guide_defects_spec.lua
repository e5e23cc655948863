-- What is wrong with the systems of the guide (spec/support/guide.lua), each by its name, seen; and ours beside it, where it
-- is not. docs/from-the-guide.md refers to these names.
local app = require "spec.support.app"
local guide = require "spec.support.guide"
local program = require "spec.support.program"
local routes = require "spec.support.routes"
local temp = require "spec.support.temp"
local test = require "tusk.test"

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return assert(e)
end

local function defect(name, body)
  describe("the defect", function() it(name, body) end)
end

-- On the virtual clock.
local function timed(name, body)
  defect(name, function() test.clock(body) end)
end

local function numbers(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

-- ---- reading ----

defect("an error page taken for an answer", function()
  routes.with({ ["GET /users/1"] = function() return 500, { error = "no luck" } end }, function(server)
    local url = server.url .. "/users/1"
    assert.same({ error = "no luck" }, guide.fetch_user_data(url)) -- a user
    assert.equal("http.status.500", failure(@(@http.get(url):raise_for_status():json())).kind)
  end)
end)

timed("results dropped", function()
  local function find(id)
    @sleep(5 - id)
    if id == 2 then error "no luck" end
    return id ~= 3 and { id = id } or nil
  end
  local theirs = guide.join_all(numbers(5), find)
  assert.same({ 3, 4 }, { #theirs, theirs[2].id }) -- whose is the second?
  local ours = @all_settled(@(find(1)), @(find(2)), @(find(3)), @(find(4)), @(find(5)))
  for i, outcome in ipairs(ours) do
    assert.equal(i ~= 2, outcome.ok)
    if i ~= 2 and i ~= 3 then assert.equal(i, outcome.value.id) end
  end
  assert.matches("no luck", ours[2].err.message)
  local found = @map({ 5, 3, 1 }, find)
  assert.same({ 3, 5, "nil", 1 }, { found.n, found[1].id, tostring(found[2]), found[3].id })
end)

timed("unbounded fan-out", function()
  local function most_of(run)
    local now, most = 0, 0
    run(function()
      now = now + 1
      most = math.max(most, now)
      @sleep("1s")
      now = now - 1
    end)
    return most
  end
  assert.equal(1000, most_of(function(fn) guide.join_all(numbers(1000), fn) end))
  assert.equal(8, most_of(function(fn) @map(numbers(1000), fn, { concurrency = 8 }) end))
end)

timed("stampede", function()
  local cache, loads = @cache.with { prefix = "stampede:" }, 0
  local function load()
    loads = loads + 1
    @sleep("1s")
    return { loads }
  end
  @map(numbers(100), @(guide.cached_operation(cache, "a", 3600, load)), { concurrency = 100 })
  assert.equal(100, loads)
  @map(numbers(100), @(cache.remember("b", 3600, load)), { concurrency = 100 })
  assert.equal(101, loads)
  cache.clear()
end)

-- ---- the database ----

-- fn(db, other): two connections to one database.
local function with_database(fn)
  temp.dir(function(dir)
    local db, other = @db.open(dir .. "/a.db"), @db.open(dir .. "/a.db")
    db.exec [[
      create table users (id integer primary key, name text not null, visits integer);
      create table profiles (user_id integer references users (id), country integer references countries (id)
        deferrable initially deferred);
      create table countries (id integer primary key);
      create table events (name text not null);
    ]]
    local ok, e = pcall(fn, db, other)
    other.close()
    db.close()
    if not ok then error(e, 0) end
  end)
end

defect("cache written before the commit", function()
  with_database(function(db)
    local cache = @cache.with { prefix = "commit:" }
    local profile = { country = 47 } -- there is none: the commit will see
    assert.equal("db.constraint", failure(guide.create_user_with_profile, db, cache, { name = "Ann" }, profile).kind)
    assert.same({ 0, "Ann" }, { db.users.count(), cache.get("user:1").name }) -- found, though never stored
    cache.clear()
    local e = failure(db.transaction, function(tx)
      local user = tx.users.insert { name = "Ann" }
      tx.profiles.insert { user_id = user.id, country = 47 }
      tx.after_commit(@(cache.set("user:" .. user.id, user)))
    end)
    assert.same({ "db.constraint", 0, false }, { e.kind, db.users.count(), cache.has("user:1") })
  end)
end)

defect("statements that skip the transaction", function()
  with_database(function(db, other)
    db.users.insert { name = "Ann", visits = 0 }
    failure(guide.process_user_data, db, other, 1, { visits = 1 }, {}) -- an event needs a name
    assert.equal(1, db.users.find(1).visits) -- half of it stays
  end)
  @db.exec "create table visits (user text not null)"
  failure(@db.transaction, function()
    @db.visits.insert { user = "Ann" } -- not tx: it means the transaction all the same
    @db.visits.insert {}
  end)
  assert.equal(0, @db.visits.count())
  @db.exec "drop table visits"
end)

defect("an update that undoes another", function()
  with_database(function(db)
    db.users.insert { name = "Ann", visits = 0 }
    @all(@(guide.update_user(db, 1)), @(guide.update_user(db, 1)))
    assert.equal(1, db.users.find(1).visits) -- of two
    local function ours() return db.users.update(1, { visits = @db.raw("visits + 1") }) end
    @all(ours, ours)
    assert.equal(3, db.users.find(1).visits)
  end)
end)

-- ---- requests ----

-- A shop that takes the first order, and whose answer to it is lost.
local function with_shop(fn)
  local orders = {}
  routes.with({ ["POST /orders"] = function(request)
    orders[#orders + 1] = request.header "idempotency-key" or "none"
    if #orders == 1 then return false end
    return 201, { id = #orders }
  end }, function(server) fn(server.url .. "/orders", orders) end)
end

local RETRY = { attempts = 3, base = "1ms" }

defect("a POST sent again blindly", function()
  with_shop(function(url, orders)
    guide.post(url, { item = 1 })
    assert.same({ "none", "none" }, orders) -- ordered twice
  end)
  with_shop(function(url, orders)
    local e = failure(@http.post, url, { json = { item = 1 }, retry = RETRY })
    assert.same({ { "none" }, true }, { orders, e.sent }) -- once; whether it was taken is for the caller to find out
  end)
  with_shop(function(url, orders)
    @http.post(url, { json = { item = 1 }, retry = RETRY, headers = { ["Idempotency-Key"] = "a" } })
    assert.same({ "a", "a" }, orders) -- twice, and the shop can tell
  end)
end)

defect("a 5xx never tried again", function()
  local answers = 0
  local function answer()
    answers = answers + 1
    if answers % 2 == 1 then return 503 end
    return { fine = true }
  end
  routes.with({ ["GET /"] = answer, ["POST /"] = answer }, function(server)
    assert.equal("HTTP error: 503", tostring(failure(guide.post, server.url .. "/", {}).value))
    answers = 0
    local r = @http.get(server.url .. "/", { retry = RETRY })
    assert.same({ 200, 2 }, { r.status, r.attempts })
  end)
end)

timed("no jitter", function()
  -- When a hundred, who failed at the same time, come back.
  local function comebacks(retry)
    local times, n = {}, 0
    @map(numbers(100), function()
      local attempts = 0
      retry(function()
        attempts = attempts + 1
        if attempts == 1 then error({ kind = "http.connect", retryable = true }, 0) end
        if not times[test.now()] then n = n + 1 end
        times[test.now()] = true
        return true
      end)
    end, { concurrency = 100 })
    return n
  end
  assert.equal(1, comebacks(function(fn) guide.retry_with_backoff(fn, 3) end)) -- all at once
  assert.is_true(comebacks(function(fn) @retry({ base = "2s" }, fn) end) > 90)
end)

-- ---- files ----

defect("a path that leads out", function()
  temp.dir(function(dir)
    @file.mkdir(dir .. "/inbox")
    temp.write(dir .. "/secret", "secret")
    local root = @file.root(dir .. "/inbox")
    for _, path in ipairs { "../secret", dir .. "/secret" } do
      assert.equal("secret", guide.read_file(dir .. "/inbox", path))
      assert.equal("file.escape", failure(root.read, path).kind)
    end
  end)
end)

defect("one temporary name for all", function()
  temp.dir(function(dir)
    local writing, both = 0, @watch(false)
    local function between()
      writing = writing + 1
      if writing == 2 then both:set(true) end
      while not both:get() do both:changed() end
    end
    local names = { "a.txt", "a.csv" }
    local theirs = @all_settled(
      @(guide.write_file_atomic(dir .. "/a.txt", "a.txt", between)),
      @(guide.write_file_atomic(dir .. "/a.csv", "a.csv", between)))
    assert.is_false(theirs[1].ok and theirs[2].ok) -- the second finds no temporary file
    temp.remove(dir .. "/a.txt")
    temp.remove(dir .. "/a.csv")
    @map(names, function(name) @file.write_atomic(dir .. "/" .. name, name) end)
    for _, name in ipairs(names) do assert.equal(name, temp.read(dir .. "/" .. name)) end
    @file.mkdir(dir .. "/folder")
    failure(guide.write_file_atomic, dir .. "/folder", "x", function() end)
    failure(@file.write_atomic, dir .. "/folder", "x")
    assert.same({ "a.csv", "a.txt", "folder", "folder.tmp" }, temp.list(dir)) -- only the guide's stays behind
  end)
end)

defect("no fsync", function()
  temp.dir(function(dir)
    local shim = dir .. "/syncs.so"
    local built = program.run({ "-ec", '${CC:-cc} -shared -fPIC -D_GNU_SOURCE -o "$OUT" spec/support/syncs.c -ldl' },
      { program = "/bin/sh", env = { OUT = shim } })
    assert.same({ 0, "" }, { built.status, built.stderr })
    local asan = (os.getenv "ASAN_OPTIONS" or "") .. ":verify_asan_link_order=0"
    local function seen(code)
      local r = program.run({ "-e", code }, { cwd = dir, env = { LD_PRELOAD = shim, ASAN_OPTIONS = asan } })
      assert.equal(0, r.status, r.stderr)
      return r.stderr
    end
    assert.equal("rename\n", seen '@file.write("a.tmp", "x") @file.rename("a.tmp", "a.txt")') -- what the guide does
    assert.equal("fsync file\nrename\nfsync folder\n", seen '@file.write_atomic("a.txt", "x")')
  end)
end)

-- ---- streams and batches ----

defect("stream errors turned into the end of the stream", function()
  local function fetch(offset)
    if offset == 4 then error({ kind = "http.connect" }, 0) end
    return { offset, offset + 1 }
  end
  assert.same({ 0, 1, 2, 3 }, guide.generate_data_stream(fetch):collect()) -- all of it?
  local stream = @stream.pages(function(offset) return fetch(offset or 0), (offset or 0) + 2 end)
  assert.equal("http.connect", failure(function() return stream:collect() end).kind)
end)

timed("sequential batches", function()
  local function processor(batch)
    @sleep("1s")
    return batch
  end
  local items = numbers(40)
  assert.same(items, guide.batch_process(items, 5, processor))
  assert.equal(8, test.now())
  local batches = @batch(items, 5, processor, { concurrency = 4 })
  assert.equal(10, test.now())
  for i, batch in ipairs(batches) do assert.equal(5 * i, batch[5]) end
end)

-- ---- background work ----

timed("an unbounded queue", function()
  local function longest(queue)
    local most = 0
    @scope(function(s)
      s:spawn(function()
        for _ in queue do @sleep("1s") end
      end)
      for i = 1, 1000 do
        queue:send(i)
        most = math.max(most, #queue)
      end
      queue:close()
    end)
    return most
  end
  assert.is_true(longest(guide.background(0, error).queue) >= 999)
  assert.is_true(longest(@channel(100)) <= 100)
end)

-- What is done of twenty jobs by a program that gets TERM when the second of them has begun.
local function done_of_twenty(plugin)
  local done
  app.with({
    ["plugins/queue.lua"] = plugin,
    ["main.lua"] = [[
for i = 1, 20 do @queue.enqueue(i) end
@sleep("1h")]],
  }, function(dir)
    done = program.start({ "run", dir }, { env = { LUA_PATH = "./?.lua;;" } }, function(p)
      p:read_until("did 2\n")
      p:signal("sigterm")
      local r = p:wait()
      assert.equal(143, r.status, r.stderr)
      return select(2, r.stdout:gsub("did ", ""))
    end)
  end)
  return done
end

local WORK = [[
local function work(i)
  @sleep("3ms")
  print("did " .. i)
  io.stdout:flush()
end
]]

timed("a task lost because it failed once", function()
  local function done_by(process)
    local tried, done = 0, 0
    process(function()
      tried = tried + 1
      if tried == 1 then error({ kind = "email.temporary", retryable = true }, 0) end
      done = done + 1
    end)
    return done
  end
  assert.equal(0, done_by(function(task)
    local pool = guide.background(1, function(fn) fn() end)
    pool.queue:send(task)
    pool.queue:close()
    pool.workers[1]:await()
  end))
  assert.equal(1, done_by(function(task) @retry({ base = "1s" }, task) end))
end)

defect("a job lost on shutdown", function()
  assert.is_true(done_of_twenty(WORK .. [[
local queue = @channel(1e6)
return {
  name = "queue",
  setup = function() @spawn(function() for i in queue do work(i) end end) end,
  operators = { queue = { enqueue = function(i) queue:send(i) end } },
}]]) < 20)
  assert.equal(20, done_of_twenty(WORK .. [[
local queue, worker = @channel(100), nil
return {
  name = "queue",
  setup = function() worker = @spawn(function() for i in queue do work(i) end end) end,
  operators = { queue = { enqueue = function(i) queue:send(i) end } },
  on = { shutdown = function()
    queue:close()
    worker:await()
  end },
}]]))
end)

-- ---- what is unsure ----

timed("a timeout that is a text", function()
  assert.equal("Operation timed out", failure(guide.with_timeout, @(@sleep("1h")), "1s").value)
  assert.equal("Operation timed out", failure(guide.with_timeout, @(error "a mistake"), "1s").value)
  local e = failure(@timeout, "1s", @(@sleep("1h")))
  assert.same({ "timeout", 1, "sleep" }, { e.kind, e.after, e.op })
  assert.matches("a mistake", failure(@timeout, "1s", @(error "a mistake")).message)
end)

local function down()
  error({ kind = "http.connect", retryable = true }, 0)
end

timed("a breaker that counts mistakes", function()
  local theirs, ours = guide.circuit_breaker(3, 5), @breaker { min = 3, open = "5s" }
  for _ = 1, 10 do
    @try(guide.with_circuit_breaker, @(error "a mistake"), theirs)
    @try(ours.run, ours, @(error "a mistake"))
  end
  assert.same({ true, "closed" }, { theirs:is_open(), ours:state() })
end)

timed("a breaker without a window", function()
  local function pair() return guide.circuit_breaker(3, 5), @breaker { min = 3, rate = 0.5, window = "10s" } end
  local function both(theirs, ours, fn)
    @try(guide.with_circuit_breaker, fn, theirs)
    @try(ours.run, ours, fn)
  end
  local theirs, ours = pair()
  for _ = 1, 3 do
    both(theirs, ours, down)
    @sleep("1h") -- a failure now and then
  end
  both(theirs, ours, down)
  assert.same({ 1, "closed" }, { theirs.failure_count, ours:state() }) -- it has been open an hour ago, for nothing
  theirs, ours = pair()
  for i = 1, 30 do both(theirs, ours, i % 3 == 0 and @("well") or down) end
  assert.same({ false, "open" }, { theirs:is_open(), ours:state() }) -- two out of three fail
end)

timed("a breaker that is never half open", function()
  local theirs, ours = guide.circuit_breaker(3, 5), @breaker { min = 3, open = "5s", probes = 1 }
  for _ = 1, 3 do
    @try(guide.with_circuit_breaker, down, theirs)
    @try(ours.run, ours, down)
  end
  @sleep("5s")
  local calls = 0
  local function slow()
    calls = calls + 1
    @sleep("1s")
    down()
  end
  @map(numbers(50), function() @try(guide.with_circuit_breaker, slow, theirs) end, { concurrency = 50 })
  assert.equal(50, calls) -- all of them, upon a server that is down
  @map(numbers(50), function() @try(ours.run, ours, slow) end, { concurrency = 50 })
  assert.same({ 51, "open" }, { calls, ours:state() })
end)

timed("a leaked connection", function()
  local permits = @semaphore(1)
  local lease
  local theirs = {
    acquire = function()
      lease = permits:acquire()
      return lease
    end,
    release = function(connection) connection:release() end,
  }
  assert.equal("timeout", failure(@timeout, "1s", @(guide.with_connection_pool(theirs, @(@sleep("1h"))))).kind)
  assert.equal("timeout", failure(@timeout, "1h", @(guide.with_connection_pool(theirs, @(true)))).kind) -- never again
  lease:release()
  local ours = @pool { open = @({}), max = 1 }
  assert.equal("timeout", failure(@timeout, "1s", @(ours:with(@(@sleep("1h"))))).kind)
  assert.equal("next", ours:with(@("next")))
  assert.equal(0, ours:stats().in_use)
end)

-- ---- limiters ----

timed("waiting for what cannot come in time", function()
  local theirs, ours = guide.rate_limiter(1, 0.1), @limiter { rate = 0.1 }
  theirs.acquire()
  ours:acquire()
  assert.equal("timeout", failure(@timeout, "5s", theirs.acquire).kind)
  assert.equal(5, test.now()) -- it has waited, for nothing
  assert.equal("limited", failure(@timeout, "4s", @(ours:acquire())).kind)
  assert.equal(5, test.now())
end)

-- How many somebody gets within a minute who takes all there are each 0.7 s, at 2.5 a second and 5 at once.
local function taken_in_a_minute(take)
  local taken = 0
  for _ = 1, 60 / 0.7 do
    while take() do taken = taken + 1 end
    @sleep("0.7s")
  end
  return taken
end

timed("a limiter that polls, is unfair, and loses fractions", function()
  local theirs, ours = guide.rate_limiter(5, 2.5), @limiter { rate = 2.5, burst = 5 }
  assert.is_true(taken_in_a_minute(function() return (@try(@timeout, 0, @(theirs.acquire() or true))) end) < 100)
  assert.is_true(taken_in_a_minute(function() return ours:try().ok end) >= 150)

  theirs = guide.rate_limiter(1, 1)
  @map(numbers(10), theirs.acquire)
  assert.is_true(theirs.looks > 4000) -- ten waiters, nine seconds

  -- Two want the only token of a second; the second comes just before it is there.
  local function order(acquire)
    local came = {}
    @map({ "first", "second" }, function(name)
      if name == "second" then @sleep("0.999s") end
      acquire()
      came[#came + 1] = name
    end)
    return table.concat(came, " ")
  end
  theirs, ours = guide.rate_limiter(1, 1), @limiter { rate = 1 }
  theirs.acquire()
  @sleep("5ms")
  assert.equal("second first", order(theirs.acquire))
  ours:acquire()
  @sleep("5ms")
  assert.equal("first second", order(function() ours:acquire() end))
end)

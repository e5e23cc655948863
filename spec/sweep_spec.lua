-- Every operator and combinator, cancelled at every point: nothing is left behind, and what was promised holds.
local database = require "spec.support.database"
local kernel = require "tusk.kernel"
local operators = require "tusk.operators"
local processes = require "spec.support.processes"
local raw_server = require "spec.support.raw_server"
local redis = require "spec.support.redis"
local smtp = require "spec.support.smtp"
local temp = require "spec.support.temp"
local test = require "tusk.test"
local workers = require "tusk.binding.worker"

local covered = {} -- operator → true

-- In the order that tasks have, and in others. A body that never comes to a checkpoint proves nothing.
local function sweep(body, opts)
  assert.is_true(test.sweep(body, opts) > 0)
  for seed = 1, math.min(tonumber(os.getenv "N") or 2, 20) do test.seed(seed, test.sweep, body, opts) end
end

-- One `it`: names are the operators that the body is about.
local function case(names, what, body, opts)
  for name in names:gmatch("%a[%w_]*") do covered[name] = true end
  it(("@%s: %s"):format(names:gsub(" ", ", @"), what), function()
    sweep(body, opts)
  end)
end

local function nap()
  @sleep(0)
  return 1
end

-- What is opened and closed, in one run.
local function balance()
  return { opened = 0, closed = 0 }
end

local function is_balanced(b)
  assert.equal(b.opened, b.closed)
end

describe("cancelled at every point, tasks and scopes keep their promises:", function()
  case("sleep yield", "one after the other", function()
    @sleep "1ms"
    @yield()
    @sleep(0)
  end)

  case("scope spawn", "finalizers run, once each", function(b)
    @scope(function(s)
      b.opened = b.opened + 1
      s:defer(function()
        @sleep(0)
        b.closed = b.closed + 1
      end)
      s:spawn(nap)
      @spawn(nap)
      nap()
    end)
  end, { setup = balance, check = is_balanced })

  case("scope", "nested ones end inside out", function(list)
    @scope(function(outer)
      outer:defer(function() list[#list + 1] = "outer" end)
      @scope(function(inner)
        inner:defer(function() list[#list + 1] = "inner" end)
        inner:spawn(nap)
      end)
      nap()
    end)
  end, {
    setup = function() return {} end,
    check = function(list) assert.is_true(#list == 0 or list[#list] == "outer") end,
  })

  case("retry", "work that fails twice", function()
    local calls = 0
    @retry({ base = "1ms" }, function()
      calls = calls + 1
      nap()
      if calls < 3 then error { kind = "spec", retryable = true } end
    end)
    assert.equal(3, calls)
  end)

  case("async", "who awaits, and who is awaited", function()
    local a, b = @async(nap), @async(nap)
    assert.equal(2, a:await() + b:await())
  end)

  case("timeout", "a deadline that is not reached, and one that is", function()
    @timeout("1h", nap)
    local _, e = @try(@timeout, "1ms", @(@sleep "1h"))
    assert.equal("timeout", e.kind)
  end)

  case("try", "catches no cancellation", function(seen)
    local _, e = @try(nap)
    seen.error = e
  end, {
    setup = function() return {} end,
    check = function(seen) assert.is_nil(seen.error) end,
  })

  case("shield", "is seen to its end", function(b)
    @shield(function()
      b.opened = b.opened + 1
      nap()
      nap()
      b.closed = b.closed + 1
    end)
    nap()
  end, { setup = balance, check = is_balanced })

  case("all all_settled", "and their branches", function()
    local a, b = @all(nap, @(nap() + 1))
    assert.same({ 1, 2 }, { a, b })
    local list = @all_settled(nap, @(error "x"))
    assert.is_true(list[1].ok)
    assert.is_false(list[2].ok)
  end)

  case("any race", "losers are ended", function()
    assert.equal(1, @any(@(error "x"), nap))
    assert.equal(1, @race(nap, @(@sleep "1h")))
  end)

  case("map batch", "in order, so many at a time", function()
    local function double(x)
      nap()
      return 2 * x
    end
    local out = @map({ 1, 2, 3 }, double, { concurrency = 2 })
    assert.same({ 2, 4, 6 }, { out[1], out[2], out[3] })
    assert.equal(2, @batch({ 1, 2, 3 }, 2, nap).n)
  end)

  case("service", "one that ends", function()
    @scope(function() @service("short", nap) end)
  end)

  case("every select watch", "ticks, values, and the first of them", function()
    @every("1ms"):wait()
    local watch = @watch(1)
    @scope(function(s)
      s:spawn(function()
        nap()
        watch:set(2)
      end)
      assert.equal("watch", (@select { watch = watch, timeout = "1h" }))
    end)
    assert.equal("timeout", (@select { ch = @channel(), timeout = "1ms" }))
  end)

  case("yield", "a generator that waits, inside a coroutine of the user's", function(b)
    local function numbers()
      return coroutine.wrap(function()
        for i = 1, 3 do
          nap()
          coroutine.yield(i)
        end
      end)
    end
    for i in numbers() do
      b.opened = b.opened + i
      b.closed = b.closed + i
    end
  end, { setup = balance, check = is_balanced })
end)

describe("cancelled at every point, a call on a thread is over:", function()
  local HEAVY = "spec.support.heavy"

  local function loops()
    local n = 0
    for _, target in pairs(kernel.descriptors()) do n = n + (target:find "eventpoll" and 1 or 0) end
    return n
  end

  -- Threads are started when they are needed, and have a loop each until a call on them is ended: before each run all do.
  local function start_all()
    local _, threads = workers.stats()
    local works = {}
    for i = 1, threads do works[i] = @(@worker.call(HEAVY, "sum", 1e6)) end
    @timeout("10s", function()
      while loops() <= threads do @all(works) end
    end)
  end

  case("worker", "one that computes, and one beside it", function()
    local a, b = @all(@(@worker.call(HEAVY, "sum", 100)), @(@worker.call(HEAVY, "echo", 7)))
    assert.same({ 5050, 7 }, { a, b })
  end, { setup = start_all })
end)

describe("cancelled at every point, what tasks share keeps its promises:", function()
  -- What send has returned for has been received, or lies in the channel.
  local function transfer(capacity)
    return function(t)
      t.channel = @channel(capacity)
      @scope(function(s)
        for _ = 1, 2 do
          s:spawn(function()
            for _ = 1, 3 do
              t.channel:send(1)
              t.sent = t.sent + 1
            end
          end)
        end
        s:spawn(function()
          for _ = 1, 6 do
            t.channel:recv()
            t.received = t.received + 1
          end
        end)
      end)
    end
  end

  local function none_lost(t)
    if not t.channel then return end
    t.channel:close()
    for _ in t.channel do t.received = t.received + 1 end
    assert.equal(t.sent, t.received)
  end

  local opts = { setup = function() return { sent = 0, received = 0 } end, check = none_lost }
  case("channel", "no value is lost from hand to hand", transfer(nil), opts)
  case("channel", "no value is lost through a buffer", transfer(2), opts)

  case("semaphore", "every permit comes back", function(sem)
    @scope(function(s)
      for _ = 1, 3 do s:spawn(function() sem:with(nap) end) end
    end)
  end, {
    setup = function() return @semaphore(2) end,
    check = function(sem)
      @timeout("10s", function() sem:with(function() sem:with(function() end) end) end)
    end,
  })

  case("bulkhead", "every place comes back", function(b)
    @scope(function(s)
      for _ = 1, 3 do s:spawn(b.run, b, nap) end
    end)
  end, {
    setup = function() return @bulkhead { max = 1, queue = 2 } end,
    check = function(b) assert.same({ 0, 0 }, { b:stats().in_use, b:stats().waiting }) end,
  })

  case("limiter", "who does not get through has taken nothing, and those behind it go on", function(l)
    @scope(function(s)
      for _ = 1, 4 do
        s:spawn(function()
          l.limiter:acquire()
          l.got = l.got + 1
        end)
      end
    end)
  end, {
    setup = function() return { limiter = @limiter { rate = 1000, burst = 2 }, got = 0 } end,
    check = function(l)
      assert.is_nil(next(l.limiter.lines))
      assert.equal(l.got, l.limiter.store.keys[""] and l.limiter.taken or 0)
      l.limiter:acquire(2)
    end,
  })

  case("breaker", "a probe that is cancelled leaves room for another", function(b)
    @scope(function(s)
      for _ = 1, 2 do s:spawn(b.run, b, nap) end
    end)
  end, {
    setup = function()
      local b = @breaker { min = 1, probes = 2, open = "1ms" }
      pcall(b.run, b, error, { kind = "timeout" })
      repeat @sleep "1ms" until b:state() == "half_open"
      return b
    end,
    check = function(b)
      for _ = 1, 2 do b:run(nap) end
      assert.equal("closed", b:state())
    end,
  })

  case("hedge", "both attempts are ended", function(b)
    local n = 0
    assert.equal(2, (@hedge({ after = "1ms" }):run(function()
      n = n + 1
      local mine = n
      b.opened = b.opened + 1
      local ok, e = pcall(@sleep, mine == 1 and "1h" or 0)
      b.closed = b.closed + 1
      if not ok then error(e, 0) end
      return mine
    end)))
  end, { setup = balance, check = is_balanced })

  case("policy", "all that it is made of is given back", function(p)
    @scope(function(s)
      for _ = 1, 3 do s:spawn(p.run, p, nap) end
    end)
  end, {
    setup = function()
      return @policy {
        timeout = "1h", retry = { base = "1ms" }, breaker = true, limiter = { rate = 1000, burst = 2 },
        bulkhead = { max = 2, queue = 1 }, hedge = "1h", attempt_timeout = "1h",
      }
    end,
    check = function(p)
      assert.same({ 0, 0 }, { p.parts.bulkhead:stats().in_use, p.parts.bulkhead:stats().waiting })
      assert.is_nil(next(p.parts.limiter.lines))
      assert.equal("closed", p.parts.breaker:state())
    end,
  })

  case("pool", "what is taken comes back, or is closed", function(p)
    @scope(function(s)
      for _ = 1, 3 do s:spawn(function() p.pool:with(nap) end) end
    end)
  end, {
    setup = function()
      local p = { opened = 0, closed = 0 }
      p.pool = @pool {
        max = 2,
        open = function()
          nap()
          p.opened = p.opened + 1
          return {}
        end,
        close = function() p.closed = p.closed + 1 end,
      }
      return p
    end,
    check = function(p)
      assert.equal(0, p.pool:stats().in_use)
      p.pool:close()
      assert.equal(p.opened, p.closed)
    end,
  })

  local keys = 0
  case("cache cached", "a value is made for all who ask, whoever of them goes", function(key)
    local function make()
      nap()
      return "made"
    end
    local a, b = @all(@(@cache.remember(key, "1h", make)), @(@cached(key, "1h", make)))
    assert.same({ "made", "made" }, { a, b })
    nap()
    @cache.forget(key)
  end, {
    setup = function()
      keys = keys + 1
      return "sweep:" .. keys
    end,
    check = function(key) assert.equal("made", @cache.remember(key, "1h", @("made"))) end,
  })

  case("cache", "several values are made together, and each is there for who asks later", function(key)
    local function make(missing)
      nap()
      local out = {}
      for _, name in ipairs(missing) do out[name] = "made" end
      return out
    end
    local a, b = @all(@(@cache.remember_many({ key, key .. "b" }, "1h", make)), @(@cache.remember(key, "1h", @("made"))))
    assert.same({ { [key] = "made", [key .. "b"] = "made" }, "made" }, { a, b })
  end, {
    setup = function()
      keys = keys + 1
      return "sweep:" .. keys
    end,
    check = function(key)
      local out = @cache.remember_many({ key, key .. "b" }, "1h", function(missing)
        local made = {}
        for _, name in ipairs(missing) do made[name] = "made" end
        return made
      end)
      assert.same({ [key] = "made", [key .. "b"] = "made" }, out)
    end,
  })

  case("cache", "what is old is made anew behind everybody's back", function(key)
    local how = { ttl = "1h", refresh_ahead = "30m", stale = "1h", tags = { key } }
    @cache.set(key, "old", "10m")
    local value = @cache.remember(key, how, function()
      nap()
      return "new"
    end)
    assert.equal("old", value)
    @cache.forget_tag(key)
    @cache.set_many({ [key] = "set" }, { tags = { key } })
    @cache.touch(key, "1h")
    assert.same({ [key] = "set" }, @cache.get_many { key })
    nap()
    @cache.clear()
  end, {
    setup = function()
      keys = keys + 1
      return "sweep:" .. keys
    end,
  })

  case("stream", "stages are ended", function(b)
    local out = @stream(function()
      nap()
      b.n = (b.n or 0) + 1
      return b.n <= 6 and b.n or nil
    end):map(function(x)
      nap()
      return 2 * x
    end, { concurrency = 2 }):filter(function(x) return x > 2 end):chunks(2):collect()
    assert.same({ { 4, 6 }, { 8, 10 }, { 12 } }, out)
  end, { setup = function() return {} end })
end)

describe("cancelled at every point, files keep their promises:", function()
  local folder, count = nil, 0

  -- A path of its own for each run: what was cancelled in flight may still write to the last one.
  local function fresh()
    count = count + 1
    return folder .. "/" .. count
  end

  local function with_old()
    local path = fresh()
    @file.write(path, "old")
    return path
  end

  before_each(function() folder = temp.new() end)
  after_each(function() temp.remove(folder) end)

  case("file", "write, append, read", function(path)
    @file.write(path, "a")
    @file.append(path, "b")
    assert.equal("ab", @file.read(path))
  end, { setup = fresh })

  case("file", "write_atomic leaves the old or the new, and nothing beside it", function(path)
    @file.write_atomic(path, ("new"):rep(100000))
  end, {
    setup = with_old,
    check = function(path)
      local text = @file.read(path)
      assert.is_true(text == "old" or text == ("new"):rep(100000))
    end,
  })

  case("file", "lines, left in the middle too", function(path)
    local n = 0
    for _ in @file.lines(path) do n = n + 1 end
    assert.equal(3, n)
    assert.equal("a", @file.lines(path)()) -- and no more of them
  end, {
    setup = function()
      local path = fresh()
      @file.write(path, "a\nb\nc\n")
      return path
    end,
  })

  case("json", "lines of a file, left in the middle too", function(path)
    assert.equal(3, @json.lines(@file.lines(path)):count())
    assert.same({ a = 1 }, @json.lines(@file.lines(path)):first())
  end, {
    setup = function()
      local path = fresh()
      @file.write(path, '{"a":1}\n2\n3\n')
      return path
    end,
  })

  case("file", "chunks, and what is left of them", function(path)
    local chunks = @file.chunks(path, 2)
    assert.equal("ab", chunks())
    assert.same({ "cd", "e" }, chunks:collect())
  end, {
    setup = function()
      local path = fresh()
      @file.write(path, "abcde")
      return path
    end,
  })

  case("file", "a FIFO by lines and as a whole", function(f)
    local lines = @file.lines(f.path, { fifo = true })
    f.other:write("a\nb")
    assert.equal("a", lines())
    local task = @async(lines)
    @sleep(0)
    f.other:write("c\n")
    assert.equal("bc", task:await())
    local whole = @async(@file.read, f.path, { fifo = true })
    @sleep(0)
    f.other:write("x")
    f.other:close()
    assert.equal("x", whole:await())
  end, {
    setup = function()
      local path = temp.fifo(fresh())
      local other = assert(io.open(path, "r+"))
      other:setvbuf "no"
      return { path = path, other = other }
    end,
    check = function(f) pcall(f.other.close, f.other) end,
  })

  case("file", "folders, names and what is known of them", function(path)
    @file.mkdir(path .. "/b", { parents = true })
    @file.write(path .. "/b/f", "x")
    assert.equal(1, @file.metadata(path .. "/b/f").size)
    @file.rename(path .. "/b/f", path .. "/f")
    assert.is_true(@file.exists(path .. "/f"))
    assert.equal(2, #@file.read_dir(path))
    @file.remove(path, { recursive = true })
    assert.is_false(@file.exists(path))
  end, { setup = fresh })

  case("file", "a walk, a copy of it, and a folder for a while", function(path)
    @file.temp({ parent = folder, directory = true }, function(p)
      @file.write(p .. "/f", "x")
      @file.copy(p, path, { recursive = true })
      assert.equal(1, @file.walk(path, { glob = "**/f" }):count())
      assert.equal(0, @file.sweep(path))
    end)
  end, {
    setup = fresh,
    check = function(path)
      if @file.exists(path) then assert.equal("x", @file.read(path .. "/f")) end
      assert.is_nil(@file.walk(folder, { depth = 1, glob = "tusk-*" })())
    end,
  })

  case("file", "a lock, held by one at a time and given back", function(b)
    local function alone()
      b.inside = b.inside + 1
      assert.equal(1, b.inside)
      local ok, e = pcall(nap)
      b.inside = b.inside - 1
      if not ok then error(e, 0) end
    end
    @all(@(@file.lock(b.path, alone)), @(@file.lock(b.path, alone)))
  end, {
    setup = function() return { inside = 0, path = fresh() } end,
    check = function(b) assert.equal("free", @file.lock(b.path, { timeout = "10s" }, @("free"))) end,
  })

  case("file", "a watch tells what a cancelled wait did not", function(b)
    local task = @async(b.watch)
    @sleep(0)
    @file.mkdir(b.path .. "/a/b", { parents = true })
    assert.equal(b.path .. "/a", task:await().path)
    assert.equal(b.path .. "/a/b", b.watch().path)
  end, {
    setup = function()
      local path = fresh()
      @file.mkdir(path)
      return { path = path, watch = @file.watch(path, { recursive = true }) }
    end,
    check = function(b) b.watch:close() end,
  })

  case("file", "in a root, and the root goes with its run", function(path)
    @file.mkdir(path)
    local root = @file.root(path)
    root.write_atomic("f", "new")
    root.mkdir("a/b", { parents = true })
    root.rename("f", "a/b/f")
    assert.equal("new", root.root("a").read("b/f"))
    root.remove("a", { recursive = true })
    assert.equal(0, #root.read_dir("."))
  end, { setup = fresh })

  case("hash", "digests on a thread, of a text and of a file", function(path)
    assert.equal(64, #@hash.sha256(("x"):rep(1000000)))
    assert.equal("d41d8cd98f00b204e9800998ecf8427e", @hash.file(path, "md5"))
    assert.equal(1000000, #@hash.hex_decode(@hash.hex(("x"):rep(1000000))))
  end, { setup = function() return temp.write(fresh(), "") end })

  case("file json", "a JSON file, whole or not there", function(path)
    @file.write_json(path, { a = { 1, 2, 3 } })
    assert.same({ a = { 1, 2, 3 } }, @file.read_json(path))
  end, {
    setup = fresh,
    check = function(path)
      if @file.exists(path) then assert.same({ a = { 1, 2, 3 } }, @file.read_json(path)) end
    end,
  })

  case("sleep", "a module that waits while it loads can be loaded again", function(name)
    assert.equal("loaded", require(name))
  end, {
    setup = function()
      count = count + 1
      local name = "sweep_module_" .. count
      @file.write(("%s/%s.lua"):format(folder, name), '@sleep(0) @sleep(0) return "loaded"')
      package.path = ("%s/?.lua;%s"):format(folder, package.path)
      return name
    end,
    check = function(name)
      assert.equal("loaded", require(name))
      package.loaded[name] = nil
      package.path = package.path:gsub("^[^;]*;", "")
    end,
  })
end)

database.each_kind(function(kind, with)
  local db, opened_all -- while a case runs; the one that all_opened has seen

  local function cases(names, what, body, opts)
    for name in names:gmatch("%a+") do covered[name] = true end
    it(("cancelled at every point, a database (%s) keeps its promises: %s"):format(kind, what), with(function(opened)
      db = opened
      sweep(body, opts)
    end))
  end

  local function two_accounts()
    db.exec "delete from users"
    db.users.insert { id = 1, name = "a", age = 50 }
    db.users.insert { id = 2, name = "b", age = 50 }
  end

  -- The connections that a database keeps, for reading and for streams, are none of a body's.
  local function all_opened()
    two_accounts()
    if db == opened_all then return end
    opened_all = db
    local long = "with recursive c(x) as (select 1 union all select x + 1 from c where x < 100000) select count(*) from c"
    @all(@(db.value(long)), @(db.value(long)))
    local first, second = db.each "select 1", db.each "select 2"
    first:close()
    second:close()
  end

  local function sum_preserved()
    assert.equal(100, db.value "select sum(age) from users")
    assert.equal(1, db.transaction(function(tx) return tx.value "select 1" end)) -- nobody holds the lease
  end

  local function move(tx)
    tx.exec "update users set age = age - 10 where id = 1"
    @sleep(0)
    tx.exec "update users set age = age + 10 where id = 2"
  end

  cases("db", "a transaction is all or nothing", function() db.transaction(move) end,
    { setup = two_accounts, check = sum_preserved })

  cases("db", "several at once", function()
    @all(@(db.transaction(move)), @(db.transaction(move)))
  end, { setup = two_accounts, check = sum_preserved })

  cases("db", "one within another", function()
    db.transaction(function(tx)
      move(tx)
      tx.transaction(move)
      pcall(tx.transaction, function(inner)
        inner.exec "update users set age = 0"
        error "undone"
      end)
    end)
  end, { setup = two_accounts, check = sum_preserved })

  cases("db", "rows one by one, in a transaction too", function()
    local sum = 0
    for row in db.each "select id, age from users" do sum = sum + row.age end
    db.transaction(function(tx)
      for row in tx.each "select id from users" do
        tx.exec("update users set age = 50 where id = ?", row.id)
        @sleep(0)
      end
    end)
    assert.equal(100, sum)
  end, { setup = all_opened, check = sum_preserved })

  cases("db", "very many rows are inserted all or not at all", function()
    local rows = {}
    for i = 1, 1200 do rows[i] = { name = "n" .. i, age = 0 } end
    db.users.insert_many(rows)
  end, { setup = two_accounts, check = function()
    local n = db.users.count()
    assert.is_true(n == 2 or n == 1202, n)
    sum_preserved()
  end })

  cases("db", "migrations are each applied once", function(dir)
    db.migrate(dir)
  end, {
    setup = function()
      all_opened()
      local dir = temp.new()
      temp.write(dir .. "/001_a.sql", "create table swept (n); insert into swept values (1);")
      temp.write(dir .. "/002_b.sql", "insert into swept values (2);")
      return dir
    end,
    check = function(dir)
      db.migrate(dir)
      assert.equal(2, db.value "select count(*) from swept")
      db.exec "drop table swept; drop table tusk_migrations"
      temp.remove(dir)
    end,
  })

  cases("db query", "queries, rows, single values", function()
    assert.equal(2, #db.query "select * from users")
    assert.equal("a", db.one("select name from users where id = ?", 1).name)
    assert.equal(2, db.users.count())
    db.users.insert { id = 3, name = "c", age = 0 }
    assert.equal("c", db.users.find(3).name)
  end, { setup = two_accounts, check = sum_preserved })
end)

describe("cancelled at every point, a request leaves nothing open:", function()
  local server

  setup(function()
    server = raw_server.start(function(connection, request)
      if request.target == "/busy" then return connection:write(raw_server.response(503)) end
      connection:write(raw_server.response(200, { "Content-Type: application/json" },
        request.method == "POST" and request.body or '{"a":1}'))
    end)
  end)
  teardown(function() server:stop() end)

  case("http", "get and post", function()
    assert.equal('{"a":1}', @http.get(server.url .. "/x"):text())
    assert.equal("body", @http.post(server.url .. "/y", { body = "body" }):text())
  end)

  case("http stream", "a body that is streamed, to its end and not", function()
    assert.equal('{"a":1}', @http.get(server.url .. "/x", { stream = true }):text())
    @http.get(server.url .. "/x", { stream = true }):chunks()() -- and no more of them
    @scope(function() @http.get(server.url .. "/x", { stream = true }) end)
    assert.equal(1, @http.get(server.url .. "/x", { stream = true }):lines():map(string.upper, { concurrency = 2 }):count())
  end)

  case("http", "a client whose requests stand in line gives every place back", function(client)
    @all(@(client.get("/a")), @(client.get("/b", { stream = true }):text()), @(client.get("/c", { stream = true })))
  end, {
    setup = function() return @http.client { base = server.url, max_connections = 1 } end,
    check = function(client) assert.same({ a = 1 }, client.get("/d", { timeout = "5s" }):json()) end,
  })

  case("http stream", "bodies that are made while they are sent", function()
    local left = 2
    local function pieces()
      left = left - 1
      @sleep(0)
      return left >= 0 and "ab" or nil
    end
    assert.equal("abab", @http.post(server.url .. "/x", { body = pieces, length = 4 }):text())
    left = 2
    assert.equal("abab", @http.post(server.url .. "/x", { body = @stream(pieces), length = 4, stream = true }):text())
    left = 2
    assert.equal(200, @http.post(server.url .. "/x", { multipart = { a = { stream = pieces, length = 4 } } }).status)
  end)

  case("http file", "an upload leaves no file open", function(path)
    assert.equal("abc", @http.upload(server.url .. "/x", path, { method = "POST", on_progress = nap }):text())
  end, {
    setup = function() return temp.write(temp.new() .. "/source", "abc") end,
    check = function(path) temp.remove(path:match("^(.*)/")) end,
  })

  case("http", "a client with cookies, on its socket or not", function(client)
    assert.equal('{"a":1}', client.get("/x"):text())
    assert.equal('{"a":1}', client.get("/y", { headers = { Cookie = "a=b" } }):text())
  end, { setup = function() return @http.client { base = server.url, cookies = true } end })

  case("http file", "a download is all there or nothing is", function(dir)
    @http.download(server.url .. "/x", dir .. "/target", { on_progress = nap })
  end, {
    setup = temp.new,
    check = function(dir)
      local names = temp.list(dir)
      assert.is_true(#names == 0 or #names == 1 and temp.read(dir .. "/target") == '{"a":1}')
      temp.remove(dir)
    end,
  })

  case("http", "a body of parts, one of them a file", function(path)
    local parts = { a = "1", b = { path = path } }
    assert.truthy(@http.post(server.url .. "/y", { multipart = parts }):text():find("from the file", 1, true))
  end, {
    setup = function() return temp.write(os.tmpname(), "from the file") end,
    check = function(path) assert(os.remove(path)) end,
  })

  case("http", "a request that is sent again, through a client's only place", function(client)
    assert.equal(503, client.get("/busy", { stream = true, retry = { base = "1ms" } }).status)
  end, {
    setup = function() return @http.client { base = server.url, max_connections = 1 } end,
    check = function(client) assert.same({ a = 1 }, client.get("/d", { timeout = "5s" }):json()) end,
  })

  case("http", "several at once, under a deadline", function()
    @timeout("10s", function()
      local a, b = @all(@(@http.get(server.url .. "/a")), @(@http.get(server.url .. "/b")))
      assert.same({ { a = 1 }, { a = 1 } }, { a:json(), b:json() })
    end)
  end)
end)

describe("cancelled at every point, commands pair with their answers:", function()
  local server, db

  setup(function()
    server = redis.start()
    db = server:open()
  end)
  teardown(function()
    db.close()
    server:stop()
  end)

  local function fresh()
    db.flushall()
    db.set("a", "1")
    db.with(function(r) r.ping() end) -- its connection is kept
  end

  local function paired()
    assert.equal("PONG", db.ping())
    assert.equal("1", db.get("a"))
    db.rpush("list", "y")
    assert.same({ "list", "y" }, db.blpop("list", 1))
  end

  case("redis", "commands, pipelines, transactions, scripts", function()
    assert.equal("1", db.get("a"))
    assert.same({ "1", "OK" }, db.pipeline(function(p)
      p.get("a")
      p.set("b", 2)
    end))
    assert.same({ "OK", "OK" }, db.multi(function(tx)
      tx.set("c", 1)
      tx.set("d", 1)
    end))
    assert.equal("1", db.script "return redis.call('get', KEYS[1])" { "a" })
    assert.equal("1", (@all(@(db.get("a")), @(db.get("b")))))
  end, { setup = fresh, check = function()
    paired()
    assert.equal(db.exists("c"), db.exists("d"))
  end })

  case("cache", "on a server: who loads, who waits, who changes", function(cache)
    local function make()
      nap()
      return "made"
    end
    local how = { ttl = "1h", tags = { "t" } }
    local a, b = @all(@(cache.remember("k", how, make)), @(cache.remember("k", how, make)))
    assert.same({ "made", "made" }, { a, b })
    assert.equal(1, cache.incr("n"))
    assert.is_true(cache.touch("k", "2h"))
    cache.set_many { x = 1, y = 2 }
    assert.same({ k = "made", x = 1 }, cache.get_many { "k", "x", "z" })
    cache.forget_tag("t")
    cache.clear()
  end, { setup = function()
    fresh()
    return @cache.open(server.url)
  end, check = function(cache)
    while cache.stats().loading > 0 do @yield() end
    for _, key in ipairs(db.keys("*")) do assert.is_nil(key:find("^cache:l:"), key) end
    assert.equal("made", cache.remember("k", "1h", @("made")))
    cache.close()
    paired()
  end })

  case("redis", "connections of one's own", function()
    db.rpush("list", "x")
    assert.same({ "list", "x" }, db.blpop("list", 1))
    db.with(function(r)
      r.watch("a")
      assert.equal("1", r.get("a"))
      r.multi(function(tx) tx.set("a", 1) end)
    end)
  end, { setup = fresh, check = function()
    db.del("list")
    paired()
  end })

  case("redis", "messages", function()
    local messages = db.subscribe("c")
    db.publish("c", "x")
    assert.equal("x", messages:take(1):collect()[1].message)
  end, { setup = fresh, check = paired })
end)

describe("cancelled at every point, programs are ended:", function()
  case("process", "run, its input a text or a stream", function()
    assert.equal("text", @process.run({ "cat" }, { stdin = "text" }).stdout)
    assert.equal("ab", @process.run({ "cat" }, { stdin = @stream { "a", "b" } }).stdout)
  end, { check = function() assert.same({}, processes.children()) end })

  case("process", "spawned, talked to, left alone", function()
    @scope(function()
      local p = @process.spawn { "cat" }
      @process.spawn { "sleep", "1000" }
      p.stdin:write("line\n")
      assert.equal("line", p.stdout:lines()())
      p.stdin:close()
      assert.is_true(p:wait().ok)
    end)
  end, { check = function() assert.same({}, processes.children()) end })
end)

describe("cancelled at every point, mail is taken once or not at all:", function()
  local taken

  covered.email = true
  it("@email: one, and another over the same connection", function()
    smtp.saying({ ["."] = function(connection)
      taken = taken + 1
      connection:write "250 taken\r\n"
    end }, function(server)
      sweep(function(run)
        for _ = 1, 2 do
          local ok, e = pcall(run.client.send, { to = { "b@x.example", "c@x.example" }, subject = "s", text = "t",
            attachments = { { file = "spec/sweep_spec.lua" } } })
          if ok then run.sent = run.sent + 1 elseif e.sent then run.unknown = run.unknown + 1 end
          if not ok then error(e, 0) end
        end
      end, {
        setup = function()
          taken = 0
          return { sent = 0, unknown = 0, client = @email.client { url = server.url, from = "a@x.example" } }
        end,
        check = function(run)
          run.client.close()
          server:wait(function() return server.ended == server.accepted end)
          assert.is_true(taken >= run.sent and taken <= run.sent + run.unknown)
        end,
      })
    end)
  end)
end)

it("every operator is among them, but for those that never wait", function()
  for name in ("date env log metrics on random remaining validator"):gmatch("%a+") do covered[name] = true end
  local missing = {}
  for _, name in ipairs(operators.names()) do
    if not covered[name] and operators.is_core(name) then missing[#missing + 1] = name end
  end
  assert.same({}, missing, "give each a case in this file")
end)

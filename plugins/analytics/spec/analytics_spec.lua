-- Events: buffered, sent in batches, dropped only as it is said, never waited for.
local analytics = require "tusk.plugins.analytics"
local database = require "spec.support.database"
local errors = require("tusk").errors
local raw_server = require "spec.support.raw_server"
local recorder = require "spec.support.recorder"
local test = require "tusk.test"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

-- A sink that remembers the names of each batch's events and when it came; what fail(attempt) returns is raised.
local function sink_of(fail)
  local seen = { batches = {}, times = {}, attempts = {}, ids = {} }
  return function(batch)
    seen.attempts[#seen.attempts + 1] = test.now()
    local err = fail and fail(#seen.attempts)
    if err then error(err, 0) end
    local names = {}
    for i, e in ipairs(@json.decode(batch.text)) do names[i] = e.event end
    seen.batches[#seen.batches + 1], seen.times[#seen.times + 1] = table.concat(names, " "), test.now()
    seen.ids[#seen.ids + 1] = batch.id
  end, seen
end

local function down(fields)
  return errors.new("spec.down", "down", type(fields) == "table" and fields or { retryable = true })
end

-- Fails the first n times.
local function failing(n, err)
  return function(attempt)
    if attempt <= n then return err or down() end
  end
end

local function hang()
  @sleep "1h"
end

-- fn(tracker, seen) on a virtual clock, then the tracker is stopped.
local function with_tracker(opts, fn)
  test.clock({ at = "2030-01-01T00:00:00Z" }, function()
    @scope(function(s)
      local sink, seen = sink_of(opts.fail)
      local t = analytics.new { scope = s, log = recorder(), sink = opts.sink or sink, buffer = opts.buffer, size = opts.size,
        batch = opts.batch or 3, within = "5s", full = opts.full, timeout = opts.timeout, attempts = opts.attempts, base = "1s", cap = "8s" }
      local ok, e = pcall(fn, t, seen)
      t:stop(60)
      t:remove_metrics()
      if not ok then error(e, 0) end
    end)
  end)
end

local function on_tracker(what, opts, fn)
  it(what, function() with_tracker(opts, fn) end)
end

describe("an event", function()
  on_tracker("is sent when as many are there as are sent at a time", { batch = 3 }, function(t, seen)
    for i = 1, 7 do t:track("e" .. i) end
    assert.same({}, seen.batches) -- nobody has waited
    @yield()
    @sleep(0)
    assert.same({ "e1 e2 e3", "e4 e5 e6" }, seen.batches)
    assert.equal(0, test.now())
  end)

  on_tracker("is sent when it has waited long enough", { batch = 3 }, function(t, seen)
    t:track "a"
    @sleep "4s"
    t:track "b"
    @sleep "10s"
    assert.same({ { "a b" }, { 5 } }, { seen.batches, seen.times })
    t:track "c"
    @sleep "10s"
    assert.same({ { "a b", "c" }, { 5, 19 } }, { seen.batches, seen.times })
  end)

  it("has a time and an id of its own, and data as they were: what changes later is not sent", function()
    local got
    test.clock({ at = "2030-01-01T00:00:00Z" }, function()
      @scope(function(s)
        local t = analytics.new { scope = s, log = recorder(), sink = analytics.sinks.call(function(events) got = events end) }
        local data = { list = { 1, 2 }, user = { name = "Ann" } }
        @sleep "1s"
        assert.is_true(t:track("signup", data))
        assert.is_true(t:track("plain"))
        data.user.name, data.list[1] = "Bob", 7
        t:flush()
        t:stop(1)
        t:remove_metrics()
      end)
    end)
    assert.same({ "signup", { list = { 1, 2 }, user = { name = "Ann" } } }, { got[1].event, got[1].data })
    assert.equal("2030-01-01T00:00:01Z", @date.format(got[1].at))
    assert.is_nil(got[2].data)
    assert.are_not.equal(got[1].id, got[2].id)
  end)

  on_tracker("is never waited for, nor when the sink hangs", { sink = hang, timeout = "10s", buffer = 4 }, function(t)
    for i = 1, 100 do t:track("e" .. i) end
    assert.equal(0, test.now())
  end)

  on_tracker("can be tracked where nothing may wait", {}, function(t, seen)
    local text = ("a b c"):gsub("%a", function(name) t:track(name) return name:upper() end)
    assert.equal("A B C", text)
    t:flush()
    assert.same({ "a b c" }, seen.batches)
  end)

  on_tracker("that is none is told of at once", { size = 200 }, function(t)
    assert.equal("argument", fails(t.track, t, nil).kind)
    assert.equal("argument", fails(t.track, t, "").kind)
    assert.equal("json.value", fails(t.track, t, "a", { fn = print }).kind)
    assert.matches("the event has %d+ bytes; all together have room for 200", fails(t.track, t, "a", ("x"):rep(300)).message)
    assert.equal(0, t:stats().buffered)
  end)
end)

describe("flush", function()
  on_tracker("sends now, and waits until all that was tracked before is sent", { sink = function() @sleep "2s" end }, function(t)
    for i = 1, 4 do t:track("e" .. i) end
    t:flush()
    assert.equal(4, test.now()) -- two batches
    assert.equal(4, t:stats().sent)
    t:flush()
    assert.equal(4, test.now())
  end)

  on_tracker("does not wait for what comes after it", { sink = function() @sleep "2s" end, batch = 1 }, function(t)
    t:track "a"
    local task = @async(t.flush, t)
    for _ = 1, 5 do t:track "later" end
    task:await()
    assert.equal(2, test.now())
  end)

  on_tracker("waits as long as the sink fails, and may be given up", { fail = down }, function(t)
    t:track "a"
    assert.equal("timeout", fails(@timeout, "1m", t.flush, t).kind)
    assert.equal(1, t:stats().buffered)
    t.sink = function() end
  end)
end)

describe("no unbounded queue: the buffer", function()
  on_tracker("drops the oldest when it is full, counts them and tells of it",
  { buffer = 5, batch = 5, fail = failing(1) }, function(t, seen)
    for i = 1, 12 do assert.is_true(t:track("e" .. i)) end
    assert.same({ 5, 12, 7 }, { t:stats().buffered, t:stats().tracked, t:stats().dropped })
    t:flush()
    assert.same({ "e8 e9 e10 e11 e12" }, seen.batches)
    assert.equal(7, @metrics.counter("analytics_dropped_total", { sink = "analytics", why = "full" }).value)
    local line = t.log[1]
    assert.same({ "warn", "events are dropped: the buffer is full", 1 }, { line.level, line.message, line.fields.dropped })
  end)

  on_tracker("or the newest, and says so to whoever tracks", { buffer = 5, batch = 5, full = "newest" }, function(t, seen)
    for i = 1, 5 do assert.is_true(t:track("e" .. i)) end
    assert.is_false(t:track "e6")
    t:flush()
    assert.same({ "e1 e2 e3 e4 e5" }, seen.batches)
    assert.is_true(t:track "e7")
  end)

  on_tracker("is bounded in bytes as well", { size = 300, batch = 100 }, function(t)
    for i = 1, 10 do t:track("e" .. i) end
    assert.is_true(t.buffer.bytes <= 300)
    assert.is_true(t:stats().dropped > 0)
    assert.equal(10, t:stats().dropped + t:stats().buffered)
    t:flush()
    assert.equal(0, t.buffer.bytes)
  end)

  on_tracker("keeps a batch that is being sent, and drops around it",
  { buffer = 4, batch = 2, fail = failing(2) }, function(t, seen)
    t:track "a" t:track "b"
    @sleep(0) -- they are under way now
    for i = 1, 6 do t:track("e" .. i) end
    t:flush()
    assert.same({ "a b", "e5 e6" }, seen.batches)
    assert.equal(4, t:stats().dropped)
  end)

  on_tracker("tells of what it drops once in ten seconds", { buffer = 1, batch = 1, sink = hang, timeout = "2h" }, function(t)
    for _ = 1, 3 do
      for _ = 1, 10 do t:track "e" end
      @sleep "11s"
    end
    t:stop(0)
    local told = 0
    for _, line in ipairs(t.log) do told = told + (line.fields.dropped or 0) end
    assert.equal(4, #t.log - 1) -- each round, the rest at the end; and what was lost then
    assert.equal(t:stats().dropped, told + 1)
  end)
end)

describe("a sink that fails", function()
  on_tracker("is tried again after pauses that grow; the batch is the same and nothing is lost",
  { fail = failing(6) }, function(t, seen)
    t:track "a"
    t:flush()
    assert.same({ "a" }, seen.batches)
    local pauses, longest = {}, { 1, 2, 4, 8, 8, 8 }
    for i = 2, #seen.attempts do pauses[#pauses + 1] = seen.attempts[i] - seen.attempts[i - 1] end
    assert.equal(6, #pauses)
    for i, pause in ipairs(pauses) do assert.is_true(pause >= longest[i] / 2 and pause <= longest[i], i .. ": " .. pause) end
    assert.equal("events are kept: the sink fails", t.log[1].message)
    assert.equal(0, t:stats().dropped)
    assert.is_nil(t:stats().failing)
  end)

  on_tracker("waits as long as it is told to",
  { fail = failing(1, down { retryable = true, retry_after = 60 }) }, function(t, seen)
    t:track "a"
    t:flush()
    assert.equal(60, seen.attempts[2] - seen.attempts[1])
  end)

  on_tracker("hangs no longer than its time", { timeout = "3s", sink = hang }, function(t)
    t:track "a"
    @sleep "9s"
    assert.matches("timed out", t:stats().failing)
    t.sink = function() end
  end)

  on_tracker("with a mistake of the program is given up after some attempts, told of and counted",
  { attempts = 3, fail = failing(3, "attempt to index nil") }, function(t, seen)
    t:track "a"
    t:flush()
    t:track "b"
    t:flush()
    assert.same({ "b" }, seen.batches)
    assert.equal(4, #seen.attempts)
    assert.equal(1, t:stats().dropped)
    assert.same({ "error", "events are given up: the sink does not take them", 1, 3 },
      { t.log[3].level, t.log[3].message, t.log[3].fields.events, t.log[3].fields.attempts })
  end)

  for _, kind in ipairs { "http.status.400", "db.constraint", "argument" } do
    on_tracker("for good (" .. kind .. ") is not asked again", { fail = failing(1, errors.new(kind, "no")) }, function(t, seen)
      t:track "a"
      t:flush()
      assert.equal(1, #seen.attempts)
      assert.equal(1, @metrics.counter("analytics_dropped_total", { sink = "analytics", why = "refused" }).value)
    end)
  end

  on_tracker("by a cancellation of its own ends nothing", { fail = failing(1, errors.cancelled()) }, function(t, seen)
    t:track "a"
    t:flush()
    assert.same({ "a" }, seen.batches)
  end)
end)

describe("no event lost silently on shutdown: the end", function()
  on_tracker("sends what is there, all of it", {}, function(t, seen)
    for i = 1, 7 do t:track("e" .. i) end
    assert.equal(0, t:stop(5))
    assert.same({ "e1 e2 e3", "e4 e5 e6", "e7" }, seen.batches)
    assert.equal(0, test.now())
    assert.is_false(t:track "after")
  end)

  on_tracker("does not wait out a long pause",
  { fail = failing(3, down { retryable = true, retry_after = 3600 }) }, function(t, seen)
    t:track "a" t:track "b" t:track "c"
    @sleep "1s"
    assert.equal(0, t:stop(5))
    assert.same({ "a b c" }, seen.batches)
    assert.is_true(test.now() < 2)
  end)

  on_tracker("counts what it cannot send in time, and tells why", { fail = down }, function(t)
    for i = 1, 7 do t:track("e" .. i) end
    assert.equal(7, t:stop(5))
    assert.equal(5, test.now())
    local line = t.log[#t.log]
    assert.same({ "error", "events are lost: they could not be sent before the end", 7 }, { line.level, line.message, line.fields.events })
    assert.matches("down", line.fields.error)
    assert.equal(7, @metrics.counter("analytics_dropped_total", { sink = "analytics", why = "end" }).value)
    assert.same({ 7, 0, 7 }, { t:stats().tracked, t:stats().sent, t:stats().dropped })
  end)

  on_tracker("tells of what comes after it, once, and counts all", {}, function(t)
    assert.equal(0, t:stop(5))
    for _ = 1, 3 do assert.is_false(t:track "late") end
    local line = t.log[#t.log]
    assert.same({ 1, "error", "late" }, { #t.log, line.level, line.fields.event })
    assert.matches("requires @analytics", line.message, 1, true)
    assert.same({ 3, 0, 3 }, { t:stats().tracked, t:stats().sent, t:stats().dropped })
  end)
end)

describe("the table", function()
  local function with_table(fn)
    database.with("file", function(db)
      @scope(function(s)
        local t = analytics.new { scope = s, log = recorder(), sink = analytics.sinks.table("events", db), batch = 2 }
        local ok, e = pcall(fn, t, db)
        t:stop(5)
        t:remove_metrics()
        if not ok then error(e, 0) end
      end)
    end)
  end

  it("is made by itself, and has each event once, in their order", function()
    with_table(function(t, db)
      for i = 1, 5 do t:track("e" .. i, { n = i, text = "ö'\"" }) end
      t:track("plain")
      t:flush()
      local rows = db.query("select * from events order by number")
      assert.equal(6, #rows)
      assert.same({ "e3", { n = 3, text = "ö'\"" } }, { rows[3].event, @json.decode(rows[3].data) })
      assert.is_nil(rows[6].data)
      assert.is_near(@date.now(), rows[1].at, 60)
    end)
  end)

  it("does not take an event twice when an attempt's end was not seen", function()
    with_table(function(t, db)
      local real, calls = t.sink, 0
      t.sink = function(batch)
        real(batch)
        calls = calls + 1
        if calls == 1 then errors.raise("spec.lost", "no answer came", { retryable = true }) end
      end
      t.base = 0.001
      t:track "a"
      t:flush()
      assert.same({ 2, 1 }, { calls, db.value("select count(*) from events") })
    end)
  end)

  it("that is another's is refused when it begins", function()
    database.with("memory", function(db)
      db.exec "create table events (id integer primary key, name text)"
      assert.matches("db", fails(analytics.sinks.table, "events", db).kind)
      assert.equal("argument", fails(analytics.sinks.table, 'x"; drop', db).kind)
    end)
  end)
end)

describe("an endpoint", function()
  it("gets each batch as JSON, the same one again until it has taken it", function()
    local function answer(connection, request)
      connection:write(raw_server.response(request.number == 1 and 503 or 200, { "Retry-After: 0" }))
    end
    raw_server.with(answer, function(server)
      @scope(function(s)
        local t = analytics.new { scope = s, log = recorder(), batch = 2, base = 0.001,
          sink = analytics.sinks.http(server.url .. "/in", { token = "t0p", headers = { ["X-App"] = "spec" } }) }
        t:track("a", { n = 1 }) t:track "b"
        t:flush()
        t:stop(1)
        t:remove_metrics()
      end)
      local first, second = server.requests[1], server.requests[2]
      assert.equal(2, #server.requests)
      assert.same({ "POST", "/in", "Bearer t0p", "spec", "application/json" }, { first.method, first.target, first.header "authorization",
        first.header "x-app", first.header "content-type" })
      assert.equal(first.header "idempotency-key", second.header "idempotency-key")
      assert.equal(first.body, second.body)
      local events = @json.decode(second.body)
      assert.same({ "a", 1, "b" }, { events[1].event, events[1].data.n, events[2].event })
    end)
  end)
end)

describe("an error object that cannot be looked at", function()
  local strict = setmetatable({}, { __index = error, __tostring = error })

  on_tracker("is a failure like others", { batch = 1, attempts = 2, base = "1s", fail = function(n) return n <= 2 and strict or nil end },
    function(t, seen)
      t:track "lost"
      t:track "sent"
      t:flush()
      assert.same({ "sent" }, seen.batches)
      assert.same({ 1, 1 }, { t:stats().sent, t:stats().dropped })
    end)
end)

describe("misuse of a tracker", function()
  on_tracker("is told, and what is no event is not counted", { size = 1000 }, function(t)
    assert.equal("json.value", fails(t.track, t, "x", { f = print }).kind)
    assert.equal("json.value", fails(t.track, t, "x", "\255").kind)
    assert.equal("argument", fails(t.track, t, "").kind)
    assert.equal("argument", fails(t.track, t, "a\0b").kind)
    assert.matches("data: the event has", fails(t.track, t, "x", ("x"):rep(1000)).message, 1, true)
    assert.matches("called with a dot", fails(t.track, "x").message, 1, true)
    assert.equal("flush", fails(function() return t.flsuh end).suggestion)
    t:track "y"
    t:flush()
    local s = t:stats()
    assert.same({ 1, 1, 0, 0 }, { s.tracked, s.sent, s.dropped, s.buffered })
  end)
end)

describe("misuse", function()
  it("is told with what was meant", function()
    @scope(function(s)
      assert.matches('did you mean "batch"', fails(analytics.new, { scope = s, sink = print, bacth = 1 }).message)
      assert.equal("argument", fails(analytics.new, { scope = s, sink = print, full = "both" }).kind)
      assert.equal("argument", fails(analytics.new, { scope = s, sink = print, buffer = 0 }).kind)
      assert.equal("argument", fails(analytics.new, { scope = s }).kind)
      assert.matches("url: no scheme", fails(analytics.sinks.http, "example.com/events").message, 1, true)
      assert.equal("argument", fails(analytics.sinks.http).kind)
      assert.matches("scope: a scope such as ctx.scope expected, got nil", fails(analytics.new, { sink = print }).message, 1, true)
    end)
  end)
end)

it("whatever the order of tasks, each event is sent once or counted as dropped", function()
  for seed = 1, 20 do
    test.seed(seed, function()
      with_tracker({ buffer = 8, batch = 3, fail = function(n) if n % 3 == 1 then return down() end end }, function(t, seen)
        @scope(function(s)
          for w = 1, 3 do
            s:spawn(function()
              for i = 1, 10 do
                t:track(("w%d-%d"):format(w, i))
                @sleep(@random.int(0, 2))
              end
            end)
          end
        end)
        t:flush()
        local sent, twice = 0, {}
        for name in table.concat(seen.batches, " "):gmatch("%S+") do
          assert.is_nil(twice[name])
          twice[name], sent = true, sent + 1
        end
        assert.equal(30, sent + t:stats().dropped)
        assert.equal(sent, t:stats().sent)
      end)
    end)
  end
end)

it("cancelled at every point, each event is sent, counted as dropped, or counted as lost", function()
  local n = test.sweep(function(b)
    @scope(function(s)
      b.tracker = analytics.new { scope = s, log = recorder(), batch = 2, base = 0.001,
        sink = function(batch) @sleep(0) b.sent = b.sent + batch.count end }
      local ok, e = pcall(function()
        for i = 1, 5 do b.tracker:track("e" .. i) end
        b.tracker:flush()
      end)
      @shield(b.tracker.stop, b.tracker, 0)
      if not ok then error(e, 0) end
    end)
  end, {
    setup = function() return { sent = 0 } end,
    check = function(b)
      if not b.tracker then return end
      b.tracker:remove_metrics()
      local stats = b.tracker:stats()
      assert(stats.sent + stats.dropped == stats.tracked, ("%d + %d of %d"):format(stats.sent, stats.dropped, stats.tracked))
      assert(b.sent >= stats.sent)
    end,
  })
  assert.is_true(n > 3)
end)

-- Streams of items: enriched, validated, written; failures are letters, never gaps and never the end.
local database = require "spec.support.database"
local errors = require("tusk").errors
local stream_processor = require "tusk.plugins.stream_processor"
local test = require "tusk.test"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function on_clock(what, fn)
  it(what, function() test.clock({ at = 1000 }, fn) end)
end

local function items(n)
  local list = {}
  for i = 1, n do list[i] = { id = i, raw = "raw " .. i } end
  return list
end

-- A processor with a cache of its own and lists of what was written and what died; "bad" items fail.
local function new(opts)
  local seen = { loads = {}, batches = {}, letters = {}, most = 0, now = 0 }
  opts.cache = opts.cache == nil and @cache.open("memory:") or opts.cache
  opts.load = opts.load or function(item)
    seen.loads[#seen.loads + 1] = item.id
    seen.now = seen.now + 1
    seen.most = math.max(seen.most, seen.now)
    @sleep(item.takes or "1s")
    seen.now = seen.now - 1
    if item.bad then errors.raise("spec.bad", "bad " .. item.id) end
    return { text = item.raw }
  end
  opts.write = opts.write or function(list)
    local ids = {}
    for i, result in ipairs(list) do ids[i] = result.id end
    seen.batches[#seen.batches + 1] = table.concat(ids, " ")
  end
  if opts.dead == nil then opts.dead = function(letter) seen.letters[#seen.letters + 1] = letter end end
  opts.dead = opts.dead or nil
  return stream_processor.new(opts), seen
end

describe("a processor of streams", function()
  on_clock("enriches, stamps and writes in batches, in order, and says what it has done", function()
    local p, seen = new { batch = 4 }
    assert.same({ read = 10, written = 10, failed = 0, batches = 3, seconds = 2 }, p:run(items(10)))
    assert.same({ "1 2 3 4", "5 6 7 8", "9 10" }, seen.batches)
  end)

  on_clock("gives one result, or a stream of them", function()
    local p = new {}
    assert.same({ id = 1, data = { text = "raw 1" }, processed_at = 1001 }, p:item(items(1)[1]))
    local ids = p:process(items(20)):map(function(r) return r.id end):take(3):collect()
    assert.same({ 1, 2, 3 }, ids)
  end)

  on_clock("works on so many at a time, and keeps the order all the same, unless told not to", function()
    local list = items(12)
    list[1].takes = "10s"
    local p, seen = new { concurrency = 3, batch = 20 }
    p:run(list)
    assert.equal(3, seen.most)
    assert.equal("1 2 3 4 5 6 7 8 9 10 11 12", seen.batches[1])
    p, seen = new { concurrency = 3, batch = 20, ordered = false }
    p:run(list)
    assert.matches(" 1$", seen.batches[1])
  end)

  on_clock("loads what several items share once, and nothing that is in the cache", function()
    local p, seen = new { key = function(item) return "raw:" .. item.id % 2 end }
    p:run(items(10))
    p:run(items(10))
    assert.equal(2, #seen.loads)
    p, seen = new { cache = false }
    p:run(items(2))
    p:run(items(2))
    assert.equal(4, #seen.loads)
  end)

  on_clock("passes on what it has when nothing more comes for a while", function()
    local p, seen = new { batch = 100, within = "5s" }
    @scope(function(s)
      local ch = s:channel(10)
      s:spawn(function()
        ch:send(items(1)[1])
        @sleep "1m"
        ch:close()
      end)
      s:spawn(p.run, p, ch)
      @sleep "10s"
      assert.same({ "1" }, seen.batches)
    end)
  end)

  on_clock("fills in defaults, and does without enriching", function()
    local p = stream_processor.new { schema = { type = "object", properties = { level = { default = "info" } } },
      build = function(item, data, at) return { item.id, data.level, at } end }
    assert.same({ { 1, "info", 1000 } }, p:process { { id = 1 } }:collect())
  end)

  on_clock("asks again as its policy says", function()
    local calls = 0
    local p, seen = new { policy = { retry = { attempts = 3, jitter = "none" }, attempt_timeout = "1s" }, load = function()
      calls = calls + 1
      if calls < 3 then @sleep "1h" end
      return { n = calls }
    end }
    assert.equal(1, p:run(items(1)).written)
    assert.same({ 3, 0 }, { calls, #seen.letters })
  end)
end)

describe("no sequential batch:", function()
  on_clock("items of one batch and of the next are enriched side by side", function()
    local p, seen = new { batch = 2, concurrency = 10 }
    assert.equal(2, p:run(items(20)).seconds)
    assert.equal(10, seen.most)
    assert.equal(10, #seen.batches)
  end)

  on_clock("and there are never more of them than it is told, however many there are", function()
    local p, seen = new { concurrency = 4 }
    p:run(items(500))
    assert.equal(4, seen.most)
  end)
end)

describe("no results dropped: an item that fails", function()
  on_clock("is a letter that says why, and the others go on", function()
    local list = items(5)
    list[2].bad = true
    local p, seen = new { name = "spec" }
    local done = p:run(list)
    assert.same({ 5, 4, 1 }, { done.read, done.written, done.failed })
    assert.same({ "1 3 4 5" }, seen.batches)
    assert.same({ { processor = "spec", item = list[2], stage = "enrich", kind = "spec.bad", error = "bad 2", at = 1001 } }, seen.letters)
    assert.equal(1, @metrics.counter("stream_items_total", { processor = "spec", outcome = "failed" }).value)
  end)

  on_clock("ends the run where there is nowhere for it to go", function()
    local list = items(5)
    list[2].bad = true
    local p, seen = new { dead = false, batch = 1, concurrency = 1 }
    assert.equal("spec.bad", fails(p.run, p, list).kind)
    assert.same({ "1" }, seen.batches)
    assert.equal("spec.bad", fails(p.item, p, list[2]).kind)
  end)

  on_clock("is told by what it did not fit, and what does not fit is not kept in the cache", function()
    local fits = false
    local p, seen = new { schema = { type = "object", properties = { text = { type = "string" } } },
      load = function() return { text = fits and "yes" or 1 } end }
    p:run(items(1))
    assert.same({ "validate", "validation" }, { seen.letters[1].stage, seen.letters[1].kind })
    assert.matches("must be a string", seen.letters[1].error)
    fits = true
    assert.equal(1, p:run(items(1)).written)
  end)

  on_clock("for which nothing is found, that has no id, or whose result is nothing, has failed too", function()
    local p, seen = new { load = function() return nil end }
    p:run(items(1))
    p:run { { raw = "no id" } }
    p = new { build = function() return nil end, dead = function(letter) seen.letters[#seen.letters + 1] = letter end }
    p:run(items(1))
    assert.same({ "stream_processor.absent", "stream_processor.key", "stream_processor.absent" },
      { seen.letters[1].kind, seen.letters[2].kind, seen.letters[3].kind })
  end)

  on_clock("with a cancellation of its own is a letter as well", function()
    local p, seen = new { cache = false, load = function() error(errors.cancelled(), 0) end }
    assert.equal(2, p:run(items(2)).failed)
    assert.equal("cancelled", seen.letters[1].kind)
  end)

  on_clock("may be handed on through a channel, which holds the run back", function()
    local list = items(6)
    for _, item in ipairs(list) do item.bad = true end
    @scope(function(s)
      local ch = s:channel()
      local p = new { dead = ch, cache = false }
      local run = s:async(p.run, p, list)
      @sleep "1m"
      assert.equal("parked", run.state)
      for i = 1, 6 do assert.equal(i, ch:recv().item.id) end
      assert.equal(6, run:await().failed)
    end)
  end)

  on_clock("is the end when too many have, or when the letters' own sink fails", function()
    local list = items(50)
    for _, item in ipairs(list) do item.bad = true end
    local p, seen = new { max_failures = 3 }
    local e = fails(p.run, p, list)
    assert.equal("stream_processor.too_many_failures", e.kind)
    assert.equal("spec.bad", e.cause.kind)
    assert.equal(4, #seen.letters)
    p = new { dead = function() errors.raise("spec.full", "full") end }
    assert.equal("spec.full", fails(p.run, p, list).kind)
  end)
end)

describe("no stream error turned into the end of the stream:", function()
  -- Pages of so many items; the offset that fails does so `times` times.
  local function source(total, bad, times, fields)
    local asked = {}
    return function(offset, size)
      asked[#asked + 1] = offset
      if offset == bad and times > 0 then
        times = times - 1
        errors.raise("spec.down", "down", fields or {})
      end
      local page = {}
      for id = offset + 1, math.min(offset + size, total) do page[#page + 1] = { id = id } end
      return page
    end, asked
  end

  on_clock("pages are read to the end, the short one included", function()
    local fetch, asked = source(25)
    assert.equal(25, stream_processor.pages(fetch, { size = 10 }):count())
    assert.same({ 0, 10, 20, 25 }, asked)
    assert.equal(5, stream_processor.pages(source(25), { size = 10, from = 20 }):count())
  end)

  on_clock("a page that fails is raised at the sink, with how far it had come", function()
    local p, seen = new { cache = false, batch = 5 }
    local e = fails(p.run, p, stream_processor.pages((source(40, 20, 1)), { size = 10 }))
    assert.same({ "spec.down", 20 }, { e.kind, e.offset })
    for _, ids in ipairs(seen.batches) do assert.is_nil(ids:find("21")) end
    e = fails(function() return p:process(stream_processor.pages((source(40, 20, 1)), { size = 10 })):collect() end)
    assert.equal("spec.down", e.kind)
  end)

  on_clock("a page that fails for a passing reason is asked for again, if that is wanted", function()
    local fetch, asked = source(15, 10, 2, { retryable = true })
    assert.equal(15, stream_processor.pages(fetch, { size = 10, retry = true }):count())
    assert.same({ 0, 10, 10, 10, 15 }, asked)
  end)

  on_clock("a source that fails in itself is no item that fails", function()
    local n = 0
    local p, seen = new {}
    local e = fails(p.run, p, function()
      n = n + 1
      if n == 3 then errors.raise("spec.broken", "broken") end
      return { id = n, raw = "" }
    end)
    assert.equal("spec.broken", e.kind)
    assert.same({}, seen.letters)
  end)

  on_clock("a server that ignores the offset is not read for ever; one that returns no list is told of", function()
    local e = fails(function() stream_processor.pages(function() return { { id = 1 } } end):count() end)
    assert.equal("stream_processor.page", e.kind)
    assert.equal("argument", fails(function() stream_processor.pages(function() return nil end):count() end).kind)
    local n = 0 -- items without an id cannot be told apart
    assert.equal(3, stream_processor.pages(function() n = n + 1 return n <= 3 and { "same" } or {} end):count())
  end)
end)

describe("back-pressure, end to end:", function()
  on_clock("a slow writer holds the source back", function()
    local pulled = 0
    local p = new { batch = 5, concurrency = 2, write = function() @sleep "1m" end }
    @scope(function(s)
      s:spawn(p.run, p, function()
        pulled = pulled + 1
        return pulled <= 1000 and { id = pulled, raw = "" } or nil
      end)
      @sleep "30s"
      assert.is_true(pulled <= 5 + 2 * 2 + 1, "pulled " .. pulled)
      s:cancel()
    end)
  end)
end)

describe("a table", function()
  local function with_tables(fn)
    database.with("memory", function(db)
      db.exec "create table done (id integer primary key, data text check (data not like '%never%'), processed_at real)"
      fn(db)
    end)
  end

  local function processor(db, more)
    local opts = { cache = false, load = function(item) return { text = item.text } end, write = { table = "done", db = db },
      dead = { table = "dead", db = db }, batch = 10, name = "spec" }
    for name, value in pairs(more or {}) do opts[name] = value end
    return stream_processor.new(opts)
  end

  it("has a row of each result, in place of one with the same key", function()
    with_tables(function(db)
      local p = processor(db)
      assert.equal(2, p:run({ { id = 1, text = "a" }, { id = 2, text = "b" } }).written)
      assert.equal(1, p:run({ { id = 2, text = "c" } }).written)
      assert.same({ '{"text":"a"}', '{"text":"c"}' }, { db.done.find(1).data, db.done.find(2).data })
    end)
  end)

  it("may have another key than its first", function()
    database.with("memory", function(db)
      db.exec "create table done (number integer primary key, id integer unique, data text, processed_at real)"
      local p = processor(db, { write = { table = "done", on = "id", db = db } })
      for _ = 1, 2 do assert.equal(3, p:run({ { id = 7, text = "a" }, { id = 8, text = "b" }, { id = 9, text = "c" } }).written) end
      assert.equal(3, db.done.count())
    end)
  end)

  it("takes the others of a batch when one row of it is refused", function()
    with_tables(function(db)
      local list = {}
      for i = 1, 25 do list[i] = { id = i, text = i == 13 and "never" or "ok" } end
      local done = processor(db):run(list)
      assert.same({ 25, 24, 1, 3 }, { done.read, done.written, done.failed, done.batches })
      assert.equal(24, db.done.count())
      local letter = db.dead.find(1)
      assert.same({ "write", "db.constraint", 13 }, { letter.stage, letter.kind, @json.decode(letter.item).id })
    end)
  end)

  it("of letters says which item it cannot keep, and why that failed", function()
    database.with("memory", function(db)
      local p = stream_processor.new { cache = false, dead = { table = "dead", db = db }, load = function() error("no luck", 0) end }
      local err = fails(p.run, p, { { id = 7, text = "\255" } })
      assert.equal("stream_processor.letter", err.kind)
      assert.matches("the item 7 cannot be a dead letter: .*not UTF%-8.*It failed with: no luck", err.message)
    end)
  end)

  it("of letters is run again: those that are written go, the others stay, one of each item", function()
    with_tables(function(db)
      local down = true
      local p = processor(db, { load = function(item)
        if down or item.id == 150 then errors.raise("spec.down", "down") end
        return { text = "x" }
      end })
      assert.equal(250, p:run(items(250)).failed)
      assert.equal(250, db.dead.count())
      processor(db, { name = "other", load = function() error("no") end }):run(items(1))
      down = false
      local done = p:redrive()
      assert.same({ 250, 249, 1 }, { done.read, done.written, done.failed })
      assert.equal(249, db.done.count())
      local rows = db.dead.all { processor = "spec" }
      assert.same({ 1, 150, 2 }, { #rows, @json.decode(rows[1].item).id, rows[1].times })
      assert.equal(1, db.dead.count { processor = "other" })
    end)
  end)

  it("is tried again when it is busy", function()
    with_tables(function(db)
      local calls = 0
      local p = processor(db)
      local put = p.writer.put
      p.writer.put = function(list)
        calls = calls + 1
        if calls == 1 then errors.raise("db.busy", "busy", { retryable = true }) end
        return put(list)
      end
      assert.equal(1, p:run({ { id = 1, text = "a" } }).written)
      assert.equal(2, calls)
    end)
  end)
end)

describe("misuse", function()
  it("is told with what was meant", function()
    assert.matches('did you mean "schema"', fails(stream_processor.new, { shcema = {} }).message)
    assert.matches('did you mean "retry"', fails(stream_processor.new, { policy = { rety = true } }).message)
    assert.equal("argument", fails(stream_processor.new, { batch = 0 }).kind)
    assert.equal("argument", fails(stream_processor.new, { write = 1 }).kind)
    assert.equal("argument", fails(stream_processor.new, { dead = 1 }).kind)
    assert.equal("argument", fails(stream_processor.new, { schema = { type = "nothing" } }).kind)
    assert.equal("argument", fails(stream_processor.pages, 1).kind)
    local p = stream_processor.new {}
    assert.matches("no table of dead letters", fails(p.redrive, p).message)
    for _, method in ipairs { "run", "process", "item", "redrive" } do
      assert.matches("called with a dot; write processor:" .. method, fails(p[method], {}).message, 1, true)
    end
    assert.equal("redrive", fails(function() return p.redirve end).suggestion)
    assert.matches("cache: table expected, got number 5", fails(stream_processor.new, { cache = 5 }).message, 1, true)
    p = stream_processor.new { build = function() return 5 end, write = { table = "x" } }
    assert.matches("write: the result: table expected, got number 5", fails(p.run, p, { { id = 1 } }).message, 1, true)
  end)
end)

it("whatever the order of tasks, each item is written once or a letter", function()
  for seed = 1, 20 do
    test.seed(seed, test.clock, function()
      local list = items(30)
      for i, item in ipairs(list) do item.takes, item.bad = 0.001 * (i % 4), i % 7 == 0 end
      local p, seen = new { batch = 4, concurrency = 3, ordered = seed % 2 == 0, cache = false }
      local done = p:run(list)
      assert.same({ 26, 4 }, { done.written, done.failed })
      local ids = {}
      for id in table.concat(seen.batches, " "):gmatch("%d+") do ids[#ids + 1] = tonumber(id) end
      if seed % 2 == 1 then table.sort(ids) end
      for i = 2, #ids do assert.is_true(ids[i] > ids[i - 1]) end
      assert.same({ 26, 4 }, { #ids, #seen.letters })
    end)
  end
end)

it("cancelled at every point, no item is written twice, and nothing is left behind", function()
  local cache = @cache.open("memory:")
  local n = test.sweep(function(b)
    local p = stream_processor.new { batch = 2, concurrency = 2, cache = cache, key = function(item) return b .. item.id end,
      load = function() @sleep(0) return {} end,
      write = function(list) @sleep(0) for _, r in ipairs(list) do b[r.id] = (b[r.id] or 0) + 1 end end }
    assert.equal(5, p:run(items(5)).written)
  end, {
    setup = function() return setmetatable({}, { __concat = function(_, id) return "k" .. id end }) end,
    check = function(b)
      for i = 1, 5 do assert((b[i] or 0) <= 1) end
      cache.clear()
    end,
  })
  assert.is_true(n > 5)
end)

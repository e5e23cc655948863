-- @stream: items pulled one by one through stages.

local function numbers(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

local function double(x)
  return x * 2
end

-- 1, 2, 3 … for ever; and how many were asked for.
local function counting()
  local asked = { n = 0 }
  return function()
    asked.n = asked.n + 1
    return asked.n
  end, asked
end

local function message(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal("argument", e.kind)
  return e.message
end

describe("a stream's source", function()
  it("may be a list, also one with n", function()
    assert.same({ "a", "b" }, @stream({ "a", "b" }):collect())
    assert.same({ 2, 4 }, @stream(@map({ 1, 2 }, double)):collect())
  end)

  it("may be an iterator function, a coroutine's too", function()
    assert.same({ "a", "b" }, @stream(("a b"):gmatch("%a")):collect())
    assert.same({ 1, 2 }, @stream(coroutine.wrap(function()
      coroutine.yield(1)
      @yield()
      coroutine.yield(2)
    end)):collect())
  end)

  it("may be a channel: until it is closed", function()
    local ch = @channel(3)
    ch:send(1)
    ch:send(false)
    ch:close()
    assert.same({ 1, false }, @stream(ch):collect())
  end)

  it("may be ticks", function()
    assert.equal(3, #@stream(@every("1ms")):take(3):collect())
  end)

  it("may be a stream: itself", function()
    local s = @stream { 1 }
    assert.equal(s, @stream(s))
  end)

  it("may be what a metatable's __stream returns", function()
    local object = setmetatable({ 3 }, { __stream = function(self) return { self[1], 4 } end })
    assert.same({ 3, 4 }, @stream(object):collect())
  end)

  it("may carry false", function()
    assert.same({ false, false }, @stream({ 1, 2 }):map(function() return false end):collect())
  end)

  it("unfolds a seed until the item is nil", function()
    local powers = @stream.unfold(1, function(n)
      if n <= 8 then return n, n * 2 end
    end)
    assert.same({ 1, 2, 4, 8 }, powers:collect())
  end)

  it("may be pages, read as they are needed", function()
    local read = {}
    local function page(cursor)
      cursor = cursor or 1
      read[#read + 1] = cursor
      return cursor == 2 and {} or { cursor * 10, cursor * 10 + 1 }, cursor < 4 and cursor + 1 or nil
    end
    assert.same({ 10, 11, 30 }, @stream.pages(page):take(3):collect())
    assert.same({ 1, 2, 3 }, read)
    assert.same({ 10, 11, 30, 31, 40, 41 }, @stream.pages(page):collect())
    assert.same({}, @stream.pages(function() end):collect())
  end)

  it("is not touched before a sink pulls", function()
    local next_number, asked = counting()
    local s = @stream(next_number):map(double, { concurrency = 2 }):buffer(2):chunks(2, { within = "1s" })
    @yield()
    assert.equal(0, asked.n)
    s:first()
    assert.is_true(asked.n > 0)
  end)
end)

describe("a stream's stage", function()
  local function through(list, stage, ...)
    local s = @stream(list)
    return s[stage](s, ...):collect()
  end
  local even = function(x) return x % 2 == 0 end
  local twice = function(x) return { x, x } end
  local cases = {
    { "map", { 1, 2 }, { 2, 4 }, double },
    { "filter", { 1, 2, 3, 4 }, { 2, 4 }, even },
    { "flat_map", { 1, 2 }, { 1, 1, 2, 2 }, twice },
    { "chunks", { 1, 2, 3 }, { { 1, 2 }, { 3 } }, 2 },
    { "take", { 1, 2, 3 }, { 1, 2 }, 2 },
    { "take_while", { 2, 4, 5, 6 }, { 2, 4 }, even },
    { "skip", { 1, 2, 3 }, { 3 }, 2 },
    { "buffer", { 1, 2, 3 }, { 1, 2, 3 }, 2 },
    { "on_error", { 1, 2, 3 }, { 1, 2, 3 }, "skip" },
    { "progress", { 1, 2 }, { 1, 2 }, function() end },
    { "merge", { 1, 2 }, { 1, 2 }, {} },
    { "take_until", { 1, 2 }, { 1, 2 }, @channel() },
    { "throttle", { 1, 2 }, { 1, 2 }, { acquire = function() end } },
  }
  for _, case in ipairs(cases) do
    local name, input, want, argument = unpack(case)
    it(name .. " passes on what it should, and nothing of nothing", function()
      assert.same(want, through(input, name, argument))
      assert.same({}, through({}, name, argument))
    end)
  end

  local yes = function() return true end
  local carrying = {
    ["map with concurrency"] = function(x) return x:map(function(v) return v end, { concurrency = 2 }) end,
    filter = function(x) return x:filter(yes) end,
    partition = function(x) return x:partition(yes):map(function(v) return v end):partition(yes):filter(yes) end,
    buffer = function(x) return x:buffer(1):merge({}):take_until(@channel()):take_while(yes):skip(0) end,
    chunks = function(x) return x:chunks(1, { within = "1s" }):flat_map(function(c) return c end) end,
    tee = function(x) local a, b = x:tee() b:close() return a end,
    on_error = function(x) return x:map(function(v) return v end, { concurrency = 2 }):on_error("skip"):progress(yes) end,
  }
  for name, stage in pairs(carrying) do
    it("carries false through " .. name, function()
      assert.same({ false, false }, stage(@stream({ false, false })):collect())
    end)
  end

  it("take pulls no more than it passes on", function()
    local next_number, asked = counting()
    assert.same({ 1, 2 }, @stream(next_number):take(2):collect())
    assert.equal(2, asked.n)
    assert.same({}, @stream(next_number):take(0):collect())
    assert.equal(2, asked.n)
  end)

  it("flat_map takes streams, with tasks too, and iterators", function()
    local function inner(x)
      if x == 1 then return @stream({ 1, 2 }):buffer(1) end
      return x == 2 and ("ab"):gmatch(".") or {}
    end
    assert.same({ 1, 2, "a", "b" }, @stream({ 1, 2, 3 }):flat_map(inner):collect())
  end)

  it("throttle acquires once for each item", function()
    local limiter = { n = 0 }
    function limiter:acquire(n) self.n = self.n + n end
    @stream(numbers(5)):throttle(limiter):count()
    assert.equal(5, limiter.n)
  end)

  it("progress tells the count at the end", function()
    local last
    @stream(numbers(5)):progress(function(p) last = p end, { every = "1h" }):count()
    assert.same({ 5, true }, { last.count, last.done })
    assert.is_true(last.rate >= 0 and last.elapsed >= 0)
  end)

  it("chunks gives what there is once its first item has waited so long", function()
    local ch = @channel(10)
    local chunks = @stream(ch):chunks(3, { within = "2ms" })
    for i = 1, 4 do ch:send(i) end
    assert.same({ 1, 2, 3 }, chunks())
    assert.same({ 4 }, chunks())
    @async(function() @sleep("3ms") ch:send(5) ch:close() end)
    assert.same({ 5 }, chunks())
    assert.is_nil(chunks())
  end)

  it("merge gives all of all, those of each in their order", function()
    local a, b = {}, {}
    for _, v in ipairs(@stream(numbers(50)):merge(@stream(numbers(50)):map(function(x) return -x end)):collect()) do
      table.insert(v > 0 and a or b, math.abs(v))
    end
    assert.same({ numbers(50), numbers(50) }, { a, b })
  end)

  it("take_until ends by a channel, a task and a stream, also while it waits", function()
    local stop = @channel(1)
    local seen = @stream(numbers(10)):map(function(x)
      if x == 4 then stop:close() end
      return x
    end):take_until(stop):collect()
    assert.is_true(#seen <= 4)
    assert.equal(0, @stream(@every("1h")):take_until(@async(function() @sleep("1ms") end)):count())
    assert.equal(0, @stream(@every("1h")):take_until(@stream(@every("1ms"))):count())
  end)

  it("tee gives all of it to two", function()
    local a, b = @stream(numbers(100)):tee()
    local x, y = @all(@(a:map(double):fold(function(s, v) return s + v end, 0)), @(b:collect()))
    assert.equal(10100, x)
    assert.same(numbers(100), y)
  end)

  it("tee goes on for one when the other has had enough, or is never used", function()
    local next_number = counting()
    local a, b = @stream(next_number):tee { buffer = 2 }
    local x, y = @all(@(a:take(3):count()), @(b:take(100):count()))
    assert.same({ 3, 100 }, { x, y })
    a, b = @stream(next_number):tee()
    b = b:take(100)
    a = nil -- luacheck: ignore
    for _ = 1, 3 do collectgarbage() end
    assert.equal(100, b:count())
  end)
end)

describe("map with concurrency", function()
  local function slow(x)
    for _ = 1, x % 5 do @yield() end
    return x
  end

  it("keeps the order", function()
    assert.same(numbers(100), @stream(numbers(100)):map(slow, { concurrency = 7 }):collect())
  end)

  it("gives what is ready first with ordered = false, and all of it", function()
    local first = @channel(1)
    local got = @stream(numbers(20)):map(function(x)
      if x == 1 then first:recv() elseif x == 3 then first:close() end
      return x
    end, { concurrency = 3, ordered = false }):collect()
    assert.is_true(got[1] ~= 1)
    table.sort(got)
    assert.same(numbers(20), got)
  end)

  it("calls no more at once than that, and as many if it can", function()
    local now, most = 0, 0
    @stream(numbers(50)):map(function(x)
      now = now + 1
      most = math.max(most, now)
      @yield()
      now = now - 1
      return x
    end, { concurrency = 4 }):count()
    assert.equal(4, most)
  end)

  it("pulls no further ahead than twice that", function()
    local next_number, asked = counting()
    local s = @stream(next_number):map(double, { concurrency = 4 })
    assert.equal(2, s())
    for _ = 1, 50 do @yield() end
    assert.is_true(asked.n <= 9)
    s:close()
  end)

  it("works behind another", function()
    local s = @stream(numbers(60)):map(slow, { concurrency = 3 }):map(slow, { concurrency = 5 }):buffer(3)
    assert.same(numbers(60), s:collect())
  end)

  it("of two streams goes on side by side", function()
    local there, back = @channel(), @channel()
    local function ping(x) there:send(x) return back:recv() end
    local function pong(x) back:send(there:recv() + x) return x end
    local a, b = @all(
      @(@stream(numbers(5)):map(ping, { concurrency = 2 }):count()),
      @(@stream(numbers(5)):map(pong, { concurrency = 2 }):count()))
    assert.same({ 5, 5 }, { a, b })
  end)
end)

describe("partition", function()
  it("keeps the order of one key, and lets others pass", function()
    local gate, seen = @channel(), {}
    @stream({ "a1", "a2", "b1", "a3", "b2" }):partition(function(x) return x:sub(1, 1) end):each(function(x)
      if x == "a1" then gate:recv() elseif x == "b2" then gate:close() end
      seen[#seen + 1] = x
    end)
    assert.same({ "b1", "b2", "a1", "a2", "a3" }, seen)
  end)

  it("never has two of one key under way, nor more than concurrency", function()
    local busy, now, most = {}, 0, 0
    local got = @stream(numbers(200)):partition(function(x) return x % 7 end, { concurrency = 3 }):map(function(x)
      assert.is_nil(busy[x % 7])
      busy[x % 7], now = true, now + 1
      most = math.max(most, now)
      for _ = 1, x % 3 do @yield() end
      busy[x % 7], now = nil, now - 1
      return x
    end):collect()
    assert.equal(3, most)
    table.sort(got)
    assert.same(numbers(200), got)
  end)

  it("filters", function()
    local got = @stream(numbers(10)):partition(function(x) return x end):filter(function(x) return x > 7 end):collect()
    table.sort(got)
    assert.same({ 8, 9, 10 }, got)
  end)
end)

describe("a stream's sink", function()
  it("each tells how many", function()
    local sum = 0
    assert.equal(3, @stream({ 1, 2, 3 }):each(function(x) sum = sum + x end))
    assert.equal(6, sum)
  end)

  it("collect raises stream.too_large beyond max", function()
    assert.equal(3, #@stream(numbers(3)):collect { max = 3 })
    local _, e = @try(function() return @stream(numbers(4)):collect { max = 3 } end)
    assert.equal("stream.too_large", e.kind)
  end)

  it("fold, count and first give one value; of nothing the first, 0 and nil", function()
    local sum = function(a, b) return a + b end
    assert.same({ 16, 3, 1 }, { @stream(numbers(3)):fold(sum, 10), @stream(numbers(3)):count(), @stream(numbers(3)):first() })
    assert.equal(10, @stream({}):fold(sum, 10))
    assert.equal(0, @stream({}):count())
    assert.is_nil(@stream({}):first())
  end)

  it("to a channel sends all and closes it", function()
    local ch = @channel()
    local sent = @async(function() return @stream(numbers(5)):to(ch) end)
    assert.same(numbers(5), @stream(ch):collect())
    assert.equal(5, sent:await())
  end)

  it("to a channel leaves it open with close = false", function()
    local ch = @channel(5)
    @stream(numbers(2)):to(ch, { close = false })
    assert.is_false(ch.closed)
  end)

  it("may be a loop", function()
    local seen = {}
    for x in @stream(numbers(3)):map(double) do seen[#seen + 1] = x end
    for x in @stream(numbers(3)):map(double, { concurrency = 2 }) do seen[#seen + 1] = x end
    assert.same({ 2, 4, 6, 2, 4, 6 }, seen)
  end)

  it("in two tasks at once do not disturb each other", function()
    local function sum(n)
      return @(@stream(numbers(n)):buffer(2):map(function(x) @yield() return x end, { concurrency = 3 })
        :fold(function(a, b) return a + b end, 0))
    end
    local a, b = @all(sum(10), sum(20))
    assert.same({ 55, 210 }, { a, b })
  end)
end)

describe("a stream used wrongly says so", function()
  local cases = {
    ["no source"] = { function() return @stream() end, "source: " },
    ["a number as a source"] = { function() return @stream(5) end, "source: .* got number" },
    ["a table with keys"] = { function() return @stream { a = 1 } end, "list expected" },
    ["pairs"] = { function() return @stream(pairs {}) end, "one value expected" },
    ["a colon at the namespace"] = { function() return @stream:pages(print) end, "with a dot" },
    ["no function"] = { function() return @stream({}):map() end, "fn: function expected" },
    ["an unknown option"] = { function() return @stream({}):map(print, { concurency = 2 }) end, '"concurrency"' },
    ["concurrency 0"] = { function() return @stream({}):map(print, { concurrency = 0 }) end, "at least 1" },
    ["chunks of nothing"] = { function() return @stream({}):chunks(0) end, "n: at least 1" },
    ["a duration that is none"] = { function() return @stream({}):chunks(1, { within = "x" }) end, "within" },
    ["a limiter that is none"] = { function() return @stream({}):throttle {} end, "limiter: " },
    ["a stop that is none"] = { function() return @stream({}):take_until(5) end, "stop: " },
    ["a target that is none"] = { function() return @stream({}):to(5) end, "target: " },
    ["something merged that is no source"] = { function() return @stream({}):merge(5) end, "source: " },
    ["how = anything"] = { function() return @stream({}):on_error("stop") end, 'how: "skip"' },
    ["what cannot follow partition"] = { function() return @stream({}):partition(print).take end, "after :partition" },
  }
  for name, case in pairs(cases) do
    it("given " .. name, function()
      local text = message(case[1])
      assert.is_truthy(text:find(case[2]), text)
    end)
  end

  it("at the caller's line", function()
    local _, e = @try(function() return @stream({ 1 }):take(-1) end)
    assert.equal(debug.getinfo(1, "l").currentline - 1, e.site.line)
  end)

  it("at the stage's line, when what it was given misbehaves in a task", function()
    local _, e = @try(function()
      return @stream({ 1 }):map(function() end, { concurrency = 2 }):count()
    end)
    assert.equal(debug.getinfo(1, "l").currentline - 2, e.site.line)
  end)

  it("when it is used twice", function()
    local s = @stream { 1 }
    s:count()
    assert.truthy(message(s.count, s):find("used already, by count", 1, true))
    s = @stream { 1 }
    s:map(double)
    assert.truthy(message(s.filter, s, double):find("used already, by map", 1, true))
  end)

  it("when a method is called with a dot", function()
    assert.equal("called with a dot; write stream:count() with a colon", message(@stream({}).count))
    local p = @stream({}):partition(double)
    assert.equal("called with a dot; write partition:map() with a colon", message(p.map, double))
  end)

  it("when a function returns nil, with or without tasks", function()
    local function nothing() end
    assert.truthy(message(function() @stream({ 1 }):map(nothing):count() end):find("map: what fn returned is nil", 1, true))
    assert.truthy(message(function() @stream({ 1 }):map(nothing, { concurrency = 2 }):count() end):find("is nil", 1, true))
    assert.truthy(message(function() @stream({ n = 2 }):count() end):find("item 1 of the list is nil", 1, true))
  end)
end)

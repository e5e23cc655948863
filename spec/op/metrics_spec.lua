-- @metrics: counters, gauges, histograms, and what the host tells of itself.
local program = require "spec.support.program"
local test = require "tusk.test"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

-- fn(prefix): names that begin with it are forgotten afterwards.
local function named(fn)
  return function()
    local ok, e = pcall(fn, "spec_")
    for _, metric in ipairs(@metrics.snapshot()) do
      if metric.name:find "^spec_" then @metrics.remove(metric.name) end
    end
    if not ok then error(e, 0) end
  end
end

local function find(name)
  for _, metric in ipairs(@metrics.snapshot()) do
    if metric.name == name then return metric end
  end
end

-- The lines of the text about one name.
local function lines(name)
  local out = {}
  for line in @metrics.prometheus():gmatch "[^\n]+" do
    if line:find(name, 1, true) then out[#out + 1] = line end
  end
  return out
end

describe("@metrics.counter", function()
  it("grows", named(function()
    local c = @metrics.counter "spec_c"
    c:inc()
    c:inc(2.5)
    c:inc(0)
    assert.equal(3.5, c.value)
    assert.same({ name = "spec_c", type = "counter", samples = { { labels = {}, value = 3.5 } } }, find "spec_c")
  end))

  it("is the same object for the same labels, in whatever order and type", named(function()
    local c = @metrics.counter("spec_c", { a = 1, b = true })
    assert.equal(c, @metrics.counter("spec_c", { b = "true", a = "1" }))
    assert.not_equal(c, @metrics.counter("spec_c", { a = 1, b = false }))
  end))

  it("takes values with zeros and digits for what they are", named(function()
    @metrics.counter("spec_c", { a = "1:x", b = "" }):inc()
    @metrics.counter("spec_c", { a = "", b = "1:x" }):inc(2)
    @metrics.counter("spec_c", { a = "\0", b = "" }):inc(4)
    assert.equal(3, #find "spec_c".samples)
  end))

  it("does not shrink", named(function()
    local c = @metrics.counter "spec_c"
    assert.matches("only grows", fails(c.inc, c, -1).message)
    assert.matches("only grows", fails(c.inc, c, 0 / 0).message)
    assert.equal("argument", fails(c.inc, c, "1").kind)
    assert.equal(0, c.value)
  end))

  it("is used by tasks side by side", named(function()
    @scope(function(s)
      for _ = 1, 50 do
        s:spawn(function()
          @metrics.counter("spec_c"):inc()
          @yield()
          @metrics.counter("spec_c"):inc()
        end)
      end
    end)
    assert.equal(100, @metrics.counter("spec_c").value)
  end))

  it("can be used where nothing may wait", named(function()
    table.sort({ 2, 1 }, function(a, b)
      @metrics.counter("spec_c"):inc()
      return a < b
    end)
    assert.is_true(@metrics.counter("spec_c").value > 0)
  end))
end)

describe("@metrics.gauge", function()
  it("goes up and down", named(function()
    local g = @metrics.gauge("spec_g", { room = "a" }, { help = "how warm" })
    g:set(20)
    g:inc()
    g:dec(0.5)
    g:dec()
    assert.equal(19.5, g.value)
    assert.equal("how warm", find "spec_g".help)
  end))

  it("is read when somebody looks", named(function()
    local n = 0
    @metrics.gauge("spec_g", nil, { read = function()
      n = n + 1
      return n
    end })
    assert.same({ "# TYPE spec_g gauge", "spec_g 1" }, lines "spec_g")
    assert.equal(2, find "spec_g".samples[1].value)
  end))

  it("takes numbers only", named(function()
    local g = @metrics.gauge "spec_g"
    assert.matches("a number is needed, got a string", fails(g.set, g, "3").message)
    assert.matches("write gauge:set%(%) with a colon", fails(g.set, 3).message)
    local e = fails(function() return g.rest end)
    assert.matches('a gauge has no "rest"', e.message)
    assert.same({ "it has: dec, inc, labels, set, value" }, e.help)
  end))
end)

describe("@metrics.histogram", function()
  it("counts values up to each bound", named(function()
    local h = @metrics.histogram("spec_h", nil, { buckets = { 1, 2, 4 } })
    for _, v in ipairs { 0, 1, 1.5, 4, 4.5, math.huge } do h:observe(v) end
    local sample = find "spec_h".samples[1]
    assert.equal(6, sample.count)
    assert.same({ { le = 1, count = 2 }, { le = 2, count = 3 }, { le = 4, count = 4 }, { le = math.huge, count = 6 } },
      sample.buckets)
    assert.same({
      "# TYPE spec_h histogram", 'spec_h_bucket{le="1"} 2', 'spec_h_bucket{le="2"} 3', 'spec_h_bucket{le="4"} 4',
      'spec_h_bucket{le="+Inf"} 6', "spec_h_sum +Inf", "spec_h_count 6",
    }, lines "spec_h")
  end))

  it("measures what a function takes, also one that waits and one that fails", named(function()
    test.clock(function()
      local h = @metrics.histogram "spec_h"
      assert.same({ 1, nil, 3 }, { h:time(function(...)
        @sleep "2s"
        return ...
      end, 1, nil, 3) })
      assert.matches("broken", fails(h.time, h, function()
        @sleep "5s"
        error "broken"
      end))
      assert.equal(2, h.count)
      assert.equal(7, h.sum)
    end)
  end))

  it("ends with a cancelled task, and counts it", named(function()
    test.clock(function()
      local h = @metrics.histogram "spec_h"
      local e = fails(@timeout, "3s", function() h:time(@sleep, "1h") end)
      assert.equal("timeout", e.kind)
      assert.equal(3, h.sum)
    end)
  end))

  it("keeps its bounds", named(function()
    @metrics.histogram("spec_h", { a = 1 }, { buckets = { 1, 2 } })
    local h = @metrics.histogram("spec_h", { a = 2 })
    h:observe(2)
    assert.equal(3, #find "spec_h".samples[2].buckets)
    assert.matches("has others already",
      fails(@metrics.histogram, "spec_h", { a = 3 }, { buckets = { 1 } }).message)
  end))

  it("refuses bounds that are none, and NaN", named(function()
    for _, buckets in ipairs { {}, { 2, 1 }, { 1, 1 }, { "1" }, { 0 / 0 } } do
      assert.equal("argument", fails(@metrics.histogram, "spec_h", nil, { buckets = buckets }).kind)
    end
    local h = @metrics.histogram "spec_h"
    assert.matches("NaN", fails(h.observe, h, 0 / 0).message)
    assert.equal(0, h.count)
  end))
end)

describe("@metrics", function()
  it("says what is wrong with a name", named(function()
    assert.matches('such as "a_b"', fails(@metrics.gauge, "a.b").message)
    assert.matches('such as "_9"', fails(@metrics.gauge, "9").message)
    assert.matches("the host's own", fails(@metrics.gauge, "tusk_x").message)
    assert.equal("argument", fails(@metrics.gauge, 7).kind)
    @metrics.gauge "spec_g"
    assert.matches("spec_g is a gauge, not a counter", fails(@metrics.counter, "spec_g").message)
  end))

  it("says what is wrong with labels", named(function()
    @metrics.counter("spec_c", { route = "/" })
    assert.matches("spec_c has route; got path", fails(@metrics.counter, "spec_c", { path = "/" }).message)
    assert.matches("spec_c has route; got none", fails(@metrics.counter, "spec_c").message)
    for _, name in ipairs { "a b", "__x", "le", 1 } do
      assert.matches("no name of a label", fails(@metrics.counter, "spec_d", { [name] = "x" }).message)
    end
    assert.matches("route is a string, number or boolean", fails(@metrics.counter, "spec_c", { route = {} }).message)
    assert.matches("did you mean \"help\"", fails(@metrics.counter, "spec_c", { route = "/" }, { hepl = "x" }).message)
  end))

  it("holds so many series of a name and no more", named(function()
    for i = 1, 10000 do @metrics.counter("spec_c", { user = i }) end
    local e = fails(@metrics.counter, "spec_c", { user = "one more" })
    assert.equal("metrics.too_many", e.kind)
    assert.equal(10000, e.limit)
    assert.is_true(@metrics.remove("spec_c", { user = 5 }))
    assert.is_false(@metrics.remove("spec_c", { user = 5 }))
    @metrics.counter("spec_c", { user = "one more" })
  end))

  it("forgets what is removed", named(function()
    @metrics.counter("spec_c"):inc()
    assert.is_true(@metrics.remove "spec_c")
    assert.is_false(@metrics.remove "spec_c")
    assert.is_nil(find "spec_c")
    assert.equal(0, @metrics.gauge("spec_c").value)
  end))

  it("writes text that can be read back", named(function()
    @metrics.gauge("spec_g", { a = 'x\\"\ny', b = "2" }, { help = "one\\two\nthree" }):set(0.1)
    @metrics.gauge("spec_g", { a = "", b = "1" }):set(-1 / 0)
    @metrics.gauge("spec_g", { a = "", b = "0" }):set(2 ^ 53)
    assert.same({
      "# HELP spec_g one\\\\two\\nthree", "# TYPE spec_g gauge", 'spec_g{a="",b="0"} 9007199254740992',
      'spec_g{a="",b="1"} -Inf', 'spec_g{a="x\\\\\\"\\ny",b="2"} 0.1',
    }, lines "spec_g")
  end))

  it("tells of the host", function()
    @yield()
    local tasks, holds = find "tusk_tasks", find "tusk_loop_hold_seconds"
    assert.is_true(tasks.samples[1].value >= 1)
    local sample = holds.samples[1]
    assert.equal(sample.count, sample.buckets[#sample.buckets].count)
    assert.is_true(sample.count > 0 and sample.sum > 0)
    for i = 2, #sample.buckets do assert.is_true(sample.buckets[i].count >= sample.buckets[i - 1].count) end
    assert.is_true(find "tusk_memory_bytes".samples[1].value > 10000)
  end)

  it("tells of pools that have a name, as long as they are there", function()
    local pool = @pool { name = "spec", open = function() return {} end, max = 3 }
    local nameless = @pool { open = function() return {} end }
    pool:with(function()
      assert.same({ { labels = { pool = "spec" }, value = 1 } }, find "tusk_pool_in_use".samples)
    end)
    assert.equal(1, find "tusk_pool_idle".samples[1].value)
    assert.equal(3, find "tusk_pool_max".samples[1].value)
    assert.is_table(nameless)
  end)

  -- The figure of that name with that label.
  local function figure(name, label, value)
    local metric = find(name)
    for _, sample in ipairs(metric and metric.samples or {}) do
      if sample.labels[label] == value then return sample.value end
    end
  end

  it("tells of caches that have a name", function()
    local cache = @cache.open("memory:", { name = "spec", size = "4KiB" })
    local function told(name) return figure("tusk_cache_" .. name, "cache", "spec") end
    cache.set("a", 1)
    cache.get("a")
    cache.get("none")
    cache.remember("b", "1h", @("x"))
    pcall(cache.remember, "c", "1h", error)
    assert.same({ 1, 3, 2, 1, 0 }, { told "hits_total", told "misses_total", told "loads_total", told "load_failures_total", told "loading" })
    assert.same({ 2, 4096, 0, 0 }, { told "entries", told "max_bytes", told "evictions_total", told "expirations_total" })
    for i = 1, 10 do cache.set("big" .. i, ("x"):rep(500)) end
    assert.is_true(told "evictions_total" > 0)
    assert.is_true(told "bytes" > 2000 and told "bytes" <= 4096)
    assert.is_nil(told "down")
    assert.matches('# TYPE tusk_cache_bytes gauge\n', @metrics.prometheus())
  end)

  it("tells of the default cache, of one being loaded, and of a server that is down", function()
    @cache.get("spec: none")
    assert.is_true(figure("tusk_cache_misses_total", "cache", "default") >= 1)
    local cache = @cache.open("redis://127.0.0.1:1/0", { name = "spec down" })
    assert.equal(0, figure("tusk_cache_down", "cache", "spec down"))
    local function quiet() end
    test.fake("log", { info = quiet, warn = quiet }, @scope, function(s)
      local go = s:channel()
      local task = s:spawn(cache.remember, "a", "1h", function() return (go:recv()) end)
      @sleep(0)
      while figure("tusk_cache_loading", "cache", "spec down") == 0 do @yield() end
      go:send(7)
      assert.equal(7, task:await())
    end)
    assert.equal(1, figure("tusk_cache_down", "cache", "spec down"))
    assert.is_nil(figure("tusk_cache_entries", "cache", "spec down"))
    cache.close()
  end)

  it("gives one figure for several of one name", function()
    local pools, breakers = {}, {}
    for i = 1, 2 do
      pools[i] = @pool { name = "spec twins", open = function() return {} end, max = i }
      breakers[i] = @breaker { name = "spec twins" }
    end
    breakers[1]:isolate()
    assert.equal(3, figure("tusk_pool_max", "pool", "spec twins"))
    assert.equal(3, figure("tusk_breaker_state", "name", "spec twins"))
    local seen = {}
    for line in @metrics.prometheus():gmatch "[^\n]+" do
      local series = line:match "^([^#].*) "
      assert.is_nil(series and seen[series], series)
      if series then seen[series] = true end
    end
    assert.equal(2, #pools)
  end)

  it("counts the calls of operators when it is asked to", function()
    local result = program.run({ "-e", [[
      for _ = 1, 3 do @file.exists("/") end
      pcall(@file.read, "/nowhere")
      pcall(@timeout, 0, function() @sleep(1) end)
      @async(function() @yield() end):await()
      for line in @metrics.prometheus():gmatch("[^\n]+") do
        if line:find("calls_total{", 1, true) and not line:find(" 0$") then print(line) end
      end
    ]] }, { env = { TUSK_METRICS__OPERATORS = "true" } })
    assert.equal("", result.stderr)
    assert.equal([[
tusk_operator_calls_total{operator="async",outcome="ok"} 1
tusk_operator_calls_total{operator="file.exists",outcome="ok"} 3
tusk_operator_calls_total{operator="file.read",outcome="error"} 1
tusk_operator_calls_total{operator="sleep",outcome="cancelled"} 1
tusk_operator_calls_total{operator="timeout",outcome="error"} 1
tusk_operator_calls_total{operator="yield",outcome="ok"} 1
]], result.stdout)
  end)

  it("shows the place of an error of a counted call", function()
    local result = program.run({ "-e", "@file.read('/nowhere')" }, { env = { TUSK_METRICS__OPERATORS = "true" } })
    assert.equal(1, result.status)
    assert.matches("error%[file.not_found%]: @file.read", result.stderr)
    assert.matches("%(command line%):1:1", result.stderr)
  end)
end)

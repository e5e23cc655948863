-- @cache in memory: values, times, bounds, copies.
local array = require "tusk.array"
local Memory = require "tusk.cache.memory"
local null = require "tusk.null"

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

-- A store whose clock the spec turns by pass(seconds).
local function store_of(size)
  local time = 1000
  local store = Memory.new(size, function() return time end)
  return store, function(seconds) time = time + seconds end
end

describe("@cache", function()
  before_each(function() @cache.clear() end)

  it("gives back what was set, nil for what was not", function()
    @cache.set("a", "text")
    @cache.set("b", false)
    @cache.set("c", { list = { 1, 2 }, big = 9007199254740993LL, empty = array {}, [1] = nil })
    assert.equal("text", @cache.get("a"))
    assert.is_false(@cache.get("b"))
    assert.same({ 1, 2 }, @cache.get("c").list)
    assert.is_true(@cache.get("c").big == 9007199254740993LL)
    assert.is_true(array.is(@cache.get("c").empty))
    assert.is_nil(@cache.get("none"))
  end)

  it("keeps tusk.null in lists", function()
    @cache.set("a", { 1, null, 3 })
    assert.equal(null, @cache.get("a")[2])
  end)

  it("keeps a copy, and gives each caller its own", function()
    local value = { deep = { n = 1 } }
    @cache.set("a", value)
    value.deep.n = 2
    local first = @cache.get("a")
    first.deep.n = 3
    assert.equal(1, @cache.get("a").deep.n)
  end)

  it("forgets, and tells whether there was something", function()
    @cache.set("a", 1)
    assert.is_true(@cache.has("a"))
    assert.is_true(@cache.forget("a"))
    assert.is_false(@cache.forget("a"))
    assert.is_false(@cache.has("a"))
  end)

  it("counts, from nothing too", function()
    assert.equal(1, @cache.incr("n"))
    assert.equal(6, @cache.incr("n", 5))
    assert.equal(4.5, @cache.incr("n", -1.5))
    @cache.set("s", "text")
    local e = failure(@cache.incr, "s")
    assert.equal("cache.type", e.kind)
  end)

  it("gets and sets several at once", function()
    @cache.set_many({ a = 1, b = { 2 } }, "1h")
    assert.same({ a = 1, b = { 2 } }, @cache.get_many { "a", "b", "none" })
  end)

  it("with a prefix is the same cache under other keys", function()
    local users = @cache.with { prefix = "user:" }
    users.set("1", "ann")
    @cache.set("2", "other")
    assert.equal("ann", @cache.get("user:1"))
    assert.equal("ann", users.get("1"))
    assert.equal("x", users.with({ prefix = "x:" }).remember("k", nil, function() return "x" end))
    assert.equal("x", @cache.get("user:x:k"))
    users.clear()
    assert.is_false(@cache.has("user:1"))
    assert.is_false(@cache.has("user:x:k"))
    assert.is_true(@cache.has("2"))
  end)

  it("tells what it holds and has done", function()
    local before = @cache.stats()
    @cache.set("a", "x")
    @cache.get("a")
    @cache.get("none")
    local after = @cache.stats()
    assert.same({ 1, 1, 1 },
      { after.entries, after.hits - before.hits, after.misses - before.misses })
    assert.is_true(after.bytes > 0 and after.size == 64 * 2 ^ 20)
  end)

  it("lets other tasks run however many hits there are", function()
    @cache.set("a", 1)
    local seen = false
    local waiting = @async(function()
      @yield()
      seen = true
    end)
    local n = 0
    while not seen and n < 100000 do
      @cache.get("a")
      n = n + 1
    end
    waiting:await()
    assert.is_true(n < 100000)
  end)

  it("refuses to work where a task cannot wait, also on a hit", function()
    @cache.set("a", 1)
    local e = failure(function() table.sort({ 2, 1 }, function() return @cache.get("a") == 2 end) end)
    assert.equal("operator", e.kind)
  end)

  describe("refuses with an argument error", function()
    local loop = {}
    loop.a = { loop }
    local cases = {
      ["functions, and says where"] = { function() @cache.set("a", { x = { print } }) end, "value.x[1]: a function" },
      ["userdata"] = { function() @cache.set("a", io.stdout) end, "value: a userdata" },
      ["cycles"] = { function() @cache.set("a", loop) end, "value.a[1]: a table that contains itself" },
      ["mixed tables"] = { function() @cache.set("a", { 1, x = 2 }) end, "both list items and named fields" },
      ["lists with holes"] = { function() @cache.set("a", { 1, nil, 3 }) end, "holes" },
      ["not a number"] = { function() @cache.set("a", { 0 / 0 }) end, "value[1]" },
      ["nil"] = { function() @cache.set("a", nil) end, "use forget" },
      ["keys that are no strings"] = { function() @cache.get(5) end, "key: string expected" },
      ["a time that is none"] = { function() @cache.set("a", 1, "soon") end, "not a duration" },
      ["a time of nothing"] = { function() @cache.set("a", 1, 0) end, "more than nothing" },
      ["unknown options"] = { function() @cache.remember("a", { tll = 1 }, print) end, 'did you mean "ttl"' },
      ["no function to load with"] = { function() @cache.remember("a", "1h") end, "fn: function expected" },
      ["a colon for a dot"] = { function() local c = @cache.with { prefix = "x" } c:get("a") end, "with a dot" },
    }
    for name, case in pairs(cases) do
      it(name, function()
        local e = failure(case[1])
        assert.equal("argument", e.kind)
        assert.truthy(e.message:find(case[2], 1, true), e.message)
      end)
    end
  end)
end)

describe("the memory of @cache", function()
  it("lets values expire, and live on when touched", function()
    local store, pass = store_of(1e6)
    store:set("a", 1, 10)
    store:set("b", 2, 10)
    store:set("c", 3)
    pass(9.9)
    assert.same({ true, 1 }, { store:get("a") })
    assert.is_true(store:touch("b", 10))
    pass(0.1)
    assert.is_false((store:get("a")))
    assert.same({ true, 2 }, { store:get("b") })
    pass(1e9)
    assert.is_false(store:touch("b", 10))
    assert.same({ true, 3 }, { store:get("c") })
    assert.equal(1, store:stats().entries)
  end)

  it("counts with the time it was first given", function()
    local store, pass = store_of(1e6)
    store:incr("n", 1, 10)
    pass(9)
    assert.equal(2, store:incr("n", 1, 10))
    pass(1)
    assert.equal(1, store:incr("n", 1, 10))
  end)

  it("remembers an absence for its time", function()
    local store, pass = store_of(1e6)
    store:set_absent("a", 5)
    local found, value = store:get("a")
    assert.is_true(found)
    assert.is_nil(value)
    assert.is_false(store:has("a"))
    pass(5)
    assert.is_false((store:get("a")))
  end)

  it("gives up what has expired first, then what was not used for longest", function()
    local store, pass = store_of(10000)
    local kilobyte = ("x"):rep(1000)
    store:set("used", kilobyte)
    store:set("unused", kilobyte)
    for i = 1, 6 do store:set("short" .. i, kilobyte, i) end
    store:get("used")
    pass(6)
    store:set("new1", kilobyte)
    assert.is_table(store.entries.unused) -- looking by has() would be a use
    for i = 1, 6 do store:set("more" .. i, kilobyte) end
    assert.is_true(store:has("used"))
    assert.is_false(store:has("unused"))
    assert.is_true(store:stats().bytes <= 10000)
  end)

  it("never holds more than its size, whatever is done to it", function()
    math.randomseed(2)
    local store, pass = store_of(50000)
    local model = {}
    for _ = 1, 20000 do
      local key, how = "k" .. math.random(60), math.random(10)
      if how <= 5 then
        local value, ttl = ("v"):rep(math.random(2000)), math.random(3) > 1 and math.random(50) or nil
        store:set(key, value, ttl)
        model[key] = value
      elseif how <= 8 then
        local found, value = store:get(key)
        if found then assert.is_true(value == model[key]) end
      elseif how == 9 then
        store:touch(key, math.random(50))
      else
        store:forget(key)
        model[key] = nil
      end
      if math.random(20) == 1 then pass(1) end
      assert.is_true(store.bytes <= 50000)
    end
    pass(51)
    for i = 1, 60 do store:forget("k" .. i) end
    assert.same({ 0, 0, 0 }, { store.bytes, store.count, store.ndue })
  end)

  it("refuses a value larger than all of it", function()
    local e = failure(function() Memory.new(1000):set("a", ("x"):rep(1000)) end)
    assert.equal("cache.too_large", e.kind)
  end)
end)

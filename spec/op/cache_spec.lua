-- @cache: the operator itself, and the memory.
local Memory = require "tusk.cache.memory"

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

  it("is in memory unless something else was asked for", function()
    local before = @cache.stats()
    @cache.set("a", "x")
    @cache.get("a")
    @cache.get("none")
    local after = @cache.stats()
    assert.same({ 1, 1, 1 }, { after.entries, after.hits - before.hits, after.misses - before.misses })
    assert.is_true(after.bytes > 0 and after.size == 64 * 2 ^ 20)
  end)

  it("opens others, each by itself", function()
    local one, two = @cache.open("memory:"), @cache.open("memory:", { size = "1MiB" })
    one.set("a", 1)
    assert.is_nil(two.get("a"))
    assert.is_nil(@cache.get("a"))
    assert.equal(2 ^ 20, two.stats().size)
  end)

  it("is seen to be the same by a view", function()
    local view = @cache.with { prefix = "p:" }
    view.set("a", 1)
    assert.equal(1, @cache.get("p:a"))
    @cache.clear()
    assert.is_nil(view.get("a"))
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
      ["times without a ttl"] = { function() @cache.remember("a", { stale = "1h" }, print) end, "stale needs a ttl" },
      ["a jitter that is no part"] = { function() @cache.remember("a", { ttl = 1, jitter = 2 }, print) end, "jitter: a part" },
      ["a refresh after the end"] = { function() @cache.remember("a", { ttl = 1, refresh_ahead = 2 }, print) end, "refresh_ahead: less than" },
      ["tags that are no list"] = { function() @cache.set("a", 1, { tags = { x = 1 } }) end, "tags: a list" },
      ["tags that are no strings"] = { function() @cache.with { tags = { 1 } } end, "tags[1]: string expected" },
      ["more tags than anybody needs"] = { function()
        local tags = {}
        for i = 1, 101 do tags[i] = "t" .. i end
        @cache.set("a", 1, { tags = tags })
      end, "at most 100" },
      ["tags without a name"] = { function() @cache.set("a", 1, { tags = { "" } }) end, "a tag has a name" },
      ["a tag that is none"] = { function() @cache.forget_tag() end, "tag: string expected" },
      ["keys that are no list"] = { function() @cache.get_many("a") end, "keys: table expected" },
      ["keys of several that are no strings"] = { function() @cache.set_many({ 1 }) end, "key: string expected" },
      ["a URL of something else"] = { function() @cache.open("memcached://x") end, "is no cache" },
      ["options of another store"] = { function() @cache.open("memory:", { prefix = "x" }) end, "prefix: an option of" },
      ["options of a view that are none"] = { function() @cache.with { perfix = "x" } end, 'did you mean "prefix"' },
      ["functions of a view that are none"] = { function() @cache.with({ prefix = "x" }).gte("a") end, 'did you mean "get"' },
      ["a colon for a dot in others"] = { function() local c = @cache.with { prefix = "x" } c:forget_tag("a") end, "with a dot" },
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
  it("remembers an absence for its time", function()
    local store, pass = store_of(1e6)
    store:land(true, "a", nil, 5)
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
        local tags = math.random(2) == 1 and { "t" .. math.random(5), "u" .. math.random(2) } or nil
        store:set(key, value, ttl, math.random(0, 3), tags)
        model[key] = { value, tags or {} }
      elseif how <= 8 then
        local found, value = store:get(key)
        if found then assert.is_true(value == model[key][1]) end
      elseif how == 9 then
        store:touch(key, math.random(50))
        if math.random(10) == 1 then
          local tag = "t" .. math.random(5)
          store:forget_tag(tag)
          for other, entry in pairs(model) do
            if entry[2][1] == tag then model[other] = nil end
          end
        end
      else
        store:forget(key)
        model[key] = nil
      end
      if math.random(20) == 1 then pass(1) end
      assert.is_true(store.bytes <= 50000)
    end
    pass(54)
    for i = 1, 60 do store:forget("k" .. i) end
    assert.same({ 0, 0, 0 }, { store.bytes, store.count, store.due.n })
  end)

  it("gives up what has a forgotten tag first, a little at each set", function()
    local store = store_of(100000)
    for i = 1, 20 do store:set("t" .. i, 1, nil, 0, { "x" }) end
    store:set("kept", 1)
    store:forget_tag("x")
    assert.equal(21, store:stats().entries)
    for i = 1, 10 do store:set("n" .. i, 1) end
    assert.equal(11, store:stats().entries)
    assert.is_true(store:has("kept"))
    assert.equal(0, store:stats().evictions)
  end)

  it("gives up all that has a forgotten tag before what was not used for longest", function()
    local store = store_of(10000)
    local kilobyte = ("x"):rep(1000)
    store:set("unused", kilobyte)
    for i = 1, 6 do store:set("t" .. i, kilobyte, nil, 0, { "x", "y" .. i }) end
    store:forget_tag("x")
    store:set("large", ("x"):rep(7000))
    assert.is_true(store:has("unused"))
    assert.same({ 0, 2 }, { store:stats().evictions, store:stats().entries })
    assert.same({}, store.groups.by_tag)
    assert.same({}, store.groups.dead)
  end)

  it("keeps what is old for those who may have it, and not longer", function()
    local store, pass = store_of(1e6)
    store:set("a", "v", 10, 5)
    pass(10)
    assert.is_false((store:get("a")))
    assert.same({ true, "v", 0 }, { store:look("a") })
    pass(4)
    assert.same({ true, "v", -4 }, { store:look("a") })
    pass(1)
    assert.is_false((store:look("a")))
    assert.equal(0, store:stats().entries)
  end)

  it("refuses a value larger than all of it", function()
    local e = failure(function() Memory.new(1000):set("a", ("x"):rep(1000)) end)
    assert.equal("cache.too_large", e.kind)
  end)
end)

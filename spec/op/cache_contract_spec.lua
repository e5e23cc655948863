-- @cache: what every store does.
local array = require "tusk.array"
local caches = require "spec.support.caches"
local ffi = require "ffi"
local null = require "tusk.null"

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

-- Equal in every respect that a value can have, which assert.same does not look at.
local function is_exact(a, b, path)
  path = path or "value"
  assert.equal(type(a), type(b), path)
  if type(a) == "table" then
    assert.equal(array.is(a), array.is(b), path)
    for k, v in pairs(a) do is_exact(v, b[k], path .. "." .. tostring(k)) end
    for k in pairs(b) do assert.is_true(a[k] ~= nil, path .. "." .. tostring(k)) end
  elseif type(a) == "cdata" then
    assert.is_true(ffi.typeof(a) == ffi.typeof(b) and a == b, path)
  else
    assert.is_true(a == b and (a ~= 0 or 1 / a == 1 / b), path)
  end
end

local BYTES = {}
for i = 0, 255 do BYTES[i + 1] = string.char(i) end
BYTES = table.concat(BYTES)

local VALUES = {
  text = "text", empty = "", bytes = BYTES, long = ("\0x"):rep(70000),
  yes = true, no = false, null = null,
  zero = 0, minus_zero = -0.0, tenth = 0.1, negative = -1.5, large = 2 ^ 53 + 2, larger = 1.7976931348623157e308,
  tiny = 5e-324, third = 1 / 3,
  int64 = 9007199254740993LL, small_int64 = 5LL, least = -9223372036854775807LL - 1LL, uint64 = 18446744073709551615ULL,
  list = { 1, "two", false, null, { 3 } }, object = { a = 1, b = { c = { d = "deep" } }, [BYTES] = "binary name" },
  no_items = array {}, no_fields = {}, marked = array { 1, 2 },
  mixed = { list = array {}, object = {}, int = 1LL, null = null, nested = { { { array {} } } } },
}

for _, backend in ipairs(caches) do
  local function each(name, fn)
    it(name, function() backend.each(fn) end)
  end

  describe("@cache " .. backend.name, function()
    setup(backend.start)
    teardown(backend.stop)

    each("gives back what was set, nil for what was not", function(cache)
      assert.is_nil(cache.set("a", "text"))
      assert.equal("text", cache.get("a"))
      assert.is_nil(cache.get("none"))
      cache.set("a", "other")
      assert.equal("other", cache.get("a"))
    end)

    each("gives back every kind of value exactly", function(cache)
      for name, value in pairs(VALUES) do
        cache.set(name, value, "1h")
        is_exact(value, cache.get(name), name)
        cache.set(name, value, { ttl = "1h", tags = { "tag" } })
        is_exact(value, cache.get(name), name)
        is_exact(value, cache.remember("r:" .. name, { ttl = "1h", stale = "1h" }, @(value)), name)
        is_exact(value, cache.remember("r:" .. name, { ttl = "1h", stale = "1h" }, error), name)
      end
      local all = {}
      for name in pairs(VALUES) do all[#all + 1] = name end
      is_exact(VALUES, cache.get_many(all))
    end)

    each("takes any string for a key", function(cache)
      for i, key in ipairs { "", BYTES, "a*b", "[x]?\\", ("k"):rep(1000), "{slot}" } do
        cache.set(key, i)
        assert.equal(i, cache.get(key))
        assert.is_true(cache.forget(key))
      end
    end)

    each("keeps a copy, and gives each caller its own", function(cache)
      local value = { deep = { n = 1 } }
      cache.set("a", value)
      value.deep.n = 2
      local first = cache.get("a")
      first.deep.n = 3
      assert.equal(1, cache.get("a").deep.n)
      cache.remember("b", "1h", @(value)).deep.n = 4
      assert.equal(2, value.deep.n)
      assert.equal(2, cache.get("b").deep.n)
    end)

    each("lets values end with their time, and never before", function(cache, pass)
      cache.set("a", 1, "10s")
      cache.set("b", 2)
      pass(9)
      assert.equal(1, cache.get("a"))
      pass(1)
      assert.is_nil(cache.get("a"))
      assert.is_false(cache.has("a"))
      pass(1e7)
      assert.equal(2, cache.get("b"))
    end)

    each("forgets, and tells whether there was something", function(cache)
      cache.set("a", 1)
      assert.is_true(cache.has("a"))
      assert.is_true(cache.forget("a"))
      assert.is_false(cache.forget("a"))
      assert.is_false(cache.has("a"))
    end)

    each("sets the time of a value anew", function(cache, pass)
      cache.set("a", { 1 }, "10s")
      cache.set("b", { 2 }, { ttl = "10s", tags = { "t" } })
      assert.is_false(cache.touch("none", "1h"))
      pass(9)
      assert.is_true(cache.touch("a", "10s"))
      assert.is_true(cache.touch("b"))
      pass(9)
      assert.same({ 1 }, cache.get("a"))
      pass(1)
      assert.is_nil(cache.get("a"))
      assert.is_false(cache.touch("a", "10s"))
      pass(1e6)
      assert.same({ 2 }, cache.get("b"))
      cache.forget_tag("t")
      assert.is_false(cache.touch("b", "10s"))
      assert.is_nil(cache.get("b"))
    end)

    each("counts, from nothing too, and is as exact as numbers are", function(cache)
      assert.equal(1, cache.incr("n"))
      assert.equal(6, cache.incr("n", 5))
      assert.equal(4.5, cache.incr("n", -1.5))
      assert.equal(4.5, cache.get("n"))
      cache.set("n", 0.1)
      assert.equal(0.1 + 0.2, cache.incr("n", 0.2))
      cache.set("n", 2 ^ 53)
      assert.equal(2 ^ 53, cache.incr("n"))
      assert.equal(2 ^ 53 + 2, cache.incr("n", 2))
      assert.equal(1e308, cache.incr("m", 1e308))
      assert.equal("cache.type", failure(cache.incr, "m", 1e308).kind)
      assert.equal(1e308, cache.get("m"))
    end)

    each("counts with the time it was first given", function(cache, pass)
      cache.incr("n", 1, "10s")
      pass(9)
      assert.equal(2, cache.incr("n", 1, "10s"))
      pass(1)
      assert.equal(1, cache.incr("n", 1, "10s"))
      cache.set("t", 1, { ttl = "10s", tags = { "x" } })
      pass(9)
      assert.equal(2, cache.incr("t"))
      assert.equal(2, cache.get("t"))
      pass(1)
      assert.is_nil(cache.get("t"))
    end)

    each("does not count on what is no number", function(cache)
      for _, value in ipairs { "text", true, { 1 }, 5LL, null } do
        cache.set("s", value)
        local e = failure(cache.incr, "s")
        assert.equal("cache.type", e.kind)
        assert.equal("s", e.key)
        is_exact(value, cache.get("s"))
      end
    end)

    each("loses no count among tasks", function(cache)
      @scope(function(s)
        for _ = 1, 50 do
          s:spawn(function()
            for _ = 1, 4 do cache.incr("n") end
          end)
        end
      end)
      assert.equal(200, cache.get("n"))
    end)

    each("gets and sets several at once", function(cache, pass)
      cache.set_many({ a = 1, b = { 2 }, c = false }, "10s")
      assert.same({ a = 1, b = { 2 }, c = false }, cache.get_many { "a", "b", "none", "c" })
      assert.same({}, cache.get_many {})
      cache.set_many {}
      pass(10)
      assert.same({}, cache.get_many { "a", "b" })
      cache.set_many({ a = 1, b = 2 }, { tags = { "x" } })
      cache.set("c", 3)
      assert.same({ a = 1, b = 2, c = 3 }, cache.get_many { "a", "b", "c" })
      cache.forget_tag("x")
      assert.same({ c = 3 }, cache.get_many { "a", "b", "c" })
    end)

    each("sets all of several, or none", function(cache)
      cache.set("a", "old")
      local e = failure(cache.set_many, { a = 1, b = 2, c = print })
      assert.equal("argument", e.kind)
      assert.same({ a = "old" }, cache.get_many { "a", "b", "c" })
    end)

    each("forgets by tag all that have it, and what is set later lives", function(cache)
      cache.set("a", 1, { tags = { "x" } })
      cache.set("b", 2, { ttl = "1h", tags = { "x", "y" } })
      cache.set("c", 3, { tags = { "y" } })
      cache.set("d", 4)
      cache.remember("e", { tags = { "x" } }, @(5))
      cache.with({ tags = { "x" } }).incr("f", 6)
      assert.same({ a = 1, b = 2, c = 3, d = 4, e = 5, f = 6 }, cache.get_many { "a", "b", "c", "d", "e", "f" })
      cache.forget_tag("x")
      assert.same({ c = 3, d = 4 }, cache.get_many { "a", "b", "c", "d", "e", "f" })
      assert.is_false(cache.has("a"))
      assert.is_false(cache.forget("a"))
      assert.equal(1, cache.incr("a"))
      cache.set("b", 7, { tags = { "x", "y" } })
      cache.forget_tag("none")
      assert.equal(7, cache.get("b"))
      cache.forget_tag("y")
      assert.is_nil(cache.get("b"))
      assert.is_nil(cache.get("c"))
    end)

    each("drops the tags of a value with the value", function(cache)
      cache.set("a", 1, { tags = { "x" } })
      cache.set("a", 2)
      cache.forget_tag("x")
      assert.equal(2, cache.get("a"))
    end)

    each("with a prefix is the same cache under other keys", function(cache)
      local users = cache.with { prefix = "user:" }
      users.set("1", "ann")
      cache.set("2", "other")
      assert.equal("ann", cache.get("user:1"))
      assert.equal("ann", users.get("1"))
      assert.same({ ["1"] = "ann" }, users.get_many { "1", "2" })
      assert.equal("x", users.with({ prefix = "x:" }).remember("k", nil, @("x")))
      assert.equal("x", cache.get("user:x:k"))
      users.clear()
      assert.is_false(cache.has("user:1"))
      assert.is_false(cache.has("user:x:k"))
      assert.is_true(cache.has("2"))
    end)

    each("clears what begins with the prefix, whatever is in it", function(cache)
      for _, prefix in ipairs { "a*", "[b]", "c?", "d\\", "\0" } do
        cache.set(prefix .. "1", 1)
        cache.set("a1", 2)
        cache.with({ prefix = prefix }).clear()
        assert.is_nil(cache.get(prefix .. "1"))
        assert.equal(2, cache.get("a1"))
      end
      cache.clear()
      assert.is_nil(cache.get("a1"))
    end)

    each("puts the tags of a view on all that is set through it", function(cache)
      local tagged = cache.with({ prefix = "p:", tags = { "x" } }).with { tags = { "y" } }
      tagged.set("a", 1)
      tagged.set("b", 2, { tags = { "z" } })
      tagged.set_many { c = 3 }
      tagged.incr("d", 4)
      tagged.remember("e", "1h", @(5))
      local keys = { "p:a", "p:b", "p:c", "p:d", "p:e" }
      assert.same({ ["p:a"] = 1, ["p:b"] = 2, ["p:c"] = 3, ["p:d"] = 4, ["p:e"] = 5 }, cache.get_many(keys))
      cache.forget_tag("z")
      assert.is_nil(cache.get("p:b"))
      cache.forget_tag("y")
      assert.same({}, cache.get_many(keys))
    end)

    each("tells what it has done", function(cache)
      cache.set("a", "x")
      cache.get("a")
      cache.get("none")
      cache.remember("b", "1h", @(1))
      local stats = cache.stats()
      assert.same({ 1, 2, 1, 0 }, { stats.hits, stats.misses, stats.loads, stats.loading })
    end)

    each("refuses to work where a task cannot wait, also on a hit", function(cache)
      cache.set("a", 1)
      for _, call in ipairs {
        @(cache.get("a")), @(cache.has("a")), @(cache.set("a", 2)), @(cache.forget("a")), @(cache.touch("a")),
        @(cache.incr("a")), @(cache.get_many { "a" }), @(cache.set_many { a = 2 }), @(cache.forget_tag("x")),
        @(cache.clear()), @(cache.remember("a", nil, error)),
      } do
        local e = failure(function()
          table.sort({ 2, 1 }, function()
            call()
            return false
          end)
        end)
        assert.equal("operator", e.kind)
      end
      assert.equal(1, cache.get("a"))
    end)

    each("does nothing in a cancelled task", function(cache)
      cache.set("a", 1)
      for _, call in ipairs {
        @(cache.set("a", 2)), @(cache.forget("a")), @(cache.touch("a", 1)), @(cache.incr("a")),
        @(cache.set_many { a = 2 }), @(cache.clear()), @(cache.remember("b", nil, @(1))),
      } do
        local task = @async(function()
          pcall(@sleep, "1h")
          call()
        end)
        task:cancel()
        assert.equal("task_cancelled", failure(function() return task:await() end).kind)
      end
      assert.same({ a = 1 }, cache.get_many { "a", "b" })
    end)
  end)
end

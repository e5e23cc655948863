-- @cache.remember_many: several keys, and one function for those that are not there.
local caches = require "spec.support.caches"
local redis = require "spec.support.redis"
local test = require "tusk.test"

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return assert(e)
end

-- Loads that wait until they are told to go on; what each was asked for is in `asked`.
local function gated()
  local load = { asked = {}, begun = @channel(100), go = @channel(100) }
  function load.fn(keys)
    table.insert(load.asked, table.concat(keys, " "))
    load.begun:send(true)
    load.go:recv()
    local out = {}
    for _, key in ipairs(keys) do out[key] = key:upper() end
    return out
  end
  return load
end

local function upper(keys)
  local out = {}
  for _, key in ipairs(keys) do out[key] = key:upper() end
  return out
end

for _, kind in ipairs(caches) do
  describe("remember_many " .. kind.name, function()
    setup(function() kind.start() end)
    teardown(function() kind.stop() end)

    local function each(fn)
      return function() kind.each(fn) end
    end

    it("gives what is there and loads the rest, once", each(function(cache)
      cache.set("b", "there")
      local asked
      local values = cache.remember_many({ "a", "b", "c", "a" }, "1h", function(keys)
        asked = keys
        return { a = { 1 }, c = false, d = "nobody asked" }
      end)
      assert.same({ a = { 1 }, b = "there", c = false }, values)
      table.sort(asked)
      assert.same({ "a", "c" }, asked)
      values.a[1] = "spoilt"
      assert.same({ a = { 1 }, c = false }, cache.remember_many({ "a", "c" }, "1h", error))
      assert.is_nil(cache.get "d")
      assert.same({}, cache.remember_many({}, "1h", error))
    end))

    it("has no value for what the function has none for, and asks again, or not for negative_ttl", each(function(cache, pass)
      local n = 0
      local function none()
        n = n + 1
        return {}
      end
      for _ = 1, 2 do assert.same({}, cache.remember_many({ "a" }, "1h", none)) end
      assert.equal(2, n)
      for _ = 1, 2 do assert.same({}, cache.remember_many({ "a" }, { ttl = "1h", negative_ttl = "1m" }, none)) end
      assert.equal(3, n)
      pass(61)
      cache.remember_many({ "a" }, "1h", none)
      assert.equal(4, n)
    end))

    it("keeps for its ttl, under a prefix, with tags", each(function(cache, pass)
      local view = cache.with { prefix = "p:", tags = { "t" } }
      assert.same({ a = "A", b = "B" }, view.remember_many({ "a", "b" }, "1m", upper))
      assert.same({ "A", "B" }, { cache.get "p:a", cache.get "p:b" })
      cache.forget_tag "t"
      assert.is_nil(view.get "a")
      view.remember_many({ "a" }, { ttl = "1m", tags = { "u" } }, upper)
      pass(61)
      assert.is_nil(view.get "a")
    end))

    it("loads a key once for all who ask for it meanwhile, in whatever company", each(function(cache)
      local load = gated()
      local one = @async(cache.remember, "a", "1h", @(load.fn { "a" }.a))
      load.begun:recv()
      local two = @async(cache.remember_many, { "a", "b" }, "1h", load.fn)
      load.begun:recv()
      local three = @async(cache.remember_many, { "c", "b", "a" }, "1h", load.fn)
      load.begun:recv()
      local four = @async(cache.remember, "b", "1h", error)
      cache.get "something"
      for _ = 1, 3 do load.go:send(true) end
      assert.same({ "A", { a = "A", b = "B" }, { a = "A", b = "B", c = "C" }, "B" },
        { one:await(), two:await(), three:await(), four:await() })
      assert.same({ "a", "b", "c" }, load.asked)
    end))

    it("does not keep what was changed while it was loaded", each(function(cache)
      local load = gated()
      local task = @async(cache.remember_many, { "a", "b" }, "1h", load.fn)
      load.begun:recv()
      cache.set("a", "changed")
      load.go:send(true)
      assert.same({ a = "A", b = "B" }, task:await())
      assert.same({ "changed", "B" }, { cache.get "a", cache.get "b" })
    end))

    it("raises what the function raises for all who wait, and keeps nothing", each(function(cache)
      local load = gated()
      local task = @async(cache.remember_many, { "a", "b" }, "1h", function(keys)
        load.fn(keys)
        error("no luck")
      end)
      load.begun:recv()
      local other = @async(cache.remember, "b", "1h", @("never"))
      cache.get "something" -- whose answer comes after the other's first
      load.go:send(true)
      local err = failure(function() return task:await() end)
      assert.matches("no luck", err.message, 1, true)
      assert.equal(err, failure(function() return other:await() end))
      assert.same({ a = "A", b = "B" }, cache.remember_many({ "a", "b" }, "1h", upper))
    end))

    it("leaves no task behind, whether it went well or not", each(function(cache)
      test.leaks({ warm = true }, function()
        cache.remember_many({ "a", "b" }, "1h", upper)
        failure(cache.remember_many, { "c", "d" }, "1h", @(error "no luck"))
      end)
    end))

    it("goes on for the others when one who asks is cancelled", each(function(cache)
      local load = gated()
      local task = @async(cache.remember_many, { "a", "b" }, "1h", load.fn)
      load.begun:recv()
      local other = @async(cache.remember, "a", "1h", error)
      cache.get "something"
      task:cancel()
      load.go:send(true)
      assert.equal("A", other:await())
      assert.equal("B", cache.get "b")
    end))

    it("fails for what cannot be kept, and keeps the rest", each(function(cache)
      local err = failure(cache.remember_many, { "a", "b" }, "1h", @({ a = 1, b = print }))
      assert.same({ "argument", "value" }, { err.kind, err.path })
      assert.equal(1, cache.get "a")
      assert.matches("a table of values by key expected, got nil", failure(cache.remember_many, { "c" }, "1h", @(nil)).message, 1, true)
      assert.same({ c = "C" }, cache.remember_many({ "c" }, "1h", upper))
    end))

    it("that asks for its own keys is told", each(function(cache)
      local err = failure(cache.remember_many, { "a", "b" }, "1h", function()
        return { a = cache.remember("b", "1h", @(1)) }
      end)
      assert.equal("deadlock", err.kind)
    end))

    it("works after being cancelled anywhere", each(function(cache)
      test.sweep(function() cache.remember_many({ "a", "b" }, "1h", function(keys)
        @yield()
        return upper(keys)
      end) end, {
        setup = function() cache.clear() end,
        check = function() assert.same({ a = "A", b = "B" }, cache.remember_many({ "a", "b" }, "1h", upper)) end,
      })
    end))
  end)
end

describe("remember_many of two processes", function()
  it("that ask for the same keys in different order load each once, and do not wait for each other", function()
    local server = redis.start()
    local first, second = @cache.open(server.url), @cache.open(server.url)
    local loaded = {}
    local function slowly(keys)
      for _, key in ipairs(keys) do loaded[key] = (loaded[key] or 0) + 1 end
      @sleep "20ms"
      return upper(keys)
    end
    local keys, back = {}, {}
    for i = 1, 50 do keys[i], back[51 - i] = "k" .. i, "k" .. i end
    local a, b = @timeout("20s", @(@all(@(first.remember_many(keys, "1h", slowly)), @(second.remember_many(back, "1h", slowly)))))
    assert.same(a, b)
    for i = 1, 50 do assert.same({ "K" .. i, 1 }, { a["k" .. i], loaded["k" .. i] }) end
    first.close()
    second.close()
    server:stop()
  end)

  it("are one when the other has failed to load: it is loaded here", function()
    local server = redis.start()
    local first, second = @cache.open(server.url), @cache.open(server.url)
    local load = gated()
    local failing = @async(first.remember_many, { "a", "b" }, "1h", function(keys)
      load.fn(keys)
      error "no luck"
    end)
    load.begun:recv()
    local other = @async(second.remember_many, { "a", "b", "c" }, "1h", upper)
    @sleep "20ms"
    load.go:send(true)
    failure(function() return failing:await() end)
    assert.same({ a = "A", b = "B", c = "C" }, @timeout("20s", @(other:await())))
    first.close()
    second.close()
    server:stop()
  end)
end)

describe("misuse of remember_many", function()
  it("is told", function()
    assert.matches("stale: is for remember, not for remember_many",
      failure(@cache.remember_many, { "a" }, { ttl = 1, stale = 1 }, print).message, 1, true)
    assert.matches("keys[2]: string expected, got number 2", failure(@cache.remember_many, { "a", 2 }, 1, print).message, 1, true)
    assert.matches("keys: table expected", failure(@cache.remember_many, "a", 1, print).message, 1, true)
    assert.matches("fn: function expected", failure(@cache.remember_many, { "a" }, 1).message, 1, true)
    assert.matches('unknown option "tll" (did you mean "ttl"?)', failure(@cache.remember_many, { "a" }, { tll = 1 }, print).message, 1, true)
  end)
end)

-- @cache.remember: one load however many ask, in every store.
local caches = require "spec.support.caches"
local kernel = require "tusk.kernel"
local test = require "tusk.test"

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

-- A load that says when it has begun, and ends when it is let: load.begun:recv(), load.go:send(true).
local function gated()
  local load = { n = 0, begun = @channel(100), go = @channel(100) }
  function load.fn()
    load.n = load.n + 1
    local n = load.n
    load.begun:send(n)
    load.go:recv()
    return { n = n }
  end
  return load
end

-- Waits for what is loading.
local function finish(cache)
  while cache.stats().loading > 0 do @yield() end
end

-- How many lines of the log, while fn ran, say this.
local function logged(text, fn)
  local n = 0
  local function count(message)
    if message:find(text, 1, true) then n = n + 1 end
  end
  test.fake("log", { debug = count, info = count, warn = count, error = count }, fn)
  return n
end

for _, backend in ipairs(caches) do
  local function each(name, fn)
    it(name, function() backend.each(fn) end)
  end

  describe("@cache.remember " .. backend.name, function()
    setup(backend.start)
    teardown(backend.stop)

    each("loads once, then gives what is kept", function(cache, pass)
      local n = 0
      local function load()
        n = n + 1
        @yield()
        return { n = n }
      end
      assert.same({ n = 1 }, cache.remember("a", "1h", load))
      assert.same({ n = 1 }, cache.remember("a", "1h", load))
      assert.same({ n = 1 }, cache.get("a"))
      pass(3600)
      assert.same({ n = 2 }, cache.remember("a", "1h", load))
    end)

    each("loads once for all who ask meanwhile, and gives each its own copy", function(cache)
      local load, tasks = gated(), {}
      for i = 1, 10 do tasks[i] = @async(cache.remember, "a", "1h", load.fn) end
      load.begun:recv()
      load.go:send(true)
      local seen = {}
      for i = 1, 10 do
        local value = tasks[i]:await()
        assert.equal(1, value.n)
        assert.is_nil(seen[value])
        seen[value] = true
      end
      assert.equal(1, load.n)
    end)

    each("loads once for ten thousand", function(cache)
      local n, sum = 0, 0
      local function load()
        n = n + 1
        @yield()
        return 1
      end
      @scope(function(s)
        for _ = 1, 10000 do
          s:spawn(function()
            local one = cache.remember("a", "1h", load)
            sum = sum + one
          end)
        end
      end)
      assert.same({ 1, 10000 }, { n, sum })
    end)

    each("loads different keys at once", function(cache)
      local x, y = gated(), gated()
      local a, b = @async(cache.remember, "x", nil, x.fn), @async(cache.remember, "y", nil, y.fn)
      x.begun:recv()
      y.begun:recv()
      y.go:send(true)
      assert.same({ n = 1 }, b:await())
      x.go:send(true)
      assert.same({ n = 1 }, a:await())
    end)

    each("goes on for the others when its first caller is cancelled", function(cache)
      local load = gated()
      local first = @async(cache.remember, "a", "1h", load.fn)
      local second = @async(cache.remember, "a", "1h", load.fn)
      load.begun:recv()
      first:cancel()
      assert.equal("task_cancelled", failure(function() return first:await() end).kind)
      load.go:send(true)
      assert.same({ n = 1 }, second:await())
      assert.equal(1, load.n)
    end)

    each("lands even when every caller was cancelled", function(cache)
      local load = gated()
      local only = @async(cache.remember, "a", "1h", load.fn)
      load.begun:recv()
      only:cancel()
      @try(function() return only:await() end)
      local later = @async(cache.remember, "a", "1h", error)
      load.go:send(true)
      assert.same({ n = 1 }, later:await())
      assert.same({ n = 1 }, cache.get("a"))
    end)

    each("fails for all who ask meanwhile with the same error, and keeps nothing", function(cache)
      local go = @channel()
      local function broken()
        go:recv()
        error({ kind = "custom" })
      end
      local one = @async(cache.remember, "a", "1h", broken)
      local two = @async(cache.remember, "a", "1h", error)
      go:send(true)
      local e = failure(function() return one:await() end)
      assert.equal("custom", e.kind)
      assert.equal(e, failure(function() return two:await() end))
      assert.equal("next", cache.remember("a", "1h", @("next")))
    end)

    each("fails with an error that says where it was raised", function(cache)
      local e = failure(cache.remember, "a", "1h", function() error("broken") end)
      assert.equal("lua", e.kind)
      assert.truthy(e.site.file:find("cache_remember_spec", 1, true))
      assert.truthy(e.traceback:find("cache_remember_spec", 1, true))
    end)

    each("does not keep nil, unless negative_ttl says how long", function(cache, pass)
      local n = 0
      local function nothing() n = n + 1 end
      assert.is_nil(cache.remember("a", "1h", nothing))
      assert.is_nil(cache.remember("a", "1h", nothing))
      assert.equal(2, n)
      assert.is_nil(cache.remember("a", { ttl = "1h", negative_ttl = "10s" }, nothing))
      assert.is_nil(cache.remember("a", "1h", nothing))
      assert.is_nil(cache.remember("a", { ttl = "1h", stale = "1h" }, nothing))
      assert.equal(3, n)
      assert.is_false(cache.has("a"))
      assert.is_nil(cache.get("a"))
      assert.is_false(cache.touch("a", "1h"))
      assert.same({}, cache.get_many { "a" })
      pass(10)
      assert.equal(1, cache.remember("a", "1h", @(1)))
      assert.is_nil(cache.remember("b", { negative_ttl = "10s" }, nothing))
      assert.equal(1, cache.incr("b"))
      assert.is_nil(cache.remember("c", { negative_ttl = "10s", tags = { "x" } }, nothing))
      cache.forget_tag("x")
      assert.equal(2, cache.remember("c", nil, @(2)))
    end)

    each("keeps false", function(cache)
      assert.is_false(cache.remember("a", nil, @(false)))
      assert.is_false(cache.remember("a", nil, error))
    end)

    each("does not keep what was loaded before the key was changed", function(cache)
      local changes = {
        @(cache.set("a", "newer")), @(cache.forget("a")), @(cache.incr("a")), @(cache.clear()),
        @(cache.set_many { a = "newer" }), @(cache.with({ prefix = "a" }).clear()), @(cache.forget_tag "x"),
      }
      local kept = { "newer", nil, 1, nil, "newer", nil, nil }
      for i = 1, 7 do
        cache.forget("a")
        local load = gated()
        local task = @async(cache.remember, "a", { ttl = "1h", tags = { "x" } }, load.fn)
        load.begun:recv()
        changes[i]()
        load.go:send(true)
        assert.same({ n = 1 }, task:await())
        assert.equal(kept[i], cache.get("a"))
      end
    end)

    each("loads anew for who asks after forget, also while an older load runs", function(cache)
      for _, change in ipairs { @(cache.forget "a"), @(cache.forget_tag "x"), @(cache.clear()) } do
        cache.forget("a")
        local old, new = gated(), gated()
        local first = @async(cache.remember, "a", { tags = { "x" } }, old.fn)
        old.begun:recv()
        change()
        local second = @async(cache.remember, "a", { tags = { "x" } }, new.fn)
        new.begun:recv()
        old.go:send(true)
        first:await()
        assert.is_nil(cache.get("a"))
        new.n = 2
        new.go:send(true)
        second:await()
        assert.same({ n = 1 }, cache.get("a"))
      end
    end)

    each("may be used in a load of another key", function(cache)
      local value = cache.remember("a", nil, function()
        return cache.remember("b", nil, @("inner")) .. "!"
      end)
      assert.equal("inner!", value)
    end)

    each("raises deadlock when a load asks for its own key", function(cache)
      local e = failure(cache.remember, "a", nil, function()
        return cache.remember("a", nil, error)
      end)
      assert.equal("deadlock", e.kind)
      assert.equal(7, cache.remember("a", nil, @(7)))
    end)

    each("raises deadlock when a task of a load asks for its key", function(cache)
      local e = failure(cache.remember, "a", nil, function()
        return (@all(@(cache.remember("a", nil, error)), @(1)))
      end)
      assert.equal("deadlock", e.kind)
    end)

    each("raises deadlock when loads ask for each other's keys", function(cache)
      local met = 0
      local function around(mine, other)
        return function()
          met = met + 1
          while met < 2 do @yield() end
          return (@all(@(cache.remember(other, nil, error)))) .. mine
        end
      end
      local x = @async(cache.remember, "x", nil, around("x", "y"))
      local y = @async(cache.remember, "y", nil, around("y", "x"))
      assert.equal("deadlock", failure(function() return x:await() end).kind)
      assert.equal("deadlock", failure(function() return y:await() end).kind)
    end)

    each("takes no task for a part of a load that only began it", function(cache)
      local load = gated()
      local value = cache.remember("a", nil, function()
        local b = @async(cache.remember, "b", nil, load.fn) -- whose task is not this one's
        load.begun:recv()
        load.go:send(true)
        return b:await()
      end)
      assert.same({ n = 1 }, value)
    end)

    each("refuses a value that cannot be kept, and says where", function(cache)
      local e = failure(cache.remember, "a", nil, @({ f = print }))
      assert.equal("argument", e.kind)
      assert.truthy(e.message:find("value.f", 1, true))
      assert.equal(1, cache.remember("a", nil, @(1)))
    end)

    each("runs its load outside the caller's deadline and cancellation", function(cache)
      local left
      @timeout("1h", function()
        cache.remember("a", nil, function()
          left = @remaining() or "none"
          return 1
        end)
      end)
      assert.equal("none", left)
    end)

    each("gives the old value while one task loads a new one", function(cache, pass)
      local load, how = gated(), { ttl = "10s", stale = "5s" }
      assert.equal("old", cache.remember("a", how, @("old")))
      pass(12)
      assert.is_nil(cache.get("a"))
      assert.is_false(cache.has("a"))
      assert.equal("old", cache.remember("a", how, load.fn))
      load.begun:recv()
      assert.equal("old", cache.remember("a", how, load.fn))
      load.go:send(true)
      finish(cache)
      assert.same({ n = 1 }, cache.remember("a", how, error))
      assert.same({ n = 1 }, cache.get("a"))
      pass(15)
      assert.equal("new", cache.remember("a", how, @("new")))
    end)

    each("gives the old value to none who does not ask for it", function(cache, pass)
      cache.remember("a", { ttl = "10s", stale = "1h" }, @("old"))
      pass(12)
      assert.equal("new", cache.remember("a", "10s", @("new")))
      cache.remember("b", { ttl = "10s", stale = "1h" }, @("old"))
      pass(12)
      assert.equal("new", cache.remember("b", { ttl = "10s", stale = "1s" }, @("new")))
      cache.remember("c", { ttl = "10s", stale = "1h", tags = { "x" } }, @("old"))
      pass(12)
      cache.forget_tag("x")
      assert.equal("new", cache.remember("c", { ttl = "10s", stale = "1h" }, @("new")))
      cache.remember("d", { ttl = "10s", stale = "1h" }, @(41))
      pass(12)
      assert.is_false(cache.touch("d", "1h"))
      assert.is_false(cache.forget("d"))
      assert.equal("new", cache.remember("d", { ttl = "10s", stale = "1h" }, @("new")))
      cache.remember("e", { ttl = "10s", stale = "1h" }, @(41))
      pass(12)
      assert.equal(1, cache.incr("e"))
    end)

    each("gives the old value when none can be loaded, and says so once", function(cache, pass)
      local how, tries = { ttl = "10s", on_error_stale = "1h" }, 0
      local function broken()
        tries = tries + 1
        error("down")
      end
      cache.remember("a", how, @("old"))
      pass(12)
      local lines = logged("the old value is given", function()
        for _ = 1, 20 do assert.equal("old", cache.remember("a", how, broken)) end
      end)
      assert.same({ 1, 1 }, { lines, tries }) -- it is left in peace for a second
      assert.is_nil(cache.get("a"))
      pass(3600)
      assert.equal("lua", failure(cache.remember, "a", how, broken).kind)
    end)

    each("tells the log of a refresh that fails, and lets the old value be", function(cache, pass)
      local how = { ttl = "10s", stale = "1h" }
      cache.remember("a", how, @("old"))
      pass(12)
      local lines = logged("not refreshed", function()
        for _ = 1, 20 do assert.equal("old", cache.remember("a", how, @(error "down"))) end
        finish(cache)
      end)
      assert.equal(1, lines)
      assert.equal("old", cache.remember("a", how, error))
    end)

    each("loads anew ahead of the end", function(cache, pass)
      local load, how = gated(), { ttl = "100s", refresh_ahead = "20s" }
      cache.remember("a", how, @("old"))
      pass(70)
      assert.equal("old", cache.remember("a", how, load.fn))
      assert.equal(0, load.n)
      pass(15)
      assert.equal("old", cache.remember("a", how, load.fn))
      load.begun:recv()
      assert.equal("old", cache.remember("a", how, load.fn))
      load.go:send(true)
      finish(cache)
      pass(50)
      assert.same({ n = 1 }, cache.get("a"))
      assert.equal(1, load.n)
    end)

    each("lets lives differ by chance, never longer than they are", function(cache, pass)
      local how = { ttl = "100s", jitter = 0.5 }
      for i = 1, 40 do cache.remember("k" .. i, how, @(i)) end
      pass(40) -- what the servers take comes on top
      local keys = {}
      for i = 1, 40 do keys[i] = "k" .. i end
      local n = 0
      for _ in pairs(cache.get_many(keys)) do n = n + 1 end
      assert.equal(40, n)
      pass(35)
      n = 0
      for _ in pairs(cache.get_many(keys)) do n = n + 1 end
      assert.is_true(n > 0 and n < 40)
      pass(25)
      assert.same({}, cache.get_many(keys))
    end)

    each("leaves nothing behind", function(cache)
      test.leaks({ warm = true }, function()
        local load = gated()
        local tasks = {}
        for i = 1, 5 do tasks[i] = @async(cache.remember, "a", "1h", load.fn) end
        load.begun:recv()
        for i = 1, 5 do tasks[i]:cancel() end
        load.go:send(true)
        for i = 1, 5 do @try(function() return tasks[i]:await() end) end
        finish(cache)
        cache.forget("a")
      end)
    end)
  end)
end

describe("@cache.remember", function()
  before_each(function() @cache.clear() end)

  it("is @cached", function()
    assert.equal("x", @cached("a", "1h", @("x")))
    assert.equal("x", @cached("a", "1h", error))
    assert.equal("x", @cache.get("a"))
  end)

  it("gives up waiting by timeout=, and leaves the load alone", function()
    test.clock(function()
      local load = gated()
      assert.equal("timeout", failure(@cache.remember, "a", { timeout = "5s" }, load.fn).kind)
      load.go:send(true)
      assert.same({ n = 1 }, @cache.remember("a", nil, error))
    end)
  end)

  it("gives the old value when it gives up waiting for a new one", function()
    test.clock(function()
      local load, how = gated(), { ttl = "10s", on_error_stale = "1h", timeout = "5s" }
      @cache.remember("a", how, @("old"))
      @sleep "20s"
      assert.equal(1, logged("the old value is given", function()
        assert.equal("old", @cache.remember("a", how, load.fn))
      end))
      assert.equal(5, test.now() - 20)
      load.go:send(true)
    end)
  end)

  it("loads in a finalizer, though the application takes no more tasks", function()
    local got = {}
    @scope({ name = "application", on_error = "log" }, function(s)
      s:defer(function()
        for i = 1, 2 do got[i] = @timeout("5s", @cache.remember, "k" .. i, "1h", @(i * 10)) end
        got[3] = @cache.get("k1")
      end)
      s:cancel()
      @sleep("1h")
    end)
    assert.same({ 10, 20, 10 }, got)
  end)

  it("tries again a second after a load has failed", function()
    test.clock(function()
      local how, tries = { ttl = "10s", on_error_stale = "1h" }, 0
      local function broken()
        tries = tries + 1
        error("down")
      end
      @cache.remember("a", how, @("old"))
      @sleep "20s"
      logged("", function()
        for _ = 1, 10 do
          assert.equal("old", @cache.remember("a", how, broken))
          @sleep "500ms"
        end
      end)
      assert.equal(5, tries)
    end)
  end)

  it("costs a task of a stampede little", function()
    local before = #kernel.tasks()
    local load = gated()
    local tasks = {}
    for i = 1, 100 do tasks[i] = @async(@cache.remember, "a", "1h", load.fn) end
    assert.equal(before + 101, #kernel.tasks()) -- those that ask, and the one that loads
    load.go:send(true)
    for i = 1, 100 do tasks[i]:await() end
  end)
end)

-- @cache.remember: one load however many ask.
local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

describe("@cache.remember", function()
  local loads

  before_each(function()
    @cache.clear()
    loads = 0
  end)

  local function load()
    loads = loads + 1
    local n = loads
    @sleep("2ms")
    return { n = n }
  end

  it("loads once, then gives what is kept", function()
    assert.same({ n = 1 }, @cache.remember("a", "1h", load))
    assert.same({ n = 1 }, @cache.remember("a", "1h", load))
    assert.same({ n = 1 }, @cache.get("a"))
    assert.equal(1, loads)
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

  it("loads once for all who ask meanwhile, and gives each its own copy", function()
    local tasks = {}
    for i = 1, 10 do tasks[i] = @async(@cache.remember, "a", "1h", load) end
    local seen = {}
    for i = 1, 10 do
      local value = tasks[i]:await()
      assert.equal(1, value.n)
      assert.is_nil(seen[value])
      seen[value] = true
    end
    assert.equal(1, loads)
  end)

  it("loads different keys at once", function()
    local order = {}
    local function slow(name)
      return function()
        order[#order + 1] = "begin " .. name
        @sleep("2ms")
        order[#order + 1] = "end " .. name
        return name
      end
    end
    local a = @async(@cache.remember, "a", nil, slow "a")
    local b = @async(@cache.remember, "b", nil, slow "b")
    assert.equal("a", a:await())
    assert.equal("b", b:await())
    assert.same({ "begin a", "begin b" }, { order[1], order[2] })
  end)

  it("goes on for the others when its first caller is cancelled", function()
    local first = @async(@cache.remember, "a", "1h", load)
    local second = @async(@cache.remember, "a", "1h", load)
    first:cancel()
    assert.equal("task_cancelled", failure(function() return first:await() end).kind)
    assert.same({ n = 1 }, second:await())
    assert.equal(1, loads)
  end)

  it("lands even when every caller was cancelled", function()
    local only = @async(@cache.remember, "a", "1h", load)
    only:cancel()
    @try(function() return only:await() end)
    assert.same({ n = 1 }, @cache.remember("a", "1h", load))
    assert.equal(1, loads)
  end)

  it("gives up waiting by timeout=, and leaves the load alone", function()
    local release = false
    local function stuck()
      while not release do @sleep("1ms") end
      return "late"
    end
    assert.equal("timeout", failure(@cache.remember, "a", { timeout = "5ms" }, stuck).kind)
    release = true
    assert.equal("late", @cache.remember("a", nil, stuck))
  end)

  it("fails for all who ask meanwhile with the same error, and keeps nothing", function()
    local function broken()
      loads = loads + 1
      @sleep("1ms")
      error({ kind = "custom" })
    end
    local one = @async(@cache.remember, "a", "1h", broken)
    local two = @async(@cache.remember, "a", "1h", broken)
    local e = failure(function() return one:await() end)
    assert.equal("custom", e.kind)
    assert.equal(e, failure(function() return two:await() end))
    assert.equal(1, loads)
    assert.same({ n = 2 }, @cache.remember("a", "1h", load))
  end)

  it("does not keep nil, unless negative_ttl says how long", function()
    local function nothing() loads = loads + 1 end
    assert.is_nil(@cache.remember("a", "1h", nothing))
    assert.is_nil(@cache.remember("a", "1h", nothing))
    assert.equal(2, loads)
    assert.is_nil(@cache.remember("a", { ttl = "1h", negative_ttl = "1h" }, nothing))
    assert.is_nil(@cache.remember("a", "1h", nothing))
    assert.equal(3, loads)
    assert.is_false(@cache.has("a"))
    assert.is_nil(@cache.get("a"))
  end)

  it("keeps false", function()
    assert.is_false(@cache.remember("a", nil, function() return false end))
    assert.is_false(@cache.remember("a", nil, error))
  end)

  it("does not keep what was loaded before the key was changed", function()
    for _, change in ipairs {
      function() @cache.forget("a") end, function() @cache.clear() end,
    } do
      local task = @async(@cache.remember, "a", "1h", load)
      change()
      task:await()
      assert.is_false(@cache.has("a"))
    end
    local task = @async(@cache.remember, "a", "1h", load)
    @cache.set("a", "newer")
    assert.is_table(task:await())
    assert.equal("newer", @cache.get("a"))
  end)

  it("loads anew for who asks after forget, also while an older load runs", function()
    local old = @async(@cache.remember, "a", "1h", load)
    @cache.forget("a")
    assert.same({ n = 2 }, @cache.remember("a", "1h", load))
    assert.same({ n = 1 }, old:await())
    assert.same({ n = 2 }, @cache.get("a"))
  end)

  it("may be used in a load of another key", function()
    local value = @cache.remember("a", nil, function()
      return @cache.remember("b", nil, function() return "inner" end) .. "!"
    end)
    assert.equal("inner!", value)
  end)

  it("raises deadlock when a load asks for its own key, directly or around", function()
    local e = failure(@cache.remember, "a", nil, function()
      return @cache.remember("a", nil, load)
    end)
    assert.equal("deadlock", e.kind)
    local function around(mine, other)
      return function()
        @sleep("1ms")
        return @cache.remember(other, nil, error) .. mine
      end
    end
    local x = @async(@cache.remember, "x", nil, around("x", "y"))
    local y = @async(@cache.remember, "y", nil, around("y", "x"))
    assert.equal("deadlock", failure(function() return x:await() end).kind)
    assert.equal("deadlock", failure(function() return y:await() end).kind)
  end)

  it("refuses a value that cannot be kept, and says where", function()
    local e = failure(@cache.remember, "a", nil, function() return { f = print } end)
    assert.equal("argument", e.kind)
    assert.truthy(e.message:find("value.f", 1, true))
  end)

  it("runs its load outside the caller's deadline", function()
    local task = @async(function()
      return @timeout("5ms", function() return @cache.remember("a", nil, load) end)
    end)
    @try(function() return task:await() end)
    assert.is_table(@cache.remember("a", nil, load))
    assert.equal(1, loads)
  end)
end)

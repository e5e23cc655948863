-- @cache on a server: other processes, and a server that is not there.
local app = require "spec.support.app"
local caches = require "spec.support.caches"
local program = require "spec.support.program"
local redis = require "spec.support.redis"
local temp = require "spec.support.temp"
local test = require "tusk.test"

local server, client, cache

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

local function gated()
  local load = { n = 0, begun = @channel(100), go = @channel(100) }
  function load.fn()
    load.n = load.n + 1
    load.begun:send(load.n)
    load.go:recv()
    return "loaded"
  end
  return load
end

-- What the log is told while fn runs: a list of messages.
local function log_of(fn)
  local lines = {}
  local function add(message) lines[#lines + 1] = message end
  test.fake("log", { debug = add, info = add, warn = add, error = add }, fn)
  return lines
end

-- A server of one's own, a cache there, and time by hand.
local function alone(opts, fn)
  redis.with({}, function(own)
    local c = @cache.open(own.url, opts)
    test.clock({ by_hand = true }, fn, c, own)
    c.close()
  end)
end

setup(function()
  server = redis.start()
  client = server:open()
end)
teardown(function()
  client.close()
  server:stop()
end)
before_each(function()
  client.flushall()
  cache = @cache.open(server.url)
end)
after_each(function() cache.close() end)

describe("@cache on a server", function()
  it("can still load a key whose first caller was cancelled before its load began", function()
    local first
    local other = @async(function()
      cache.get "b"
      first:cancel() -- it has its answer, which came with ours
    end)
    first = @async(cache.remember, "a", "1h", @("never"))
    other:await()
    assert.equal("task_cancelled", failure(function() return first:await() end).kind)
    assert.equal(1, @timeout("5s", cache.remember, "a", "1h", @(1)))
  end)

  it("is what cache.url says", function()
    local r = app.run {
      ["tusk.lua"] = ("return { cache = { url = %q, prefix = 'mine:' } }"):format(server.url),
      ["main.lua"] = [[@cache.set("k", { 1 }, "1h") print(@cache.get("k")[1], @cached("k", 1, print)[1])]],
    }
    assert.equal("1\t1\n", r.stdout)
    assert.same({ "mine:v:k" }, client.keys("*"))
    assert.is_true(client.pttl("mine:v:k") > 3500e3)
  end)

  it("keeps to its prefix", function()
    local other = @cache.open(server.url, { prefix = "other:" })
    client.set("cache", 1)
    cache.set("a", 1)
    other.set("a", 2)
    assert.same({ 1, 2 }, { cache.get("a"), other.get("a") })
    cache.set("b", 1, { tags = { "x" } })
    cache.clear()
    local keys = client.keys("*")
    table.sort(keys)
    assert.same({ "cache", "other:v:a" }, keys)
    other.close()
  end)

  it("takes more keys at once than one command should have", function()
    local values, keys = {}, {}
    for i = 1, 1200 do values["k" .. i], keys[i] = i, "k" .. i end
    cache.set_many(values, "1h")
    assert.same(values, cache.get_many(keys))
    cache.set_many(values, { tags = { "x" } })
    assert.same(values, cache.get_many(keys))
    cache.clear()
    assert.same({}, cache.get_many(keys))
  end)

  it("takes for absent what it cannot read, and says so once", function()
    local lines = log_of(function()
      for _, bytes in ipairs { "?", "", "b\255\255", "bgarbage", "z", "ix", "nx", "i1; os.exit()" } do
        client.set("cache:v:a", bytes)
        assert.is_nil(cache.get("a"))
        assert.same({}, cache.get_many { "a" })
        assert.equal("new", cache.remember("a", { ttl = "1h", stale = "1h" }, @("new")))
        assert.equal("new", cache.get("a"))
      end
    end)
    assert.same({ "cache: a value cannot be read" }, lines)
  end)

  it("lets a value go with its tag's mark, which the server may drop", function()
    cache.set("a", 1, { tags = { "x" } })
    client.del("cache:t:x")
    assert.is_nil(cache.get("a"))
    cache.set("b", 2, { tags = { "x" } })
    assert.is_nil(cache.get("a"))
    assert.equal(2, cache.get("b"))
  end)

  it("keeps a tag's mark for as long as a value that has it", function()
    cache.set("short", 1, { ttl = "10s", tags = { "x" } })
    cache.set("long", 2, { ttl = "100s", tags = { "x" } })
    cache.set("later", 3, { ttl = "10s", tags = { "y" } })
    cache.touch("later", "100s")
    cache.set("ever", 4, { ttl = "10s", tags = { "z" } })
    cache.touch("ever")
    caches.older(client, 90)
    assert.same({ long = 2, later = 3, ever = 4 }, cache.get_many { "short", "long", "later", "ever" })
    caches.older(client, 1e6)
    assert.same({ "cache:t:z", "cache:v:ever" }, (function(keys)
      table.sort(keys)
      return keys
    end)(client.keys("*")))
  end)

  it("leaves nothing behind when it is closed", function()
    test.leaks({ warm = true }, function()
      local own = @cache.open(server.url)
      own.remember("a", "1h", @(1))
      own.remember("a", { ttl = "1h", refresh_ahead = "59m", tags = { "x" } }, @(2))
      own.close()
      assert.equal("closed", failure(own.get, "a").kind)
    end)
    for _, key in ipairs(client.keys("*")) do assert.is_nil(key:find("cache:l:", 1, true)) end
  end)

  it("refuses options that are none", function()
    local function message(opts) return failure(@cache.open, server.url, opts).message end
    assert.truthy(message({ size = "1MiB" }):find("an option of a memory: cache", 1, true))
    assert.truthy(message({ on_down = "panic" }):find('write "load" or "raise"', 1, true))
    assert.truthy(message({ prefx = "" }):find('did you mean "prefix"', 1, true))
    assert.truthy(failure(@cache.open, "redis://h:x").message:find("port", 1, true))
  end)
end)

describe("@cache on a server, with other processes", function()
  local other

  before_each(function() other = @cache.open(server.url) end)
  after_each(function() other.close() end)

  local SCRIPT = [[
    local url = ...
    local redis, cache = @redis.open(url), @cache.open(url)
    print("value", cache.remember("k", "1h", function()
      redis.incr("loads")
      print("loading")
      redis.blpop("go", 0)
      return "loaded"
    end))
    redis.close()
    cache.close()
  ]]

  it("one of two loads, the other gets what it has loaded", function()
    temp.dir(function(dir)
      local script = temp.write(dir .. "/ask.lua", SCRIPT)
      program.start({ script, server.url }, {}, function(first)
        first:read_until("loading")
        program.start({ script, server.url }, {}, function(second)
          while client.exists("cache:l:k") == 0 do @yield() end
          client.rpush("go", 1)
          assert.truthy(first:wait().stdout:find("value\tloaded", 1, true))
          assert.equal("value\tloaded\n", second:wait().stdout)
        end)
      end)
      assert.equal("1", client.get("loads"))
      assert.equal("loaded", cache.get("k"))
    end)
  end)

  it("loads what a process was loading that has died", function()
    temp.dir(function(dir)
      local script = temp.write(dir .. "/ask.lua", SCRIPT)
      program.start({ script, server.url }, {}, function(p)
        p:read_until("loading")
        p:signal("sigkill")
        p:wait()
      end)
      assert.equal(1, client.exists("cache:l:k"))
      local task = @async(cache.remember, "k", "1h", @("mine"))
      assert.equal("parked", task.state)
      caches.older(client, 10)
      assert.equal("mine", task:await())
    end)
  end)

  it("waits for one that loads, and gets its value", function()
    local load = gated()
    local first = @async(cache.remember, "a", "1h", load.fn)
    load.begun:recv()
    local tasks = {}
    for i = 1, 100 do tasks[i] = @async(other.remember, "a", "1h", error) end
    load.go:send(true)
    assert.equal("loaded", first:await())
    for i = 1, 100 do assert.equal("loaded", tasks[i]:await()) end
  end)

  it("loads itself when the other's load fails, or brings nil", function()
    for _, fail in ipairs { @(error "broken"), function() return nil end } do
      client.flushall()
      local begun, go = @channel(), @channel()
      local first = @async(cache.remember, "a", "1h", function()
        begun:send(true)
        go:recv()
        return fail()
      end)
      begun:recv()
      local second = @async(other.remember, "a", "1h", @("mine"))
      go:send(true)
      @try(function() return first:await() end)
      assert.equal("mine", second:await())
    end
  end)

  it("does not keep what was loaded before another process changed the key", function()
    local changes = {
      @(other.set("a", "newer")), @(other.forget "a"), @(other.incr "a"), @(other.clear()), @(other.forget_tag "x"),
    }
    local kept = { "newer", nil, 1, nil, nil }
    for i = 1, 5 do
      client.flushall()
      local load = gated()
      local task = @async(cache.remember, "a", { ttl = "1h", tags = { "x" } }, load.fn)
      load.begun:recv()
      changes[i]()
      load.go:send(true)
      assert.equal("loaded", task:await())
      assert.equal(kept[i], cache.get("a"))
    end
  end)

  it("does not wait for a load that began before the tag was forgotten", function()
    local load = gated()
    local task = @async(cache.remember, "a", { tags = { "x" } }, load.fn)
    load.begun:recv()
    client.del("cache:t:x")
    assert.equal("mine", other.remember("a", { tags = { "x" } }, @("mine")))
    load.go:send(true)
    task:await()
    assert.equal("mine", cache.get("a"))
  end)

  it("gives the old value while any of them loads", function()
    local how, load = { ttl = "10s", stale = "1h" }, gated()
    cache.remember("a", how, @("old"))
    caches.older(client, 11)
    assert.equal("old", cache.remember("a", how, load.fn))
    load.begun:recv()
    assert.equal("old", other.remember("a", how, error))
    while other.stats().loading > 0 do @yield() end
    assert.equal("old", other.remember("a", how, error))
    while other.stats().loading > 0 do @yield() end
    load.go:send(true)
    while cache.stats().loading > 0 do @yield() end
    assert.equal("loaded", other.remember("a", how, error))
  end)

  it("holds the lock for as long as it loads", function()
    test.clock({ by_hand = true }, function()
      local load = gated()
      local task = @async(cache.remember, "a", { tags = { "x" } }, load.fn)
      load.begun:recv()
      caches.older(client, 9)
      assert.is_true(client.pttl("cache:l:a") <= 1000)
      test.advance("4s")
      while client.pttl("cache:l:a") <= 1000 do @yield() end
      assert.is_true(client.pttl("cache:t:x") > 1000)
      load.go:send(true)
      task:await()
      assert.equal(0, client.exists("cache:l:a"))
      assert.equal("loaded", other.get("a"))
    end)
  end)

  it("waits half a minute for another's load, and then takes it over", function()
    test.clock({ by_hand = true }, function()
      local load = gated()
      local first = @async(cache.remember, "a", "1h", load.fn)
      load.begun:recv()
      local second = @async(other.remember, "a", "1h", @("mine"))
      while second.state ~= "done" do
        test.advance("1s")
        client.persist("cache:l:a")
        assert.is_true(test.now() < 40)
      end
      assert.is_true(test.now() > 30)
      assert.equal("mine", second:await())
      load.go:send(true)
      assert.equal("loaded", first:await())
      assert.equal("mine", cache.get("a"))
    end)
  end)
end)

describe("@cache on a server that is down", function()
  local DOWN, BACK = "cache: the server is down, nothing is kept", "cache: the server is back"

  local function works_as_if_empty(c)
    assert.is_nil(c.get("a"))
    assert.is_false(c.has("a"))
    c.set("a", 1)
    assert.is_false(c.forget("a"))
    assert.is_false(c.touch("a", 1))
    assert.equal(3, c.incr("a", 3))
    c.set_many { a = 1 }
    assert.same({}, c.get_many { "a" })
    c.forget_tag("x")
    c.clear()
    assert.equal("loaded", c.remember("a", "1h", @("loaded")))
    assert.equal("loaded", c.remember("a", { ttl = "1h", stale = "1h", tags = { "x" } }, @("loaded")))
  end

  it("does as one that keeps nothing, and says so once", function()
    alone({}, function(c, own)
      c.set("a", "old")
      own:kill()
      local lines = log_of(function()
        for _ = 1, 10 do works_as_if_empty(c) end
      end)
      assert.same({ DOWN }, lines)
      assert.is_true(c.stats().down)
    end)
  end)

  it("is used again once it is back", function()
    alone({}, function(c, own)
      own:kill()
      local lines = log_of(function()
        works_as_if_empty(c)
        own:start()
        assert.is_nil(c.get("a"))
        test.advance("1s")
        c.set("a", 2)
        assert.equal(2, c.get("a"))
      end)
      assert.same({ DOWN, BACK }, lines)
      assert.is_false(c.stats().down)
    end)
  end)

  it("says so again after a while", function()
    alone({}, function(c, own)
      own:kill()
      local lines = log_of(function()
        for _ = 1, 3 do
          c.get("a")
          test.advance("9s")
        end
      end)
      assert.same({ DOWN, DOWN }, lines)
    end)
  end)

  it("is killed while many wait for one load: all get what it brings", function()
    alone({}, function(c, own)
      local load, tasks = gated(), {}
      for i = 1, 1000 do tasks[i] = @async(c.remember, "a", "1h", load.fn) end
      load.begun:recv()
      own:kill()
      local lines = log_of(function()
        load.go:send(true)
        for i = 1, 1000 do assert.equal("loaded", tasks[i]:await()) end
      end)
      assert.same({ DOWN }, lines)
      assert.equal(1, load.n)
    end)
  end)

  it("loads once for all tasks of the process", function()
    alone({}, function(c, own)
      own:kill()
      local load, tasks = gated(), {}
      log_of(function()
        for i = 1, 1000 do tasks[i] = @async(c.remember, "a", "1h", load.fn) end
        load.begun:recv()
        while c.stats().misses < 1000 do @yield() end -- they all ask for the load now
        load.go:send(true)
        for i = 1, 1000 do tasks[i]:await() end
      end)
      assert.equal(1, load.n)
    end)
  end)

  it("is no better when it does not answer", function()
    redis.with({}, function(own)
      local c = @cache.open(own.url, { timeout = "50ms" })
      c.set("a", 1)
      own:signal("sigstop")
      local lines = log_of(function() works_as_if_empty(c) end)
      own:signal("sigcont")
      assert.same({ DOWN }, lines)
      c.close()
    end)
  end)

  it("is no better when it has no room, or only refuses", function()
    local REFUSES = "cache: the server refuses, this is not kept"
    for _, args in ipairs { { "--maxmemory", "1" }, { "--requirepass", "secret" } } do
      redis.with({ args = args }, function(own)
        local c = @cache.open(own.url)
        local lines = log_of(function()
          for _ = 1, 3 do works_as_if_empty(c) end
        end)
        assert.same({ REFUSES }, lines)
        assert.is_false(c.stats().down)
        c.close()
      end)
    end
  end)

  it("raises where that was asked for", function()
    alone({ on_down = "raise" }, function(c, own)
      c.set("a", 1)
      own:kill()
      for _, call in ipairs {
        @(c.get "a"), @(c.set("a", 1)), @(c.incr "a"), @(c.clear()), @(c.remember("a", "1h", @(1))),
      } do
        local e = failure(call)
        assert.is_true(e:is("redis"), e.kind)
      end
    end)
  end)

  it("raises once where that was asked for, though a lock could not be renewed either", function()
    alone({ on_down = "raise" }, function(c, own)
      local load = gated()
      local task = @async(c.remember, "a", "1h", load.fn)
      load.begun:recv()
      own:kill()
      local lines = log_of(function()
        test.advance("4s")
        load.go:send(true)
        assert.is_true(failure(function() return task:await() end):is("redis"))
      end)
      assert.same({}, lines)
    end)
  end)
end)

-- @policy: policies put together, in one order; each value passes through.
local errors = require "tusk.errors"
local test = require "tusk.test"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function on_clock(what, fn)
  it(what, function() test.clock(fn) end)
end

local function down() errors.raise("spec.down", "down", { retryable = true }) end

-- Fails until its n-th call.
local function succeeding(n)
  local calls = {}
  return function(...)
    calls[#calls + 1] = test.now()
    if #calls < n then down() end
    return ...
  end, calls
end

local NO_JITTER = { attempts = 3, base = "1s", jitter = "none" }

describe("@policy", function()
  local ALL = {
    timeout = "1m", retry = true, breaker = true, limiter = { rate = 10, burst = 5 }, bulkhead = { max = 2 },
    hedge = { after = "1s" }, attempt_timeout = "5s",
  }

  local function each_alone(fn)
    for name, part in pairs(ALL) do fn(@policy { [name] = part }, name) end
    fn(@policy(ALL), "all")
    fn(@policy {}, "none")
  end

  on_clock("passes arguments and all values through, and errors as they are", function()
    local function all(...) return { n = select("#", ...), ... } end
    each_alone(function(p, name)
      assert.same({ n = 5, 1, nil, 3, 4, nil }, all(p:run(function(...) return ... end, 1, nil, 3, 4, nil)), name)
      assert.same({ n = 0 }, all(p:run(function() end)), name)
      local mine = { "mine" }
      assert.is_true(rawequal(mine, fails(p.run, p, error, mine)), name)
      assert.equal(3, (p:run(setmetatable({}, { __call = function(_, x) return x + 1 end }), 2)), name)
    end)
  end)

  on_clock("is one order, whatever the order in which it is given", function()
    local log = {}
    local p = @policy(ALL)
    -- what each layer is inside of is seen from what it holds while the work runs
    p:run(function()
      log.in_use = p.parts.bulkhead:stats().in_use
      log.taken = p.parts.limiter.taken
      log.remaining = @remaining()
    end)
    assert.same({ 1, 1, 5 }, { log.in_use, log.taken, log.remaining })
  end)

  on_clock("takes nothing from the limiter for what the breaker refuses, and no place while it waits for the limiter", function()
    local p = @policy { breaker = true, limiter = { rate = 1 }, bulkhead = { max = 1 } }
    p.parts.breaker:isolate()
    assert.equal("breaker_open", fails(p.run, p, print).kind)
    assert.equal(0, p.parts.limiter.taken)
    p.parts.breaker:reset()
    p:run(tostring, 1)
    @scope(function(s)
      s:spawn(p.run, p, tostring, 1)
      assert.equal(0, p.parts.bulkhead:stats().in_use)
    end)
  end)

  on_clock("asks the limiter's key function with the arguments of the call", function()
    for _, more in ipairs { {}, { breaker = true, bulkhead = { max = 5 }, attempt_timeout = "1m" } } do
      local seen = {}
      more.limiter = { rate = 1, key = function(...) seen[#seen + 1] = { n = select("#", ...), ... } return (...) end }
      @policy(more):run(tostring, "oslo", nil)
      assert.same({ { n = 2, "oslo", nil } }, seen)
    end
  end)

  on_clock("limits retries too, and lets the breaker count attempts", function()
    local p = @policy { retry = NO_JITTER, breaker = { min = 3, window = "5m" }, limiter = { rate = 0.1, burst = 1 } }
    local fn, calls = succeeding(3)
    p:run(fn)
    assert.same({ 0, 10, 20 }, calls) -- not 0, 1, 3
    assert.equal("closed", p.parts.breaker:state()) -- two of three have failed, but the third has not
    fn = succeeding(math.huge)
    fails(p.run, p, fn)
    assert.equal("open", p.parts.breaker:state())
  end)

  on_clock("waits with the next attempt until the breaker lets it through", function()
    local p = @policy { retry = { attempts = 4, base = "1ms", jitter = "none" }, breaker = { min = 2, open = "5s", probes = 1 } }
    local fn, calls = succeeding(3)
    p:run(fn)
    assert.equal(3, #calls)
    assert.is_true(calls[3] >= 5 and calls[3] < 5.1)
    assert.equal("closed", p.parts.breaker:state())
  end)

  on_clock("keeps a budget of further attempts for all calls, so that what is down is not stormed", function()
    local p, attempts = @policy { retry = { attempts = 5, base = "1ms", budget = 0.2 } }, 0
    local function fail()
      attempts = attempts + 1
      down()
    end
    for _ = 1, 100 do fails(p.run, p, fail) end
    assert.is_true(attempts > 100 + 20 and attempts <= 100 + 20 + 10, tostring(attempts))
    for _ = 1, 100 do p:run(tostring, 1) end -- earns it again
    attempts = 0
    fails(p.run, p, fail)
    assert.equal(5, attempts)
    assert.equal("budget", fails(@retry, { budget = 1 }, print).argument)
    assert.equal("budget", fails(@policy, { retry = { budget = 0 } }).argument)
  end)

  on_clock("has a time for all and one for each attempt", function()
    local p = @policy { timeout = "10s", retry = { attempts = 9, base = "1s", jitter = "none" }, attempt_timeout = "2s" }
    local began = 0
    local e = fails(p.run, p, function()
      began = began + 1
      @sleep "1h"
    end)
    assert.equal("timeout", e.kind)
    assert.same({ 3, 9 }, { began, test.now() }) -- 0-2, 3-5, 7-9; the next would begin after the end
  end)

  on_clock("counts each attempt that takes too long, but none that all the time runs out in", function()
    local p = @policy { breaker = { min = 1 }, timeout = "1s" }
    fails(p.run, p, @sleep, "1h")
    assert.equal("closed", p.parts.breaker:state())
    p = @policy { breaker = { min = 1 }, attempt_timeout = "1s" }
    fails(p.run, p, @sleep, "1h")
    assert.equal("open", p.parts.breaker:state())
  end)

  on_clock("does not hold what this side refuses against the other one", function()
    local p = @policy { breaker = { min = 1 }, bulkhead = { max = 1 }, limiter = { rate = 1, burst = 2 } }
    @scope(function(s)
      s:spawn(p.run, p, @sleep, "1s")
      assert.equal("limited", fails(p.run, p, print).kind) -- the bulkhead
      assert.equal("limited", fails(@(@timeout("1ms", p.run, p, print))).kind) -- the limiter
    end)
    assert.equal("closed", p.parts.breaker:state())
  end)

  on_clock("asks again within the attempt's permits, and each attempt has its own time", function()
    local p = @policy { hedge = "1s", attempt_timeout = "3s", bulkhead = { max = 1 } }
    local n = 0
    assert.equal(2, (p:run(function()
      n = n + 1
      local mine = n
      @sleep(mine == 1 and 10 or 2.5)
      return mine
    end)))
    assert.equal(3.5, test.now())
  end)

  on_clock("takes values that were made before, and shares them", function()
    local b, l = @breaker { min = 1 }, @limiter { rate = 1 }
    local p, q = @policy { breaker = b, limiter = l }, @policy { breaker = b }
    fails(p.run, p, down)
    assert.equal("breaker_open", fails(q.run, q, print).kind)
    assert.is_true(rawequal(b, q.parts.breaker))
  end)

  on_clock("gives its name to what it makes", function()
    local p = @policy { name = "spec-api", breaker = true, bulkhead = { max = 1, name = "other" } }
    p.parts.breaker:isolate()
    assert.matches('the breaker "spec%-api" was isolated', fails(p.run, p, print).message)
    assert.equal("other", p.parts.bulkhead.name)
  end)

  on_clock("is for any function: of a database, say", function()
    local p = @policy { timeout = "5s", retry = true, breaker = true, bulkhead = { max = 4, queue = 10 } }
    assert.equal(3, p:run(@db.value, "select ? + ?", 1, 2))
    assert.equal("db.table", fails(p.run, p, @db.query, "select * from nosuch").kind)
    assert.equal("closed", p.parts.breaker:state())
  end)

  on_clock("of several tasks at once goes its own way for each", function()
    local p = @policy { retry = NO_JITTER, bulkhead = { max = 2 }, attempt_timeout = "10s" }
    local a, b = @all(@(p:run(succeeding(3), "a")), @(p:run(succeeding(2), "b")))
    assert.same({ "a", "b", 3 }, { a, b, test.now() })
  end)

  it("leaves no garbage when all goes well, but for the scopes that timeouts and hedges need", function()
    local p = @policy {
      retry = true, breaker = true, bulkhead = { max = 2 }, limiter = { rate = 1e9, burst = 1000000 },
    }
    local function run(n)
      for i = 1, n do p:run(math.abs, i) end
    end
    run(2000)
    collectgarbage()
    collectgarbage "stop"
    local before = collectgarbage "count"
    run(10000)
    local bytes = (collectgarbage "count" - before) * 1024
    collectgarbage "restart"
    assert.is_true(bytes < 10000 * 8, bytes .. " bytes in 10000 calls") -- what LuaJIT compiles meanwhile is not nothing
  end)

  it("is refused where it is misused, with a suggestion", function()
    for opts, argument in pairs {
      [{ retry = 5 }] = "retry", [{ retry = { attempts = 0 } }] = "attempts", [{ breaker = 5 }] = "breaker",
      [{ breaker = @semaphore(1) }] = "breaker", [{ limiter = true }] = "limiter", [{ limiter = {} }] = "rate",
      [{ bulkhead = { max = 0 } }] = "max", [{ hedge = "x" }] = "after", [{ timeout = 0 }] = "timeout",
      [{ timeout = "1x" }] = "timeout", [{ attempt_timeout = -1 }] = "attempt_timeout", [{ name = 1 }] = "name",
      [{ braker = {} }] = "braker", [{ limiter = @breaker() }] = "limiter",
    } do
      local e = fails(@policy, opts)
      assert.same({ "argument", argument }, { e.kind, e.argument })
    end
    assert.equal("breaker", fails(@policy, { braker = {} }).suggestion)
    local p = @policy {}
    assert.matches("fn: function expected", fails(p.run, p).message)
    assert.matches("with a colon", fails(p.run, print).message)
  end)
end)

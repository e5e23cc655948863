-- @retry: work that is tried again.
local errors = require "tusk.errors"
local test = require "tusk.test"

local function busy(fields)
  local all = { retryable = true }
  for k, v in pairs(fields or {}) do all[k] = v end
  errors.raise("spec.busy", "busy", all)
end

-- A function that fails with fail() until its n-th call, and the list of when it was called.
local function succeeding(n, fail)
  local calls = {}
  return function(...)
    calls[#calls + 1] = test.now()
    if #calls < n then (fail or busy)() end
    return ...
  end, calls
end

local function never() return succeeding(math.huge) end

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function on_clock(what, fn)
  it(what, function() test.clock(fn) end)
end

-- The pauses between calls, in milliseconds.
local function pauses(calls)
  local list = {}
  for i = 2, #calls do list[i - 1] = math.floor((calls[i] - calls[i - 1]) * 1000 + 0.5) end
  return list
end

describe("@retry", function()
  on_clock("gives all values of the first attempt that succeeds", function()
    local fn, calls = succeeding(3)
    local function all(...) return { n = select("#", ...), ... } end
    assert.same({ 1, nil, 3, n = 3 }, all(@retry({}, fn, 1, nil, 3)))
    assert.equal(3, #calls)
    assert.equal("x", @retry(succeeding(1), "x"))
  end)

  on_clock("raises what the last attempt failed with, and how many there were", function()
    local fn, calls = never()
    local e = fails(@(@retry({ attempts = 4 }, fn)))
    assert.same({ "spec.busy", 4, 4 }, { e.kind, e.attempts, #calls })
    fn, calls = never()
    assert.is_nil(fails(@(@retry({ attempts = 1 }, fn))).attempts)
    assert.equal(1, #calls)
  end)

  on_clock("tries a plain error and one that is not retryable once", function()
    local mine = { "mine" }
    for _, value in ipairs { "plain", mine, 7 } do
      local fn, calls = succeeding(2, function() error(value, 0) end)
      assert.is_true(rawequal(value, fails(@(@retry({}, fn)))))
      assert.equal(1, #calls)
    end
    local fn, calls = succeeding(2, function() busy { retryable = false } end)
    fails(@(@retry({}, fn)))
    assert.equal(1, #calls)
  end)

  on_clock("does as `on` says: a function, a kind, kinds", function()
    local fn, calls = succeeding(3, function() error("plain") end)
    local seen = {}
    @retry({ on = function(e, n) seen[#seen + 1] = n return tostring(e):find("plain") end }, fn)
    assert.same({ 1, 2 }, seen)
    assert.equal(3, #calls)
    for on, count in pairs { ["spec"] = 2, ["spec.busy"] = 2, ["spec.bus"] = 1 } do
      fn, calls = succeeding(2, function() busy { retryable = false } end)
      pcall(@retry, { on = on }, fn)
      assert.equal(count, #calls)
      fn, calls = succeeding(2, function() busy { retryable = false } end)
      pcall(@retry, { on = { "other", on } }, fn)
      assert.equal(count, #calls)
    end
  end)

  on_clock("pauses twice as long each time, up to the cap", function()
    local fn, calls = succeeding(6)
    @retry({ attempts = 6, base = "100ms", cap = "500ms", jitter = "none" }, fn)
    assert.same({ 100, 200, 400, 500, 500 }, pauses(calls))
  end)

  on_clock("pauses for anything from nothing to that", function()
    test.seed(1, function()
      local longest, total = 0, 0
      for _ = 1, 50 do
        local fn, calls = succeeding(2)
        @retry({ base = "1s" }, fn)
        local ms = pauses(calls)[1]
        longest, total = math.max(longest, ms), total + ms
      end
      assert.is_true(longest > 800 and longest <= 1000)
      assert.is_true(total > 50 * 300 and total < 50 * 700)
    end)
  end)

  on_clock("pauses no less than retry_after says", function()
    local fn, calls = succeeding(3, function() busy { retry_after = 60 } end)
    @retry({}, fn)
    assert.same({ 60000, 60000 }, pauses(calls))
  end)

  on_clock("raises at once what could not be tried again in time", function()
    local fn, calls = succeeding(3, function() busy { retry_after = 60 } end)
    local e = fails(@(@timeout("59s", @(@retry({}, fn)))))
    assert.equal("spec.busy", e.kind)
    assert.equal(0, test.now())
    assert.equal(1, #calls)
  end)

  on_clock("tries again what an inner deadline has ended, not what an outer one has", function()
    local tries = 0
    local e = fails(@(@retry({}, function()
      tries = tries + 1
      @timeout("1s", @(@sleep "1h"))
    end)))
    assert.same({ "timeout", 3 }, { e.kind, tries })
    tries = 0
    fails(@(@timeout("1s", @(@retry({ on = function() return true end }, function()
      tries = tries + 1
      @sleep "1h"
    end)))))
    assert.equal(1, tries)
  end)

  on_clock("does not multiply the attempts of one inside", function()
    local always, same = { on = function() return true end }, { "raised again and again" }
    for _, raise in ipairs { busy, @(error "plain"), @(error(same)), @(error(same)) } do
      local fn, calls = succeeding(math.huge, raise)
      pcall(@retry, always, @(@retry(always, fn)))
      assert.equal(3, #calls)
    end
    local fn, calls = never()
    pcall(@retry, {}, function() -- also where it is the cause of what comes out
      local _, e = @try(@retry, {}, fn)
      errors.raise("spec.wrapped", "failed", { cause = e, retryable = true })
    end)
    assert.equal(3, #calls)
  end)

  on_clock("cancelled while it pauses, it ends", function()
    local fn, calls = never()
    test.leaks(function()
      local task = @async(@retry, { base = "1h", jitter = "none" }, fn)
      task:cancel()
      local _, e = @try(task.await, task)
      assert.equal("task_cancelled", e.kind)
    end)
    assert.equal(1, #calls)
  end)

  on_clock("two pause side by side", function()
    local a, b = succeeding(2), succeeding(2)
    local opts = { base = "1s", jitter = "none" }
    assert.same({ "a", "b" }, { @all(@(@retry(opts, a, "a")), @(@retry(opts, b, "b"))) })
    assert.equal(1, test.now())
  end)

  it("says what is wrong with a call", function()
    local function message(...)
      local e = fails(@retry, ...)
      assert.equal("argument", e.kind)
      return e.message
    end
    assert.truthy(message({ attemps = 3 }, print):find('did you mean "attempts"', 1, true))
    assert.truthy(message({ attempts = 0 }, print):find("at least 1", 1, true))
    assert.truthy(message({ attempts = 1.5 }, print):find("integer expected", 1, true))
    assert.truthy(message({ base = "soon" }, print):find("not a duration", 1, true))
    assert.truthy(message({ jitter = "half" }, print):find('write "full" or "none"', 1, true))
    assert.truthy(message({ on = {} }, print):find("on: a function, a kind", 1, true))
    assert.truthy(message({ on = 5 }, print):find("got number", 1, true))
    assert.truthy(message({}):find("fn: function expected", 1, true))
    assert.truthy(message(3):find("opts: table expected", 1, true))
  end)
end)

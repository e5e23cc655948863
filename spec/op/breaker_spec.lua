-- @breaker: calls to what fails too often fail at once, until a few have shown that it is well again.
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local test = require "tusk.test"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function on_clock(what, fn)
  it(what, function() test.clock(fn) end)
end

local function down(fields)
  local all = { retryable = true }
  for k, v in pairs(fields or {}) do all[k] = v end
  errors.raise("spec.down", "down", all)
end

local function fine() return "fine" end

local function fail(b, n, fn)
  for _ = 1, n or 1 do pcall(b.run, b, fn or down) end
end

local function succeed(b, n)
  for _ = 1, n or 1 do b:run(fine) end
end

local function opened(opts)
  local all = { min = 2 }
  for k, v in pairs(opts or {}) do all[k] = v end
  local b = @breaker(all)
  fail(b, 2)
  assert.equal("open", b:state())
  return b
end

describe("@breaker", function()
  on_clock("passes arguments and all values through, and errors as they are", function()
    local b = @breaker()
    local function all(...) return { n = select("#", ...), ... } end
    assert.same({ n = 4, 1, nil, 3, nil }, all(b:run(function(...) return ... end, 1, nil, 3, nil)))
    assert.same({ n = 0 }, all(b:run(function() end)))
    local mine = { "mine" }
    assert.is_true(rawequal(mine, fails(b.run, b, error, mine)))
    local callable = setmetatable({}, { __call = function(_, x) return x + 1 end })
    assert.equal(3, b:run(callable, 2))
  end)

  on_clock("opens when so large a share of enough calls has failed", function()
    local b = @breaker { rate = 0.5, min = 10 }
    succeed(b, 5)
    fail(b, 4)
    assert.equal("closed", b:state()) -- 4 of 9
    fail(b)
    assert.equal("open", b:state()) -- 5 of 10
    local ran = false
    local e = fails(b.run, b, function() ran = true end)
    assert.same({ "breaker_open", "open", 5, true, false }, { e.kind, e.state, e.retry_after, e.retryable, ran })
    @sleep "2s"
    assert.equal(3, fails(b.run, b, fine).retry_after)
  end)

  on_clock("forgets what is longer ago than its window", function()
    local b = @breaker { min = 4, window = "10s" }
    fail(b, 3)
    @sleep "9s"
    assert.equal("closed", b:state())
    @sleep "2s"
    fail(b, 3)
    assert.equal("closed", b:state()) -- 3 within the last ten seconds
    fail(b)
    assert.equal("open", b:state())
  end)

  on_clock("lets probes through when it was open for long enough, so many at once, and closes when they go well", function()
    local b, inside, refused = opened { open = "5s", probes = 3 }, 0, 0
    @sleep "5s"
    assert.equal("half_open", b:state())
    @scope(function(s)
      for _ = 1, 5 do
        s:spawn(function()
          local ok, e = pcall(b.run, b, function()
            inside = inside + 1
            @sleep "1s"
          end)
          if not ok then
            assert.same({ "breaker_open", "half_open" }, { e.kind, e.state })
            refused = refused + 1
          end
        end)
      end
    end)
    assert.same({ 3, 2, "closed" }, { inside, refused, b:state() })
    fail(b)
    assert.equal("closed", b:state()) -- what has failed before is forgotten
  end)

  on_clock("opens again when a probe fails", function()
    local b = opened { open = "5s", probes = 2 }
    @sleep "5s"
    succeed(b)
    assert.equal("half_open", b:state())
    fail(b)
    assert.equal("open", b:state())
    assert.equal(5, fails(b.run, b, fine).retry_after)
  end)

  on_clock("ignores calls that began before it changed", function()
    local b = opened { open = "1s", probes = 1 }
    b:reset()
    local results = {}
    @scope(function(s)
      s:spawn(function() results.late = b:run(function() @sleep "10s" return "late" end) end)
      s:spawn(function() pcall(b.run, b, function() @sleep "3s" down() end) end)
      fail(b, 2)
      assert.equal("open", b:state())
      @sleep "2s"
      assert.equal("half_open", b:state()) -- after 3 s the failure of the old one comes in
      @sleep "2s"
      assert.equal("half_open", b:state())
      @sleep "10s" -- and the success
      assert.equal("half_open", b:state())
    end)
    assert.equal("late", results.late)
    succeed(b)
    assert.equal("closed", b:state())
  end)

  on_clock("counts a cancelled call as neither, and gives its permit to another", function()
    local b = @breaker { min = 1 }
    @scope(function(s)
      for _ = 1, 5 do s:spawn(b.run, b, @sleep, "1h"):cancel() end
    end)
    assert.equal("closed", b:state())
    fail(b)
    @sleep "5s"
    assert.equal("half_open", b:state())
    for _ = 1, 10 do
      @scope(function(s) s:spawn(b.run, b, @sleep, "1h"):cancel() end)
    end
    assert.equal("half_open", b:state())
    succeed(b, 3)
    assert.equal("closed", b:state())
  end)

  on_clock("gets the permit of a probe back that is dropped halfway in one's own coroutine", function()
    local b = opened { probes = 1 }
    @sleep "5s"
    local function begin()
      local co = coroutine.wrap(function() b:run(function() coroutine.yield(1) end) end)
      assert.equal(1, co())
    end
    begin()
    assert.equal("breaker_open", fails(b.run, b, fine).kind)
    local ok = false
    for _ = 1, 1000 do
      collectgarbage()
      @sleep "1ms"
      ok = pcall(b.run, b, fine)
      if ok then break end
    end
    assert.is_true(ok)
    assert.equal("closed", b:state())
  end)

  on_clock("is isolated and reset by hand", function()
    local b = @breaker()
    b:isolate()
    b:isolate()
    assert.equal("isolated", b:state())
    local e = fails(b.run, b, fine)
    assert.same({ "breaker_open", "isolated", false }, { e.kind, e.state, e.retryable })
    assert.is_nil(e.retry_after)
    @sleep "1h"
    assert.equal("isolated", b:state())
    b:reset()
    assert.equal("fine", b:run(fine))
  end)
end)

describe("what a breaker counts", function()
  local function state_after(fn, opts)
    local all = { min = 1 }
    for k, v in pairs(opts or {}) do all[k] = v end
    local b = @breaker(all)
    pcall(b.run, b, fn)
    return b:state()
  end

  -- Does a call that ends so close a breaker that is half open?
  local function closes(fn)
    local b = @breaker { min = 1, probes = 1, open = "1s" }
    fail(b)
    @sleep "1s"
    pcall(b.run, b, fn)
    return b:state() == "closed"
  end

  local function raising(kind, fields)
    return function()
      local all = {}
      for k, v in pairs(fields or {}) do all[k] = v end
      errors.raise(kind, "raised", all)
    end
  end

  on_clock("as failures: what may be tried again, and what the way to the other side fails with", function()
    for _, kind in ipairs { "timeout", "http.connect", "http.tls", "redis.disconnected", "db.busy" } do
      assert.equal("open", state_after(raising(kind)), kind)
    end
    assert.equal("open", state_after(raising("spec.any", { retryable = true })))
    assert.equal("open", state_after(raising("http.status.503", { status = 503 })))
    assert.equal("open", state_after(raising("http.status.429", { status = 429 })))
    assert.equal("open", state_after(function() @timeout("1ms", @sleep, "1s") end))
  end)

  on_clock("as well: errors with which the other side has answered", function()
    for _, f in ipairs { raising("db.constraint"), raising("http.status.404", { status = 404 }), raising "redis.reply" } do
      assert.equal("closed", state_after(f))
      assert.is_true(closes(f))
    end
  end)

  on_clock("as neither: mistakes in the program, and what was refused on this side", function()
    for _, f in ipairs {
      function() error "bug" end, function() error {} end, raising "argument", raising("limited", { retryable = true }),
      raising("breaker_open", { retryable = true }), raising "closed",
    } do
      assert.equal("closed", state_after(f))
      assert.is_false(closes(f))
    end
  end)

  on_clock("as `on` and `on_value` say", function()
    assert.equal("open", state_after(raising "my.kind", { on = "my" }))
    assert.equal("open", state_after(raising "my.kind", { on = { "other", "my.kind" } }))
    assert.equal("closed", state_after(raising "timeout", { on = "my" }))
    assert.equal("open", state_after(function() error "bug" end, { on = function(e) return tostring(e):find "bug" end }))
    assert.equal("open", state_after(function() return nil end, { on_value = function(v) return v == nil end }))
    assert.equal("closed", state_after(function() return { status = 503 } end)) -- a row, say
  end)

  on_clock("as neither when its own judge fails, whose error is raised", function()
    local b = @breaker { min = 1, probes = 1, on_value = function(v) return v.x.y end, on = function() error "judge" end }
    assert.matches("attempt to index", tostring(fails(b.run, b, function() return {} end)))
    assert.matches("judge", tostring(fails(b.run, b, down)))
    assert.equal("closed", b:state())
  end)
end)

-- The same in the plainest words: a list of all outcomes. Buckets make the window of the real one up to a tenth shorter,
-- so that time here goes in whole buckets.
local function reference(o)
  local m = { state = "closed", list = {}, generation = 0 }
  function m.go(state, at)
    m.state, m.list, m.at, m.generation = state, {}, at, m.generation + 1
    m.inside, m.passed = 0, 0
  end
  function m.look(now)
    if m.state == "open" and now - m.at >= o.open then m.go("half_open", now) end
    return m.state
  end
  function m.enter(now)
    local state = m.look(now)
    if state == "open" or state == "isolated" or state == "half_open" and m.inside == o.probes then return nil end
    if state == "half_open" then m.inside = m.inside + 1 end
    return m.generation
  end
  function m.leave(now, generation, well)
    if generation ~= m.generation then return end
    if m.state == "half_open" then
      m.inside = m.inside - 1
      if well == false then return m.go("open", now) end
      m.passed = m.passed + (well and 1 or 0)
      if m.passed == o.probes then m.go("closed", now) end
    elseif well ~= nil then
      table.insert(m.list, { at = now, well = well })
      local bad, all = 0, 0
      for _, c in ipairs(m.list) do
        if math.floor(now) - math.floor(c.at) < o.window then
          all = all + 1
          bad = bad + (c.well and 0 or 1)
        end
      end
      if not well and all >= o.min and bad >= o.rate * all then m.go("open", now) end
    end
  end
  return m
end

local WELL = { false, false, false, nil, true, true } -- of the ways in which a call may end

describe("a breaker and its model", function()
  it("agree on random calls of random lengths and ends", function()
    local rounds = tonumber(os.getenv "N") or 60
    for round = 1, rounds do
      math.randomseed(round)
      test.clock(function()
        local o = { rate = math.random(1, 4) / 4, min = math.random(1, 6), window = 10, open = math.random(1, 8),
          probes = math.random(1, 3) }
        local b, m = @breaker(o), reference(o)
        local function one()
          @sleep(math.random(0, 60))
          local length, how = math.random(0, 3) * math.random(0, 4), math.random(6)
          local generation = m.enter(kernel.now())
          local ok, e = pcall(b.run, b, function()
            @sleep(length)
            if how <= 3 then down() elseif how == 4 then error "bug" end
          end)
          local refused = not ok and errors.is(e, "breaker_open")
          assert.equal(generation == nil, refused)
          if generation then m.leave(kernel.now(), generation, WELL[how]) end
          assert.equal(m.look(kernel.now()), b:state())
        end
        @scope(function(s)
          for _ = 1, 60 do s:spawn(one) end
          for _ = 1, 4 do
            @sleep(math.random(5, 20))
            local how = math.random(3)
            if how == 1 and b:state() ~= "isolated" then
              m.look(kernel.now())
              b:isolate()
              m.go("isolated", kernel.now())
            elseif how > 1 then
              b:reset()
              m.go("closed", kernel.now())
            end
          end
        end)
      end)
    end
  end)
end)

describe("misuse of a breaker", function()
  it("is refused, with a suggestion", function()
    for opts, argument in pairs {
      [{ rate = 0 }] = "rate", [{ rate = 1.1 }] = "rate", [{ rate = "x" }] = "rate", [{ min = 0 }] = "min",
      [{ probes = 1.5 }] = "probes", [{ window = 0 }] = "window", [{ open = "5x" }] = "open", [{ name = 1 }] = "name",
      [{ on = {} }] = "on", [{ on_value = 1 }] = "on_value", [{ windw = 1 }] = "windw",
    } do
      local e = fails(@breaker, opts)
      assert.same({ "argument", argument }, { e.kind, e.argument })
    end
    assert.equal("window", fails(@breaker, { windw = 1 }).suggestion)
    local b = @breaker()
    assert.matches("fn: function expected", fails(b.run, b).message)
    assert.matches("write breaker:run%(%) with a colon", fails(b.run, fine).message)
  end)
end)

describe("the figures of a breaker", function()
  on_clock("are there for @metrics under its name", function()
    local b = opened { name = "spec-figures" }
    fail(b)
    local text = @metrics.prometheus()
    assert.matches('tusk_breaker_state{name="spec%-figures"} 2', text)
    assert.matches('tusk_breaker_opened_total{name="spec%-figures"} 1', text)
    assert.matches('tusk_breaker_refused_total{name="spec%-figures"} 1', text)
    @sleep "1h"
    assert.matches('tusk_breaker_state{name="spec%-figures"} 1', @metrics.prometheus())
  end)
end)

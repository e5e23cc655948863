-- @hedge: when an answer takes long, the same is asked once more, and the first answer counts.
local errors = require "tusk.errors"
local quantile = require "tusk.hedge.quantile"
local test = require "tusk.test"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function on_clock(what, fn)
  it(what, function() test.clock(fn) end)
end

-- Work whose n-th call takes so many seconds, then returns n or fails, and what became of each.
local function taking(list, failing)
  local calls = { ended = {} }
  return function(...)
    calls[#calls + 1] = test.now()
    local n = #calls
    local ok, e = pcall(@sleep, list[n])
    calls.ended[n] = ok and "done" or e.kind
    if not ok then error(e, 0) end
    if failing and failing[n] then errors.raise("spec.failed", "call " .. n) end
    return n, ...
  end, calls
end

local function near(expected, got)
  assert.is_true(math.abs(expected - got) < 1e-6, ("%.9g expected, got %.9g"):format(expected, got))
end

describe("@hedge", function()
  on_clock("asks once when the answer comes soon, and passes all values", function()
    local fn, calls = taking { 0.1 }
    local function all(...) return { n = select("#", ...), ... } end
    assert.same({ n = 4, 1, "a", nil, "c" }, all(@hedge({ after = "200ms" }):run(fn, "a", nil, "c")))
    assert.same({ 1, 0.1 }, { #calls, test.now() })
  end)

  on_clock("asks again when it does not; the first to succeed counts, the other is cancelled and waited for", function()
    local fn, calls = taking { 10, 0.1 }
    local h = @hedge { after = "200ms" }
    local function all(...) return { n = select("#", ...), ... } end
    assert.same({ n = 3, 2, nil, "x" }, all(h:run(fn, nil, "x")))
    near(0.3, test.now())
    assert.same({ "cancelled", "done" }, calls.ended)
    assert.same({ 1, 1 }, { h.started, h.won })
    fn, calls = taking { 0.25, 10 }
    assert.equal(1, (h:run(fn)))
    near(0.55, test.now())
    assert.same({ "done", "cancelled" }, calls.ended)
    assert.same({ 2, 1 }, { h.started, h.won })
  end)

  on_clock("is for what is slow: a failure before the second begins is raised at once", function()
    local fn, calls = taking({ 0.1, 0 }, { true })
    assert.equal("spec.failed", fails(@(@hedge({ after = "200ms" }):run(fn))).kind)
    assert.same({ 1, 0.1 }, { #calls, test.now() })
  end)

  on_clock("raises the failure of the first when both fail, and none when one succeeds", function()
    local h = @hedge { after = 1 }
    for i, case in ipairs {
      { { 2, 3 }, { true, false }, 2 }, { { 3, 1 }, { false, true }, 1 }, { { 2, 3 }, { true, true } },
      { { 3, 1 }, { true, true } },
    } do
      local fn = taking(case[1], case[2])
      local ok, v = pcall(h.run, h, fn)
      if case[3] then assert.same({ i, true, case[3] }, { i, ok, v })
      else assert.same({ i, false, "call 1" }, { i, ok, v.message }) end
    end
  end)

  on_clock("is cancelled as a whole, both attempts", function()
    local fn, calls = taking { 100, 100 }
    local h = @hedge { after = 1 }
    local e = fails(@(@timeout("5s", h.run, h, fn)))
    assert.equal("timeout", e.kind)
    assert.same({ "cancelled", "cancelled" }, calls.ended)
    fn, calls = taking({ 2, 100 }, { true })
    assert.equal("timeout", fails(@(@timeout("5s", h.run, h, fn))).kind) -- while only the second runs
    assert.same({ "done", "cancelled" }, calls.ended)
  end)

  on_clock("knows when to ask again from how long the last ones took", function()
    local h, slow = @hedge { after = "p90" }, {}
    for i = 1, 20 do h:run(function() @sleep(i / 100) end) end -- 10 to 200 ms
    assert.equal(0, h.started)
    local began = test.now()
    local fn, calls = taking { 10, 0.01 }
    assert.equal(2, (h:run(fn)))
    near(0.18, calls[2] - began)
    -- what lasts long now and then is asked again; what comes to last long always is so for a short time only
    for i = 1, 400 do
      local started = h.started
      h:run(function() @sleep(1 + i % 50 / 50) end)
      slow[i] = h.started > started
    end
    local late = 0
    for i = 301, 400 do late = late + (slow[i] and 1 or 0) end
    assert.is_true(slow[1])
    assert.is_true(late >= 5 and late <= 15)
  end)

  on_clock("counts the time of one that was cancelled too: else it would come to ask ever sooner", function()
    local h, took = @hedge { after = "p90" }, {}
    for _ = 1, 20 do h:run(function() @sleep(0.1) end) end
    for i = 1, 30 do
      local began = test.now()
      h:run(taking { 10, 0.01 })
      took[i] = test.now() - began
    end
    near(0.11, took[1])
    assert.is_true(took[30] > 0.13)
  end)

  on_clock("of two tasks at once goes its own way for each", function()
    local h = @hedge { after = 1 }
    local a, b = @all(@(h:run(taking { 5, 1 })), @(h:run(taking { 0.5 })))
    assert.same({ 2, 1, 1 }, { a, b, h.started })
  end)

  on_clock("has figures for @metrics under its name", function()
    local h = @hedge { after = 1, name = "spec-figures" }
    h:run(taking { 5, 1 })
    local text = @metrics.prometheus()
    assert.matches('tusk_hedge_started_total{name="spec%-figures"} 1', text)
    assert.matches('tusk_hedge_won_total{name="spec%-figures"} 1', text)
  end)

  it("is refused where it is misused, with a suggestion", function()
    for _, opts in ipairs { {}, { after = "p0" }, { after = "p100" }, { after = "q95" }, { after = -1 } } do
      local e = fails(@hedge, opts)
      assert.same({ "argument", "after" }, { e.kind, e.argument })
    end
    assert.equal("after", fails(@hedge, { aftr = 1 }).suggestion)
    local h = @hedge { after = 1 }
    assert.matches("fn: function expected", fails(h.run, h).message)
    assert.matches("with a colon", fails(h.run, print).message)
  end)
end)

describe("a quantile of the latest", function()
  it("is what sorting them gives", function()
    math.randomseed(5)
    for _, share in ipairs { 0.01, 0.5, 0.9, 0.95, 0.99 } do
      local q, all = quantile.new(share), {}
      for i = 1, 500 do
        local v = math.random(1, 50) / 7 -- many are the same
        quantile.add(q, v)
        all[i] = v
        local last = {}
        for j = math.max(1, i - 99), i do last[#last + 1] = all[j] end
        table.sort(last)
        assert.equal(i >= 20 and last[math.ceil(#last * share)] or nil, quantile.value(q))
      end
    end
  end)
end)

-- The simulations of docs/: what they show is so, and the figures are what they make.
local breaker = require "docs.simulations.breaker"
local limiter = require "docs.simulations.limiter"
local make = require "docs.simulations.make"
local storm = require "docs.simulations.storm"
local temp = require "spec.support.temp"

local SMALL = { clients = 200, seconds = 420, step = 5 }

-- A full collection at each of so many turns would take minutes, and show nothing that smaller specs do not.
if os.getenv "TUSK_STRESS" then
  describe("the simulations", function()
    it("are simulated", function() pending "not under TUSK_STRESS" end)
  end)
  return
end

describe("a limiter before 1,000 clients", function()
  it("lets through no more than the rate and the burst, in any stretch of time", function()
    local r = limiter.run { clients = 1000, seconds = 120, step = 2 }
    -- From the i-th to the j-th: j - i + 1 ≤ burst + rate · (t[j] - t[i]), for every i and j at once.
    local least, worst = math.huge, 0
    for j, t in ipairs(r.times) do
      least = math.min(least, j - r.rate * t)
      worst = math.max(worst, j - r.rate * t - least + 1)
    end
    assert.is_true(#r.times > 8000)
    assert.is_true(worst <= r.burst + 1e-6, worst)
    assert.is_true(worst > r.burst - 1, worst) -- and it is used
    assert.is_true(r.wanted:peak() > 1.4 * r.rate)
  end)
end)

describe("a breaker before a backend that hangs", function()
  local with = breaker.run(true, SMALL)
  local without = breaker.run(false, SMALL)

  it("lets no more than three calls try at a time when it is half open", function()
    assert.equal(3, with.most_probes)
  end)

  it("keeps calls away from it, and clients from waiting", function()
    local from, to = breaker.HUNG + 20, breaker.WELL
    assert.is_true(with.backend.arrived:mean(from, to) < 0.05 * without.backend.arrived:mean(from, to))
    assert.is_true(with.waiting:mean(from, to) < 0.05 * without.waiting:mean(from, to))
  end)

  it("is closed again soon, and stays so when a few fail", function()
    local levels = with.levels
    for i = 1, #levels, 2 do
      local closed = levels[i + 1] == 0
      if levels[i] * 60 < breaker.HUNG or levels[i] * 60 > breaker.WELL + 10 then assert.is_true(closed, levels[i]) end
    end
  end)
end)

describe("a storm of retries", function()
  local runs = {}
  for name, policy in pairs(storm.POLICIES) do runs[name] = storm.run(policy, SMALL) end
  local scale = SMALL.clients / 1000
  local calm = runs.naive.arrived:mean(60, storm.DOWN)

  it("keeps a backend down that is well again", function()
    assert.is_true(runs.naive.arrived:mean(storm.UP + 60, SMALL.seconds) > 1.5 * storm.CAPACITY * scale)
    assert.equal(0, runs.naive.done:mean(storm.UP + 60, SMALL.seconds))
  end)

  it("is no smaller for pauses that are left to chance", function()
    assert.is_true(runs.jitter.arrived:peak(storm.DOWN, storm.UP) >= runs.naive.arrived:peak(storm.DOWN, storm.UP))
  end)

  it("is none with a budget: at most a fifth more calls than without retries, and all is well when it is over", function()
    local peak = runs.budget.arrived:peak(storm.DOWN + 30, storm.UP)
    assert.is_true(peak < 0.5 * runs.naive.arrived:peak(storm.DOWN + 30, storm.UP), peak)
    assert.is_true(runs.budget.arrived:mean(storm.DOWN + 30, storm.UP) < 1.35 * calm)
    assert.is_true(runs.budget.done:mean(storm.UP + 30, SMALL.seconds) > 0.9 * calm)
  end)

  it("is silence with a breaker, until all is well", function()
    assert.is_true(runs.breaker.arrived:mean(storm.DOWN + 30, storm.UP) < 0.1 * calm)
    assert.is_true(runs.breaker.done:mean(storm.UP + 30, SMALL.seconds) > 0.9 * calm)
  end)
end)

describe("the figures of docs/simulations", function()
  for _, name in ipairs(make.NAMES) do
    it(name .. ".svg is what `make docs` makes", function()
      local svg = make.svg(name)
      assert.equal(temp.read(("docs/simulations/%s.svg"):format(name)), svg)
      assert.is_true(#svg < 60000)
    end)
  end
end)

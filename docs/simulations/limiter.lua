-- limiter.lua: a thousand clients who come in rushes, through a limiter.
local world = require "docs.simulations.world"

local limiter = {}

limiter.RATE, limiter.BURST = 100, 50

-- In twelve seconds of each minute everybody wants more.
local function rest(now)
  local second = now % 60
  return second >= 24 and second < 36 and 2 or 13
end

--- What happened: { wanted, passed = tallies, waits = tally of seconds waited, times = when each was let through }.
function limiter.run(opts)
  local scale = opts.clients / 1000
  local rate, burst = limiter.RATE * scale, math.max(1, limiter.BURST * scale)
  local out = { wanted = world.tally(opts.seconds, opts.step), passed = world.tally(opts.seconds, opts.step),
    waits = world.tally(opts.seconds, opts.step), times = {}, rate = rate, burst = burst }
  world.run(3, function()
    local limit = @limiter { rate = rate, burst = burst }
    world.clients({ clients = opts.clients, seconds = opts.seconds, rest = rest }, function()
      out.wanted:add()
      local from = world.now()
      limit:acquire()
      out.times[#out.times + 1] = world.now()
      out.passed:add()
      out.waits:add(world.now() - from)
    end)
  end)
  return out
end

--- The figure.
function limiter.figure(opts)
  local r = limiter.run(opts)
  local mean = {}
  for i = 1, r.waits.n do
    mean[2 * i - 1], mean[2 * i] = (i - 0.5) * opts.step / 60, r.passed.sum[i] > 0 and r.waits.sum[i] / r.passed.sum[i] or 0
  end
  return { title = "A limiter", subtitle = "1,000 clients who come in rushes; rate = 100 in a second, burst = 50",
    panels = {
      { title = "calls, per second", lines = { { y = limiter.RATE, label = "rate" } }, series = {
        { name = "wanted", points = r.wanted:per_second(), color = "orange" },
        { name = "let through", points = r.passed:per_second(), color = "blue" } } },
      { title = "how long those who are let through have waited, seconds", series = { { points = mean, color = "blue" } } },
    } }
end

return limiter

-- storm.lua: a backend is down for two minutes. What do a thousand clients who try again do to it, and after it?
local world = require "docs.simulations.world"

local storm = {}

local DOWN, UP, CAPACITY, REST = 120, 240, 50, 30

storm.DOWN, storm.UP, storm.CAPACITY = DOWN, UP, CAPACITY

-- They try until it works, and wait a second for each answer.
local function around(retry, breaker)
  retry.attempts, retry.on = 1000, { "http", "timeout" }
  return { attempt_timeout = "1s", retry = retry, breaker = breaker }
end

--- What stands around a call, by name.
storm.POLICIES = {
  naive = around { base = "8s", cap = "8s", jitter = "none" },
  jitter = around { base = "200ms", cap = "20s" },
  budget = around { base = "200ms", cap = "20s", budget = 0.2 },
  breaker = around({ base = "200ms", cap = "20s", budget = 0.2 }, true),
}

--- The backend, after it all.
---@param policy table options of @policy
---@param opts { clients: integer, seconds: number, step: number }
function storm.run(policy, opts)
  local scale = opts.clients / 1000
  local backend = world.backend { capacity = CAPACITY * scale, seconds = opts.seconds, step = opts.step,
    health = function(now) return now >= DOWN and now < UP and "down" or "well" end }
  world.run(1, function()
    local guarded = @policy(policy)
    world.clients({ clients = opts.clients, seconds = opts.seconds, rest = REST }, function()
      @try(guarded.run, guarded, backend.call, backend)
    end)
  end)
  return backend
end

--- The figure.
function storm.figure(opts)
  local runs = {}
  for name, policy in pairs(storm.POLICIES) do runs[name] = storm.run(policy, opts) end
  local function series(what)
    return {
      { name = "every 8 s until it works", points = runs.naive[what]:per_second(), color = "red" },
      { name = "pauses with full jitter", points = runs.jitter[what]:per_second(), color = "orange" },
      { name = "budget = 0.2 as well", points = runs.budget[what]:per_second(), color = "blue" },
      { name = "and a breaker", points = runs.breaker[what]:per_second(), color = "green" },
    }
  end
  local down = { { from = DOWN / 60, to = UP / 60, label = "down" } }
  return { title = "A retry storm", subtitle = "1,000 clients, each of which wants something every 30 s; a backend that can do 50 calls a second, down for two minutes",
    panels = {
      { title = "calls that reach the backend, per second", series = series "arrived", bands = down,
        lines = { { y = CAPACITY, label = "what it can do" } } },
      { title = "calls that it has answered, per second", series = series "done", bands = down },
    } }
end

return storm

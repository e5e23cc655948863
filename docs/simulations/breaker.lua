-- breaker.lua: a backend that hangs for three minutes, with a breaker before it and without.
local world = require "docs.simulations.world"

local breaker = {}

local REST, CAPACITY = 8, 400
local HUNG, WELL, FLAKY, WELL_AGAIN = 120, 300, 390, 480

breaker.HUNG, breaker.WELL = HUNG, WELL

local function health(now)
  if now >= HUNG and now < WELL then return "hung" end
  return now >= FLAKY and now < WELL_AGAIN and "flaky" or "well"
end

local LEVELS = { closed = 0, half_open = 1, open = 2 }

--- What happened: { backend, waiting = tally of clients that wait, levels = points of the breaker's state, opened =, most_probes = }.
---@param with boolean with a breaker?
function breaker.run(with, opts)
  local scale = opts.clients / 1000
  local backend = world.backend { capacity = CAPACITY * scale, seconds = opts.seconds, step = opts.step, health = health }
  local out = { backend = backend, waiting = world.tally(opts.seconds, opts.step), levels = {}, most_probes = 0 }
  local clients_waiting = 0
  world.run(2, function()
    local guard = with and @breaker { probes = 3, open = "5s" } or nil
    local policy = @policy { breaker = guard, attempt_timeout = "2s" }
    local probes = 0
    local function call()
      if not guard or guard:state() ~= "half_open" then return backend:call() end
      probes = probes + 1
      out.most_probes = math.max(out.most_probes, probes)
      local ok, v = pcall(backend.call, backend)
      probes = probes - 1
      if not ok then error(v, 0) end
      return v
    end
    local function look()
      while world.now() < opts.seconds do
        if guard then
          out.levels[#out.levels + 1], out.levels[#out.levels + 2] = world.now() / 60, LEVELS[guard:state()]
        end
        out.waiting:add(clients_waiting)
        @sleep(1)
      end
    end
    @scope(function(s)
      s:spawn(look)
      world.clients({ clients = opts.clients, seconds = opts.seconds, rest = REST }, function()
        clients_waiting = clients_waiting + 1
        @try(policy.run, policy, call)
        clients_waiting = clients_waiting - 1
      end)
    end)
  end)
  return out
end

--- The figure.
function breaker.figure(opts)
  local without, with = breaker.run(false, opts), breaker.run(true, opts)
  local bands = { { from = HUNG / 60, to = WELL / 60, label = "hangs" }, { from = FLAKY / 60, to = WELL_AGAIN / 60, label = "3 in 10 fail" } }
  return { title = "A breaker", subtitle = "1,000 clients, each of which calls every 8 s and waits for 2 s; a backend that hangs for three minutes",
    panels = {
      { title = "calls that reach the backend, per second", bands = bands, series = {
        { name = "without", points = without.backend.arrived:per_second(), color = "red" },
        { name = "with a breaker", points = with.backend.arrived:per_second(), color = "blue" } } },
      { title = "clients that wait for an answer", bands = bands, series = {
        { points = without.waiting:per_second(), color = "red" }, { points = with.waiting:per_second(), color = "blue" } } },
      { title = "the breaker", bands = bands, height = 70, levels = { "closed", "half open", "open" }, series = {
        { points = with.levels, color = "blue", step = true } } },
    } }
end

return breaker

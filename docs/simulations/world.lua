-- world.lua: ten minutes of a thousand clients and the backend they call, on the virtual clock.
-- All chance is @random's and the order of tasks, both from one seed: the same world each time.
local test = require "tusk.test"

local world = {}

world.MINUTE = 60

--- Runs fn(spawn) on a virtual clock that begins at nothing, by a seed.
---@param seed integer
---@param fn fun()
function world.run(seed, fn)
  test.seed(seed, test.clock, { at = 0 }, fn)
end

world.now = test.now

--- So many clients, each of which calls, then rests for anything up to twice `rest` seconds. When the time is over, so are they.
---@param opts { clients: integer, seconds: number, rest: number|fun(now: number): number }
---@param call fun(client: integer)
function world.clients(opts, call)
  local function rest()
    local mean = type(opts.rest) == "function" and opts.rest(test.now()) or opts.rest
    @sleep(@random.int(0, 2000) * mean / 1000)
  end
  @scope(function(s)
    for client = 1, opts.clients do
      s:spawn(function()
        while true do
          rest()
          call(client)
        end
      end)
    end
    @sleep(opts.seconds - test.now())
    s:cancel()
  end)
end

-- ---- what is counted ----

local Tally = {}
Tally.__index = Tally

--- Counts by time, in pieces of `step` seconds.
function world.tally(seconds, step)
  local self = setmetatable({ step = step, n = math.ceil(seconds / step), sum = {} }, Tally)
  for i = 1, self.n do self.sum[i] = 0 end
  return self
end

--- Adds to the piece that is now; what comes after the end is left out.
function Tally:add(v)
  local i = math.floor(test.now() / self.step) + 1
  if i <= self.n then self.sum[i] = self.sum[i] + (v or 1) end
end

--- Points { x, y, … }: the middle of each piece in minutes, how much there was in a second.
function Tally:per_second()
  local points = {}
  for i = 1, self.n do
    points[2 * i - 1], points[2 * i] = (i - 0.5) * self.step / world.MINUTE, self.sum[i] / self.step
  end
  return points
end

--- The most that there was in a second, between two times.
function Tally:peak(from, to)
  local most = 0
  for i = math.floor((from or 0) / self.step) + 1, math.min(self.n, math.ceil((to or math.huge) / self.step)) do
    most = math.max(most, self.sum[i] / self.step)
  end
  return most
end

--- How much there was in a second on average, between two times.
function Tally:mean(from, to)
  local first, last, sum = math.floor(from / self.step) + 1, math.floor(to / self.step), 0
  for i = first, last do sum = sum + self.sum[i] end
  return sum / (last - first + 1) / self.step
end

-- ---- the backend ----

local Backend = {}
Backend.__index = Backend

local LATENCY, REFUSAL = 0.02, 0.005 -- seconds
local LINE = 5 -- seconds of work that may wait in its line; more is refused

--- A server that does so many calls in a second, one after the other. Who stops waiting does not get his work out of
--- its line: it is done all the same, for nobody.
---@param opts { capacity: number, health: fun(now: number): string, seconds: number, step: number } health: "well" "down" (it
---  refuses at once) "hung" (it never answers) "flaky" (three calls in ten fail)
function world.backend(opts)
  return setmetatable({ capacity = opts.capacity, health = opts.health, free_at = 0, inside = 0,
    arrived = world.tally(opts.seconds, opts.step), done = world.tally(opts.seconds, opts.step) }, Backend)
end

local function refuse(message)
  @sleep(REFUSAL)
  error({ kind = "http.status.503", message = message, retryable = true }, 0)
end

local function serve(self)
  local now, health = test.now(), self.health(test.now())
  if health == "down" then refuse("down") end
  if health == "hung" then @sleep "1h" end
  if health == "flaky" and @random.int(1, 10) <= 3 then refuse("flaky") end
  local wait = math.max(self.free_at - now, 0)
  if wait > LINE then refuse("too many") end
  self.free_at = now + wait + 1 / self.capacity
  @sleep(wait + LATENCY)
end

--- One call, which takes its time and may fail.
function Backend:call()
  self.arrived:add()
  self.inside = self.inside + 1
  local ok, err = pcall(serve, self)
  self.inside = self.inside - 1
  if not ok then error(err, 0) end
  self.done:add()
  return true
end

return world

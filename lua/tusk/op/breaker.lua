-- @breaker{ … }: calls to what fails too often fail at once, until a few have shown that it is well again.
local check = require "tusk.check"
local collect = require "tusk.collect"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local judge = require "tusk.breaker.judge"
local kernel = require "tusk.kernel"
local scope = require "tusk.scope"
local window = require "tusk.breaker.window"

local now, in_generator = kernel.now, kernel.in_generator
local note, rethrow = errors.note, errors.rethrow

---@class tusk.Breaker
local Breaker = check.strict({ __name = "breaker" }, "a breaker", { "name" }, { absent = { "name" }, hidden = { "run_inside" } })
Breaker.__index = Breaker

-- Every transition begins a generation: the outcome of a call that began before it no longer counts.
local function become(self, state)
  self.now_in, self.generation = state, self.generation + 1
  self.permits, self.passed = self.probes, 0
  if state == "open" then
    self.opened, self.opens_until = self.opened + 1, now() + self.open
  else
    window.clear(self.window)
  end
end

-- The state now: an open one that has been so for long enough is half open.
local function state_of(self)
  if self.now_in == "open" and now() >= self.opens_until then become(self, "half_open") end
  return self.now_in
end

local WHY = {
  open = "is open: too much has failed",
  half_open = "is half open, and as many calls as may are finding out",
  isolated = "was isolated",
}

local function refuse(self, state)
  self.refused = self.refused + 1
  local called = self.name and ("the breaker %q "):format(self.name) or "the breaker "
  local err = errors.light("breaker_open", called .. WHY[state])
  err.breaker, err.state, err.retryable = self.name, state, state ~= "isolated"
  if state == "open" then err.retry_after = self.opens_until - now() end
  error(err, 0)
end

-- The generation that a call belongs to; of one in a half-open breaker also a permit.
local function enter(self)
  if self.now_in == "closed" then return self.generation end
  local state = state_of(self)
  if state == "half_open" and self.permits > 0 then
    self.permits = self.permits - 1
  elseif state ~= "closed" then
    refuse(self, state)
  end
  return self.generation
end

local function is_too_bad(self)
  local bad = self.window.bad
  local calls = bad + self.window.good
  return calls >= self.min and bad >= self.rate * calls
end

local function settle_probe(self, well)
  self.permits = self.permits + 1
  if well == false then return become(self, "open") end
  if well then self.passed = self.passed + 1 end
  if self.passed >= self.probes then become(self, "closed") end
end

-- well: true, false, or nil for neither.
local function settle(self, generation, well)
  if generation ~= self.generation then return end
  if self.now_in == "half_open" then return settle_probe(self, well) end
  if well == nil then return end
  window.count(self.window, now(), well)
  if not well and is_too_bad(self) then become(self, "open") end
end

-- What the program's own judge fails with is raised; the call counts as neither.
local function judged(self, generation, judging, value)
  local ok, verdict = xpcall(judging, note, value)
  if ok then return verdict end
  settle(self, generation, nil)
  rethrow(verdict)
end

local function leave(self, generation, ok, ...)
  if ok then
    local bad
    if self.bad_value == judge.answer then bad = judge.answer((...))
    else bad = judged(self, generation, self.bad_value, (...)) end
    settle(self, generation, not bad)
    return ...
  end
  settle(self, generation, judged(self, generation, self.verdict, (...)))
  rethrow((...))
end

-- A coroutine of the user's may be dropped with a permit in its hands: a scope sees to that.
local function held(s, self, generation, fn, ...)
  scope.on_abandon(s, function() settle(self, generation, nil) end)
  return fn(...)
end

--- All values of fn(…), or what that fails with; `breaker_open` instead while the breaker is not closed.
---@param fn function
---@return any ... what fn returns
function Breaker:run(fn, ...)
  dots.colon(Breaker, self, "breaker", "run")
  if type(fn) ~= "function" then check.callable("fn", fn) end
  local generation = enter(self)
  if self.now_in == "half_open" and in_generator() then
    return leave(self, generation, xpcall(scope.run, note, nil, held, self, generation, fn, ...))
  end
  return leave(self, generation, xpcall(fn, note, ...))
end

--- The same for an operator's own fn, which no coroutine of the user's can drop: what that opens belongs to the caller's scope.
function Breaker:run_inside(fn, ...)
  return leave(self, enter(self), xpcall(fn, note, ...))
end

--- "closed", "open", "half_open" or "isolated".
---@return string
function Breaker:state()
  dots.colon(Breaker, self, "breaker", "state")
  return state_of(self)
end

--- Lets nothing through until :reset().
function Breaker:isolate()
  dots.colon(Breaker, self, "breaker", "isolate")
  if self.now_in ~= "isolated" then become(self, "isolated") end
end

--- Closes it, and forgets what has failed.
function Breaker:reset()
  dots.colon(Breaker, self, "breaker", "reset")
  become(self, "closed")
end

local NUMBERS = { closed = 0, half_open = 1, open = 2, isolated = 3 }

-- Figures of those that have a name, for @metrics.
local function figures(self, emit)
  local labels = { name = self.name }
  emit("gauge", "tusk_breaker_state", "0 closed, 1 half open, 2 open, 3 isolated", labels, NUMBERS[state_of(self)],
    "max")
  window.advance(self.window, now())
  emit("gauge", "tusk_breaker_failures", "failures within a breaker's window", labels, self.window.bad)
  emit("counter", "tusk_breaker_opened_total", "how often a breaker has opened", labels, self.opened)
  emit("counter", "tusk_breaker_refused_total", "calls that a breaker did not let through", labels, self.refused)
end

-- How it stands, for `tusk ps`.
local function told(self)
  local state = state_of(self)
  window.advance(self.window, now())
  local more = state == "open" and (", %.1f s more"):format(math.max(self.opens_until - now(), 0)) or ""
  return ('breaker "%s" is %s%s: %d of %d failed lately; opened %d×, %d refused'):format(self.name:sub(1, 60),
    (state:gsub("_", " ")), more, self.window.bad, self.window.bad + self.window.good, self.opened, self.refused)
end

local OPTIONS = { "name", "rate", "min", "window", "open", "probes", "on", "on_value" }

local function rate_of(v)
  if v == nil then return 0.5 end
  if check.number("rate", v) > 0 and v <= 1 then return v end
  check.fail("rate: a share of the calls is needed, more than 0 and at most 1, got " .. v, { argument = "rate" })
end

local function whole(name, v, default)
  v = check.opt_integer(name, v) or default
  if v < 1 then check.fail(("%s: at least 1 is needed, got %d"):format(name, v), { argument = name }) end
  return v
end

local function duration(name, v, default)
  v = check.duration(name, v, default)
  if v <= 0 then check.fail(name .. ": more than nothing is needed", { argument = name }) end
  return v
end

---@class tusk.BreakerOptions
---@field name string|nil for messages and figures
---@field rate number|nil the share of calls that must fail for it to open; 0.5
---@field min integer|nil calls there must be before that is looked at; 20
---@field window number|string|nil the time that calls are counted for; "10s"
---@field open number|string|nil how long it stays open; "5s"
---@field probes integer|nil calls that must go well to close it again, and how many may try at once; 3
---@field on function|string|string[]|nil which errors are failures: on(err), a kind, kinds
---@field on_value function|nil on_value(first result) → is it a failure?

---@param opts tusk.BreakerOptions|nil
---@return tusk.Breaker
return function(opts)
  opts = check.options(opts, OPTIONS)
  local breaker = setmetatable({
    name = check.opt_string("name", opts.name), rate = rate_of(opts.rate), min = whole("min", opts.min, 20),
    window = window.new(duration("window", opts.window, 10)), open = duration("open", opts.open, 5),
    probes = whole("probes", opts.probes, 3), verdict = judge.errors(opts.on), bad_value = judge.values(opts.on_value),
    now_in = "closed", generation = 1, permits = 0, passed = 0, opens_until = 0, opened = 0, refused = 0,
  }, Breaker)
  if breaker.name then collect.add(breaker, figures, told) end
  return breaker
end

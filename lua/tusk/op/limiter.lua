-- @limiter{ rate =, … }: so many in a time, and no more; who comes first is served first.
local check = require "tusk.check"
local collect = require "tusk.collect"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local line = require "tusk.limiter.line"
local memory = require "tusk.limiter.memory"
local scope = require "tusk.scope"
local shared = require "tusk.limiter.shared"
local wait = require "tusk.wait"

local checkpoint = wait.checkpoint

---@class tusk.Limiter
local Limiter = check.strict({ __name = "limiter" }, "a limiter", { "name" }, { absent = { "name", "run_inside" }, hidden = { "enter" } })
Limiter.__index = Limiter

local function refuse(self, seconds)
  self.refused = self.refused + 1
  local called = self.name and (" of the limiter %q"):format(self.name) or ""
  local err = errors.light("limited", ("over the rate%s: there is room in %.3g s"):format(called, seconds))
  err.limiter, err.retry_after, err.retryable = self.name, seconds, true
  error(err, 0)
end

local function amount_of(self, n)
  if n == nil then return 1 end
  if check.integer("n", n) < 1 then check.fail("n: at least 1 is needed, got " .. n, { argument = "n" }) end
  if n > self.burst then
    check.fail(("n: %d at once can never be had, the burst is %d"):format(n, self.burst), { argument = "n" })
  end
  return n
end

local function key_of(self, key)
  if key ~= nil then return check.string("key", key) end
  return self.key
end

local function acquire(self, n, key)
  checkpoint()
  local seconds = 0
  if not self.lines[key] then
    seconds = self.store:take(key, n)
    if seconds <= 0 then
      self.taken = self.taken + n
      return
    end
  end
  line.wait(self, key, n, seconds, refuse)
  self.taken = self.taken + n
end

local OPTIONS = { "key", "timeout" }

--- Waits until n may be had, and takes them. Fails at once with `limited` when that would not be in time.
---@param n integer|nil 1
---@param opts table|nil { key =, timeout = }
function Limiter:acquire(n, opts)
  dots.colon(Limiter, self, "limiter", "acquire")
  n = amount_of(self, n)
  if opts == nil then return acquire(self, n, self.key) end
  local key = key_of(self, check.options(opts, OPTIONS).key)
  if opts.timeout == nil then return acquire(self, n, key) end
  return scope.timeout(check.duration("timeout", opts.timeout), acquire, self, n, key)
end

---@class tusk.Allowance
---@field ok boolean were they taken?
---@field limit integer how many there can be at once: the burst
---@field remaining integer how many could be taken now
---@field retry_after number seconds until there are as many as were wanted; 0 if they were taken
---@field reset number seconds until all are there again

--- Takes n if they are there. Does not wait, and does not overtake those who do.
---@param n integer|nil 1
---@param opts table|nil { key = }
---@return tusk.Allowance
function Limiter:try(n, opts)
  dots.colon(Limiter, self, "limiter", "try")
  n = amount_of(self, n)
  local key = key_of(self, check.options(opts, { "key" }).key)
  local waiting = self.lines[key]
  local seconds, ahead = self.store:take(key, waiting and 0 or n)
  if waiting then seconds = line.expected(waiting, n) end
  local ok = seconds <= 0
  if ok then self.taken = self.taken + n else self.refused = self.refused + 1 end
  return {
    ok = ok, limit = self.burst, remaining = waiting and 0 or math.max(math.floor(self.burst - ahead + 1e-9), 0),
    retry_after = ok and 0 or seconds, reset = math.max(ahead, 0) * self.gap,
  }
end

--- Takes one for a call with these arguments, as `run` does.
function Limiter:enter(...)
  return acquire(self, 1, self.key_for and check.string("what key returns", self.key_for(...)) or self.key)
end

--- fn(…), once one may be had; all values pass through.
---@param fn function
---@return any ... what fn returns
function Limiter:run(fn, ...)
  dots.colon(Limiter, self, "limiter", "run")
  if type(fn) ~= "function" then check.callable("fn", fn) end
  self:enter(...)
  return fn(...)
end

local function wanted(self)
  local sum = 0
  for _, l in pairs(self.lines) do sum = sum + l.wanted end
  return sum
end

-- How it stands, for `tusk ps`.
local function told(self)
  return ('limiter "%s" gives %.3g a second: %d waited for; %d taken, %d refused'):format(self.name:sub(1, 60), 1 / self.gap,
    wanted(self), self.taken, self.refused)
end

-- Figures of those that have a name, for @metrics.
local function figures(self, emit)
  local labels, waiting = { name = self.name }, wanted(self)
  emit("gauge", "tusk_limiter_waiting", "how many are waited for at a limiter", labels, waiting)
  emit("counter", "tusk_limiter_taken_total", "how many a limiter has given", labels, self.taken)
  emit("counter", "tusk_limiter_limited_total", "how often a limiter has refused", labels, self.refused)
  local keys = self.store:size()
  if keys then emit("gauge", "tusk_limiter_keys", "keys that a limiter has in memory", labels, keys) end
end

local function rate_of(rate)
  if check.number("rate", rate) > 0 and rate < math.huge then return rate end
  check.fail("rate: more than nothing is needed, got " .. tostring(rate), { argument = "rate" })
end

local function per_of(per)
  local seconds = check.duration("per", per, 1)
  if seconds <= 0 then check.fail("per: more than nothing is needed", { argument = "per" }) end
  return seconds
end

local function whole(name, v, default)
  v = check.opt_integer(name, v) or default
  if v < 1 then check.fail(("%s: at least 1 is needed, got %d"):format(name, v), { argument = name }) end
  return v
end

local STORES = { "memory", "redis" }

local function store_of(self, opts)
  local store = opts.store
  if store == nil or store == "memory" then
    return memory.new(self.gap, self.burst, whole("max_keys", opts.max_keys, 100000))
  end
  local handle = dots.is_namespace(store) and store or nil
  if store ~= "redis" and not handle then
    check.fail(('store: "memory", "redis" or what @redis.open gives expected%s'):format(
      (check.hint(tostring(store), STORES))), { argument = "store" })
  end
  if not self.name then
    check.fail("name: a limiter in Redis needs one: processes that give the same name share it", { argument = "name" })
  end
  if opts.max_keys ~= nil then check.fail("max_keys: is for a limiter in memory", { argument = "max_keys" }) end
  return shared.new(self.gap, self.burst, ("tusk:limiter:%s:"):format(self.name), handle)
end

local CREATE = { "name", "rate", "per", "burst", "key", "store", "max_keys" }

---@class tusk.LimiterOptions
---@field rate number how many in that time; need not be whole
---@field per number|string|nil the time; "1s"
---@field burst integer|nil how many may come at once after a pause; 1
---@field key string|function|nil whose share is taken unless acquire says; for `run`: key(…) → one, from its arguments
---@field store string|table|nil "memory", "redis", or what @redis.open gives
---@field name string|nil for messages and figures; who shares it, in Redis
---@field max_keys integer|nil how many may be under way at once in memory; 100000

---@param opts tusk.LimiterOptions
---@return tusk.Limiter
return function(opts)
  check.options(check.table("options", opts), CREATE)
  local key = opts.key
  local fn = check.is_callable(key) and key or nil
  local self = {
    name = check.opt_string("name", opts.name), gap = per_of(opts.per) / rate_of(opts.rate),
    burst = whole("burst", opts.burst, 1), key_for = fn or false, key = fn and "" or check.opt_string("key", key) or "",
    lines = {}, taken = 0, refused = 0,
  }
  self.store = store_of(self, opts)
  setmetatable(self, Limiter)
  if self.name then collect.add(self, figures, told) end
  return self
end

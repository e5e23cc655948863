-- metrics/kinds.lua: counters, gauges and histograms: one series of a metric each.
local check = require "tusk.check"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"

local clock = kernel.clock

local function number(name, v)
  if type(v) ~= "number" then check.fail(("%s: a number is needed, got a %s"):format(name, type(v)), { argument = name }) end
  return v
end

-- The class of objects of that name; what they lack is an error that says what they have.
local function class(name, fields)
  local methods = { __name = name }
  methods.__index = methods
  return setmetatable(methods, { __index = function(_, key)
    check.no_field("a " .. name, key, methods, fields)
  end })
end

-- ---- counters ----

---@class tusk.Counter what only grows
---@field value number
local Counter = class("counter", { "labels", "value" })

--- Adds n, 1 unless given.
---@param n number|nil at least 0
function Counter:inc(n)
  dots.colon(Counter, self, "counter", "inc")
  n = n == nil and 1 or number("n", n)
  if n < 0 or n ~= n then check.fail("n: a counter only grows; a gauge goes down too", { argument = "n" }) end
  self.value = self.value + n
end

-- ---- gauges ----

---@class tusk.Gauge what goes up and down
---@field value number
local Gauge = class("gauge", { "labels", "value" })

---@param v number
function Gauge:set(v)
  dots.colon(Gauge, self, "gauge", "set")
  self.value = number("value", v)
end

--- Adds n, 1 unless given.
---@param n number|nil
function Gauge:inc(n)
  dots.colon(Gauge, self, "gauge", "inc")
  self.value = self.value + (n == nil and 1 or number("n", n))
end

--- Takes n away, 1 unless given.
---@param n number|nil
function Gauge:dec(n)
  dots.colon(Gauge, self, "gauge", "dec")
  self.value = self.value - (n == nil and 1 or number("n", n))
end

-- ---- histograms ----

---@class tusk.Histogram how often values were how large
---@field count integer
---@field sum number
local Histogram = class("histogram", { "labels", "count", "sum" })

-- The first bucket whose bound is not less than v; one past the last when there is none.
local function bucket_of(bounds, v)
  local low, high = 1, #bounds + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if v <= bounds[middle] then high = middle else low = middle + 1 end
  end
  return low
end

local function observe(self, v)
  local i = bucket_of(self.bounds, v)
  self.counts[i] = self.counts[i] + 1
  self.count, self.sum = self.count + 1, self.sum + v
end

--- Notes a value.
---@param v number
function Histogram:observe(v)
  dots.colon(Histogram, self, "histogram", "observe")
  if number("value", v) ~= v then check.fail("value: NaN belongs to no bucket", { argument = "value" }) end
  observe(self, v)
end

local function timed(self, began, ok, ...)
  observe(self, clock() - began)
  if ok then return ... end
  errors.rethrow((...))
end

--- fn(…), and notes how many seconds it took, also when it fails.
---@param fn function
---@return any ... what fn returns
function Histogram:time(fn, ...)
  dots.colon(Histogram, self, "histogram", "time")
  check.callable("fn", fn)
  return timed(self, clock(), xpcall(fn, errors.note, ...))
end

-- ---- making them ----

local kinds = { BOUNDS = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 } } -- seconds, as Prometheus has them

function kinds.counter(labels)
  return setmetatable({ labels = labels, value = 0 }, Counter)
end

function kinds.gauge(labels)
  return setmetatable({ labels = labels, value = 0 }, Gauge)
end

---@param bounds number[] ascending
function kinds.histogram(labels, bounds)
  local counts = {}
  for i = 1, #bounds + 1 do counts[i] = 0 end
  return setmetatable({ labels = labels, bounds = bounds, counts = counts, count = 0, sum = 0 }, Histogram)
end

-- ---- what a series says of itself ----

--- { labels, value }, or { labels, count, sum, buckets = { { le, count of those up to it }, … } }.
function kinds.sample(one)
  if not rawget(one, "counts") then return { labels = one.labels, value = one.value } end
  local buckets, up_to = {}, 0
  for i, bound in ipairs(one.bounds) do
    up_to = up_to + one.counts[i]
    buckets[i] = { le = bound, count = up_to }
  end
  buckets[#buckets + 1] = { le = math.huge, count = one.count }
  return { labels = one.labels, count = one.count, sum = one.sum, buckets = buckets }
end

return kinds

-- @metrics: figures that a program keeps of itself, and those of the host; for Prometheus, or as data. Nothing waits.
local check = require "tusk.check"
local collect = require "tusk.collect"
local core = require "tusk.core"
local calls = require "tusk.metrics.calls"
local exposition = require "tusk.metrics.exposition"
local family = require "tusk.metrics.family"
local host = require "tusk.metrics.host"
local kinds = require "tusk.metrics.kinds"

local metrics = {}

local families = {} -- name → family
local NONE = {}

local function family_of(name, kind, labels)
  local f = families[name]
  if not f then
    f = family.new(name, kind, labels)
    families[name] = f
  end
  if f.type ~= kind then check.fail(("name: %s is a %s, not a %s"):format(name, f.type, kind), { argument = "name" }) end
  return f
end

local function series_of(kind, name, labels, opts, allowed, make)
  if labels ~= nil then check.table("labels", labels) end
  opts = check.options(opts, allowed)
  check.opt_string("help", opts.help)
  local f = family_of(name, kind, labels or NONE)
  f.help = f.help or opts.help
  return family.series(f, labels or NONE, make)
end

--- The counter of that name and labels: the same object each time.
---@param name string letters, digits, _ and :
---@param labels table<string, string|number|boolean>|nil the same names at every use of the metric's
---@param opts { help: string|nil }|nil
---@return tusk.Counter
function metrics.counter(name, labels, opts)
  return series_of("counter", name, labels, opts, { "help" }, kinds.counter)
end

--- The gauge of that name and labels.
---@param opts { help: string|nil, read: nil|fun(): number }|nil read gives the value when somebody looks; it must not wait
---@return tusk.Gauge
function metrics.gauge(name, labels, opts)
  local gauge = series_of("gauge", name, labels, opts, { "help", "read" }, kinds.gauge)
  if opts and opts.read then gauge.read = check.callable("read", opts.read) end
  return gauge
end

local function check_bounds(bounds)
  check.table("buckets", bounds)
  for i, bound in ipairs(bounds) do
    if type(bound) ~= "number" or bound ~= bound or i > 1 and bound <= bounds[i - 1] then
      check.fail("buckets: a list of numbers, each larger than the one before", { argument = "buckets" })
    end
  end
  if not bounds[1] then check.fail("buckets: one at least is needed", { argument = "buckets" }) end
  return { unpack(bounds) }
end

local function same(a, b)
  for i = 1, math.max(#a, #b) do
    if a[i] ~= b[i] then return false end
  end
  return true
end

--- The histogram of that name and labels.
---@param opts { help: string|nil, buckets: number[]|nil }|nil upper bounds; unless given for seconds, 5 ms to 10 s
---@return tusk.Histogram
function metrics.histogram(name, labels, opts)
  local asked = type(opts) == "table" and opts.buckets ~= nil and check_bounds(opts.buckets) or nil
  local f = families[name]
  local bounds = f and f.bounds or asked or kinds.BOUNDS
  if asked and not same(asked, bounds) then
    check.fail(("buckets: %s has others already"):format(name), { argument = "buckets" })
  end
  local histogram = series_of("histogram", name, labels, opts, { "help", "buckets" }, function(values)
    return kinds.histogram(values, bounds)
  end)
  families[name].bounds = bounds
  return histogram
end

--- Forgets one series, or all of a name.
---@param name string
---@param labels table|nil
---@return boolean whether there was anything to forget
function metrics.remove(name, labels)
  local f = families[check.string("name", name)]
  if not f then return false end
  if labels ~= nil then return family.remove(f, check.table("labels", labels)) end
  families[name] = nil
  return true
end

-- ---- looking ----

local function sample_of(one)
  local read = rawget(one, "read")
  if read then one.value = read() end
  return kinds.sample(one)
end

local function place_of(labels)
  local parts = {}
  for name, value in pairs(labels) do parts[#parts + 1] = name .. "\0" .. value end
  table.sort(parts)
  return table.concat(parts, "\0")
end

-- In the order of their labels.
local function sorted(samples)
  local places = {}
  for _, sample in ipairs(samples) do places[sample] = place_of(sample.labels) end
  table.sort(samples, function(a, b) return places[a] < places[b] end)
end

-- Two with one name and the same labels would be refused by who reads the text: they are one.
local function merged(sample, value, merge)
  sample.value = merge == "max" and math.max(sample.value, value) or sample.value + value
end

local function emitter(found)
  local places = {} -- name → labels → sample
  return function(kind, name, help, labels, value, merge)
    local metric = found[name]
    if not metric then
      metric = { name = name, type = kind, help = help, samples = {} }
      found[name], places[name] = metric, {}
    end
    local place = place_of(labels)
    local there = places[name][place]
    if there then return merged(there, value, merge) end
    local sample = type(value) == "table" and value or { value = value }
    sample.labels = labels
    metric.samples[#metric.samples + 1], places[name][place] = sample, sample
  end
end

local function own(found)
  for name, f in pairs(families) do
    local metric = { name = name, type = f.type, help = f.help, samples = {} }
    for _, one in pairs(f.series) do table.insert(metric.samples, sample_of(one)) end
    found[name] = metric
  end
end

--- All figures of this moment, sorted by name and labels.
---@return table[] list of { name, type, help, samples }; a sample is { labels, value }, a histogram's { labels, count,
---  sum, buckets = { { le = bound, count = of values up to it }, … } }
function metrics.snapshot()
  local found, list = {}, {}
  own(found)
  local emit = emitter(found)
  host(nil, emit)
  calls.emit(nil, emit)
  collect.all(emit)
  for _, metric in pairs(found) do
    sorted(metric.samples)
    list[#list + 1] = metric
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

--- The same in Prometheus' text format; its content type is `text/plain; version=0.0.4`.
---@return string
function metrics.prometheus()
  return exposition.text(metrics.snapshot())
end

if core.config("metrics").operators then calls.on() end

return metrics

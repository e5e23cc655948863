-- stream_processor.lua: streams of items: enriched side by side, validated, stamped, written in batches, as a library.
local letters = require "tusk.plugins.stream_processor.letters"
local pages = require "tusk.plugins.stream_processor.pages"
local tusk = require "tusk"
local writing = require "tusk.plugins.stream_processor.writing"

local check, is = tusk.check, tusk.errors.is

---@class stream_processor.Processor
local Processor = { __name = "stream processor" }
Processor.__index = Processor
check.strict(Processor, "a stream processor", { "name" },
  { absent = { "load", "cache", "schema", "within", "dead", "max_failures" } })

local stream_processor = { pages = pages.new }

-- ---- one item ----

-- Its methods are called with a colon.
local function called_well(self, method)
  if getmetatable(self) == Processor then return end
  check.fail(("called with a dot; write processor:%s with a colon"):format(method))
end

local function validated(self, value)
  if not self.schema then return value end
  return self.schema.validate(value)
end

local function loaded(self, item)
  local value = self.policy:run(self.load, item)
  if value == nil then tusk.errors.raise("stream_processor.absent", "nothing was found for the item") end
  return validated(self, value) -- before it is kept: what does not fit is not found in the cache for an hour
end

local function key_of(self, item)
  local key = self.key(item)
  if type(key) == "string" then return key end
  tusk.errors.raise("stream_processor.key", ("the key of an item must be a string, not %s"):format(type(key)))
end

local function enriched(self, item)
  if not self.load then return item end
  if not self.cache then return loaded(self, item) end
  return self.cache.remember(key_of(self, item), self.remember, function() return loaded(self, item) end)
end

--- One item, enriched, validated and stamped. What goes wrong is raised.
function Processor:item(item)
  called_well(self, "item(item)")
  return self.build(item, validated(self, enriched(self, item)), @date.now())
end

-- ---- a stream of them ----

---@class stream_processor.Entry an item under way
---@field item any
---@field result any
---@field err any
---@field number integer|nil of the dead letter that it comes from

-- All of an item's failures but our own end.
local function caught(fn, ...)
  local ok, value = xpcall(fn, tusk.errors.note, ...)
  if ok then return value end
  if is(value, "cancelled") then @yield() end -- which raises, unless only the item's own work has raised one
  return nil, tusk.errors.wrap(value)
end

local function try_item(self, entry)
  entry.result, entry.err = caught(self.item, self, entry.item)
  if entry.err == nil and entry.result == nil then
    entry.err = tusk.errors.new("stream_processor.absent", "build returned nothing")
  end
  return entry
end

local function letter_of(self, entry, stage, err)
  return { processor = self.name, item = entry.item, stage = stage, kind = err.kind or "lua", error = tostring(err.message or err),
    at = @date.now() }
end

local function too_many(self, tally, err)
  local message = ("%d items of %d have failed, the last one: %s"):format(tally.failed, tally.read, tostring(err))
  tusk.errors.raise("stream_processor.too_many_failures", message, { cause = err, failed = tally.failed })
end

-- An item has failed for good: a dead letter, or the end of the run.
local function bury(self, tally, entry, stage, err)
  tally.failed = tally.failed + 1
  self.failures:inc()
  if not self.dead then error(err, 0) end
  self.dead.put(letter_of(self, entry, stage, err))
  if self.max_failures and tally.failed > self.max_failures then too_many(self, tally, err) end
end

local function entries(self, source, tally, is_letters)
  return @stream(source):map(function(v)
    tally.read = tally.read + 1
    if is_letters then return { item = v.item, number = v.number } end
    return { item = v }
  end):map(function(entry) return try_item(self, entry) end, { concurrency = self.concurrency, ordered = self.ordered })
    :filter(function(entry)
      if entry.err == nil then return true end
      bury(self, tally, entry, is(entry.err, "validation") and "validate" or "enrich", entry.err)
      return false
    end)
end

local function new_tally()
  return { read = 0, written = 0, failed = 0, batches = 0, dealt_with = function() end }
end

--- A stream of results, for stages and sinks of one's own. Items that fail are dead letters, or raised where there are none.
---@param source any whatever @stream takes
---@return tusk.Stream
function Processor:process(source)
  called_well(self, "process(source)")
  return entries(self, source, new_tally()):map(function(entry) return entry.result end)
end

-- ---- and written ----

local function put(self, list)
  local results = {}
  for i, entry in ipairs(list) do results[i] = entry.result end
  local _, err = caught(self.write_policy.run, self.write_policy, self.writer.put, results)
  return err
end

local function written(self, tally, list)
  tally.written = tally.written + #list
  self.successes:inc(#list)
  for _, entry in ipairs(list) do
    if entry.number then tally.dealt_with(entry) end
  end
end

-- One bad item does not take the others of its batch with it, if they can be written without it.
local function write_batch(self, tally, list)
  tally.batches = tally.batches + 1
  local err = put(self, list)
  if not err then return written(self, tally, list) end
  for _, entry in ipairs(list) do
    local own = err
    if self.writer.isolates and #list > 1 then own = put(self, { entry }) end
    if own then bury(self, tally, entry, "write", own) else written(self, tally, { entry }) end
  end
end

local function run(self, source, tally, is_letters)
  local from = @date.clock()
  entries(self, source, tally, is_letters):chunks(self.batch, { within = self.within })
    :each(function(list) write_batch(self, tally, list) end)
  return { read = tally.read, written = tally.written, failed = tally.failed, batches = tally.batches,
    seconds = @date.clock() - from }
end

--- All of a source, written in batches. An error of the source, or of a sink, ends it and is raised.
---@param source any whatever @stream takes
---@return { read: integer, written: integer, failed: integer, batches: integer, seconds: number }
function Processor:run(source)
  called_well(self, "run(source)")
  return run(self, source, new_tally())
end

--- The dead letters of the table once more. A letter goes when its item is written.
---@return { read: integer, written: integer, failed: integer, batches: integer, seconds: number }
function Processor:redrive()
  called_well(self, "redrive()")
  if not self.dead or not self.dead.name then
    check.fail("redrive: there is no table of dead letters; say dead = { table = … }")
  end
  local tally = new_tally()
  function tally.dealt_with(entry)
    letters.remove(self.dead, entry.number)
  end
  return run(self, letters.all(self.dead, self.name), tally, true)
end

-- ---- making one ----

local OPTIONS = { "name", "load", "policy", "key", "ttl", "stale", "negative_ttl", "cache", "schema", "formats", "build",
  "write", "retry", "batch", "within", "concurrency", "ordered", "dead", "max_failures" }

local function positive(name, value, default)
  if value == nil then value = default end
  if check.integer(name, value) < 1 then check.fail(name .. ": at least 1 is needed", { argument = name }) end
  return value
end

local function usual_key(name)
  return function(item)
    local id = type(item) == "table" and item.id
    if type(id) ~= "string" and type(id) ~= "number" then
      tusk.errors.raise("stream_processor.key", "the item has no id; say key = function(item) … end")
    end
    return ("%s:%s"):format(name, tostring(id))
  end
end

local function usual_build(item, data, at)
  return { id = type(item) == "table" and item.id or nil, data = data, processed_at = at }
end

local function cache_of(opts)
  if opts.cache == false then return nil end
  return check.opt_table("cache", opts.cache) or @cache
end

-- How an item is enriched and checked.
local function put_item_options(self, opts)
  self.load, self.policy = check.opt_callable("load", opts.load), @policy(check.opt_table("policy", opts.policy) or {})
  self.key, self.cache = check.opt_callable("key", opts.key) or usual_key(self.name), cache_of(opts)
  self.remember = { ttl = check.duration("ttl", opts.ttl, 3600), stale = opts.stale, negative_ttl = opts.negative_ttl }
  self.schema = opts.schema ~= nil and @validator.compile(opts.schema, { formats = opts.formats }) or nil
  self.build = check.opt_callable("build", opts.build) or usual_build
end

-- How they are written, and how many at a time.
local function put_run_options(self, opts)
  self.writer = writing.of(opts.write)
  self.write_policy = @policy { retry = opts.retry == nil or opts.retry or nil }
  self.batch, self.concurrency = positive("batch", opts.batch, 100), positive("concurrency", opts.concurrency, 8)
  self.within = opts.within ~= nil and check.duration("within", opts.within) or nil
  self.ordered = check.opt_boolean("ordered", opts.ordered) ~= false
  self.dead, self.max_failures = letters.of(opts.dead), check.opt_integer("max_failures", opts.max_failures)
end

local function items_total(name, outcome)
  return @metrics.counter("stream_items_total", { processor = name, outcome = outcome }, { help = "items of stream processors" })
end

--- A processor of streams, for as many runs as wanted.
---@param opts table name = "items"; load = fn(item) → what is kept in the cache for ttl ("1h"), stale, negative_ttl,
---  under key = fn(item) ("NAME:ID"), in cache (@cache; false: none), policy = options of @policy around load; schema,
---  formats = of @validator; build = fn(item, data, at) → the result ({ id, data, processed_at }); write = fn(results) |
---  { table, on, row, db }; retry = of writes; batch = 100; within; concurrency = 8; ordered = true; dead = fn(letter) |
---  channel | { table, db }; max_failures
---@return stream_processor.Processor
function stream_processor.new(opts)
  check.options(opts, OPTIONS)
  local self = setmetatable({ name = check.opt_string("name", opts.name) or "items" }, Processor)
  put_item_options(self, opts)
  put_run_options(self, opts)
  self.successes, self.failures = items_total(self.name, "written"), items_total(self.name, "failed")
  return self
end

return stream_processor

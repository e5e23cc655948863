-- tasks.lua: the stages that work side by side with the rest, in tasks of the run.
local channel = require "tusk.channel"
local check = require "tusk.check"
local items = require "tusk.stream.items"
local kernel = require "tusk.kernel"
local select_ = require "tusk.select"
local sites = require "tusk.sites"
local source = require "tusk.stream.source"
local stages = require "tusk.stream.stages"
local stream = require "tusk.stream.stream"
local workers = require "tusk.stream.workers"

local Stream, derive, amount = stream.Stream, stream.derive, stream.amount
local clock = kernel.clock

-- ---- map, partition ----

--- fn(item) for each. With concurrency so many at once; in their order unless ordered = false.
---@param fn function
---@param opts { concurrency: integer, ordered: boolean }|nil
---@return tusk.Stream
function Stream:map(fn, opts)
  check.callable("fn", fn)
  opts = check.options(opts, { "concurrency", "ordered" })
  check.opt_boolean("ordered", opts.ordered)
  local width = amount("concurrency", opts.concurrency or 1, 1)
  if width == 1 then return stages.map(self, fn) end
  local how = { fn = fn, name = "map", site = sites.here(), width = width, ordered = opts.ordered ~= false }
  return derive(self, "map", function(next, r) return workers.open(next, r, how) end, true)
end

---@class tusk.Partition a stream whose next stage keeps the order of items with one key
local Partition = { __name = "partition" }

local CONCURRENCY = 16

--- What follows, :map, :filter or :each, works on several items at once, but on those with one key in turn.
---@param key function key(item), not nil
---@param opts { concurrency: integer }|nil 16
---@return tusk.Partition
function Stream:partition(key, opts)
  check.callable("key", key)
  local width = amount("concurrency", check.options(opts, { "concurrency" }).concurrency or CONCURRENCY, 1)
  return setmetatable({ stream = stream.derive(self, "partition", function(next) return next end),
    key = key, width = width }, Partition)
end

local function partitioned(self, name, fn)
  check.callable("fn", fn)
  local how = { fn = fn, name = name, site = sites.here(), width = self.width, ordered = false, key = self.key }
  return derive(self.stream, name, function(next, r) return workers.open(next, r, how) end, true)
end

--- Results come as they are ready, those of one key in their order.
---@return tusk.Stream
function Partition:map(fn)
  return partitioned(self, "map", fn)
end

local LEFT_OUT = {}

---@return tusk.Stream
function Partition:filter(fn)
  check.callable("fn", fn)
  local tried = partitioned(self, "filter", function(v)
    if fn(v) then return v end
    return LEFT_OUT
  end)
  return tried:filter(function(v) return v ~= LEFT_OUT end)
end

---@return integer how many
function Partition:each(fn)
  check.callable("fn", fn)
  return partitioned(self, "each", function(v)
    fn(v)
    return true
  end):count()
end

stream.methods(Partition, "partition")

function Partition.__index(_, key)
  local method = Partition[key]
  if method then return method end
  check.fail(("%s: after :partition comes :map, :filter or :each"):format(tostring(key)))
end

-- ---- a task that pulls, and hands on through a channel ----

local function pump(next, r, ch, catching, left)
  while true do
    local v = items.try(r, catching, next)
    if v == nil then break end
    ch:send(v)
  end
  left.n = left.n - 1
  if left.n == 0 then ch:close() end
end

-- The first pull starts what the later ones receive from.
local function pumped(r, nexts, capacity)
  local catching, ch = r.catching, nil
  local tasks = {}
  return function()
    if not ch then
      ch = channel.new(capacity)
      local left = { n = #nexts }
      for i, next in ipairs(nexts) do tasks[i] = r:start(pump, next, r, ch, catching, left) end
    end
    return ch, catching, tasks
  end
end

local function receiver(begin)
  return function()
    local ch, catching = begin()
    return items.open((ch:recv()), catching)
  end
end

--- Up to n items are pulled ahead of time.
---@param n integer
function Stream:buffer(n)
  amount("n", n, 1)
  return derive(self, "buffer", function(next, r) return receiver(pumped(r, { next }, n)) end, true)
end

--- The items of all of them, as they come.
---@param ... any streams, or whatever @stream takes
function Stream:merge(...)
  local others = { ... }
  for i = 1, select("#", ...) do others[i] = source.of(others[i]) end
  for _, other in ipairs(others) do stream.claim(other, "merge") end
  return derive(self, "merge", function(next, r)
    local nexts = { next }
    for _, other in ipairs(others) do nexts[#nexts + 1] = other.open(r) end
    return receiver(pumped(r, nexts, 0))
  end, true)
end

-- ---- what also looks at the clock, or at something else ----

-- The next item, if it comes before the deadline.
local function received(ch, deadline)
  local v, why = ch:try_recv()
  if v ~= nil or why ~= "empty" then return v end
  local which, item = select_.run { { ch, "item" }, timeout = math.max(0, deadline - clock()) }
  if which == "item" then return item end
end

local function chunks_within(self, n, seconds)
  return derive(self, "chunks", function(next, r)
    local begin = pumped(r, { next }, 0)
    local list, size, deadline = {}, 0, nil
    return function()
      local ch, catching = begin()
      while size < n do
        local v
        if size == 0 then v = ch:recv() else v = received(ch, deadline) end
        if v == nil then break end
        items.open(v, catching)
        if size == 0 then deadline = clock() + seconds end
        size = size + 1
        list[size] = v
      end
      if size == 0 then return nil end
      local whole = list
      list, size = {}, 0
      return whole
    end
  end, true)
end

--- Lists of n items. The last may be shorter; so may any other, if within is given, whose first item has waited so long.
---@param n integer
---@param opts { within: string|number }|nil
function Stream:chunks(n, opts)
  amount("n", n, 1)
  opts = check.options(opts, { "within" })
  if opts.within == nil then return stages.chunks(self, n) end
  return chunks_within(self, n, check.duration("within", opts.within))
end

local function first_of(s, r)
  local next = s.open(r)
  return function() next() end
end

-- What to wait for: a channel or a task as it is, a stream's first item as a task of the run.
local function signal(stop, r)
  if not stream.is(stop) then return stop end
  return r:start(first_of(stop, r))
end

--- Until a channel has something or is closed, a task has ended, or another stream has an item or has ended.
---@param stop tusk.Channel|tusk.Task|tusk.Stream
function Stream:take_until(stop)
  if stream.is(stop) then
    stream.claim(stop, "take_until")
  elseif not (kernel.is_channel(stop) or kernel.is_task(stop)) then
    check.fail("stop: a channel, task or stream expected, got " .. type(stop), { argument = "stop" })
  end
  return derive(self, "take_until", function(next, r)
    local begin, what, over = pumped(r, { next }, 0), nil, false
    return function()
      if over then return nil end
      what = what or signal(stop, r)
      local ch, catching, tasks = begin()
      local which, v = select_.run { { what, "stop" }, { ch, "item" } }
      if which == "item" and v ~= nil then return items.open(v, catching) end
      over = true
      tasks[1]:cancel()
    end
  end, true)
end

return Stream

-- workers.lua: one function in several tasks at once, behind a window of bounded size.
--
-- Workers take turns at the stage before: one pulls, then leaves that to another and calls fn. Each item pulled
-- has a slot in a ring, by its place in the order wanted; so many are under way or not yet fetched, no more.
local items = require "tusk.stream.items"
local kernel = require "tusk.kernel"
local stream = require "tusk.stream.stream"

local park_in, wake_in, cancelled = kernel.park_in, kernel.wake_in, kernel.cancelled
local try, failed = items.try, items.failed

---@class tusk.stream.Workers
---@field next function the stage before
---@field width integer at most so many workers
---@field window integer at most so many items
---@field head integer fetched
---@field tail integer pulled
---@field filled integer results so far, if they come in the order of completion
---@field busy table<any, table>|nil by key: what waits for the one of that key under way
local Workers = {}
Workers.__index = Workers

local workers = {}

local function park(line)
  if park_in(line) then cancelled() end
end

-- Puts the key's item behind one of the same key that is under way, if there is such.
local function queued(w, v)
  if failed(v) then return false end
  local key = w.key(v)
  if key == nil then stream.absent("partition: the key", w.site) end
  local line = w.busy[key]
  if line then
    line.last = line.last + 1
    line[line.last] = v
    return true
  end
  w.busy[key] = { first = 1, last = 0 }
  return false, key
end

local function finish(w)
  w.over = true
  while wake_in(w.idle) do end
  wake_in(w.consumer)
end

-- One pull from the stage before: the item, or nil at the end.
local function pull(w)
  w.pulling = true
  local v = try(w.run, w.catching, w.next)
  w.pulling = false
  if v == nil then
    finish(w)
    return nil
  end
  w.tail = w.tail + 1
  return v
end

local function blocked(w)
  return w.pulling or w.tail - w.head >= w.window
end

-- The next item that can be begun: with its place, and its key; nil when there are no more.
local function take(w)
  while not w.over do
    if blocked(w) then
      w.waiting = w.waiting + 1
      park(w.idle)
      w.waiting = w.waiting - 1
    else
      local v = pull(w)
      if v == nil then return nil end
      local place = w.tail
      local behind, key
      if w.busy then behind, key = queued(w, v) end
      if not behind then return v, place, key end
    end
  end
end

local work

-- Another worker goes on pulling while this one calls fn.
local function relay(w)
  if w.over or blocked(w) then return end
  if w.waiting > 0 then
    wake_in(w.idle)
  elseif w.count < w.width then
    w.count = w.count + 1
    w.run:start(work, w)
  end
end

local function call(w, v)
  if failed(v) then return v end
  local result = try(w.run, w.catching, w.fn, v)
  if result == nil then stream.absent(w.name .. ": what fn returned", w.site) end
  return result
end

local function deliver(w, place, result)
  if not w.ordered then
    place = w.filled + 1
    w.filled = place
  end
  w.slots[place % w.window + 1] = result
  if place == w.head + 1 then wake_in(w.consumer) end
end

-- The item, and those of its key that have come meanwhile.
local function process(w, v, place, key)
  deliver(w, place, call(w, v))
  if key == nil then return end
  local line = w.busy[key]
  while line.first <= line.last do
    v = line[line.first]
    line[line.first] = nil
    line.first = line.first + 1
    deliver(w, nil, call(w, v))
  end
  w.busy[key] = nil
end

function work(w)
  while true do
    local v, place, key = take(w)
    if v == nil then return end
    relay(w)
    process(w, v, place, key)
  end
end

local function fetch(w)
  if w.count == 0 then
    w.count = 1
    w.run:start(work, w)
  end
  local place = w.head + 1
  local slot = place % w.window + 1
  while w.slots[slot] == nil do
    if w.over and w.tail < place then return nil end
    park(w.consumer)
  end
  local v = w.slots[slot]
  w.slots[slot] = nil
  w.head = place
  if not w.pulling then wake_in(w.idle) end
  return items.open(v, w.catching)
end

--- The stage's pull function.
---@param next function
---@param r tusk.stream.Run
---@param opts { fn: function, name: string, site: table, width: integer, ordered: boolean, key: function|nil }
function workers.open(next, r, opts)
  local w = setmetatable({
    next = next, run = r, fn = opts.fn, name = opts.name, site = opts.site, width = opts.width, ordered = opts.ordered,
    key = opts.key, busy = opts.key and {} or nil, catching = r.catching,
    window = opts.width * 2, head = 0, tail = 0, filled = 0, slots = {},
    count = 0, waiting = 0, pulling = false, over = false,
    idle = kernel.queue_new(), consumer = kernel.queue_new(),
  }, Workers)
  return function() return fetch(w) end
end

return workers

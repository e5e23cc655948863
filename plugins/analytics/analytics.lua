-- analytics.lua: events, buffered and handed to a sink in batches, as a library. Whoever tracks one never waits.
local buffer = require "tusk.plugins.analytics.buffer"
local figures = require "tusk.plugins.analytics.figures"
local sinks = require "tusk.plugins.analytics.sinks"
local tusk = require "tusk"

local check, is = tusk.check, tusk.errors.is

---@class analytics.Tracker
---@field buffer analytics.Buffer
---@field sent integer events, since the beginning; so are tracked and dropped
---@field failing any what the sink failed with last; nil when it did not
local Tracker = {}
Tracker.__index = Tracker
check.strict(Tracker, "a tracker", { "name", "tracked", "sent", "dropped", "failing" },
  { absent = { "failing", "told_at", "flight", "late" }, hidden = { "remove_metrics" } })

local analytics = { sinks = sinks }

local QUIET = 10 -- seconds between two lines of the log about what is dropped
local IN_TIME = 0.9 -- of what who asks for the end has
local HURRY = 0.2 -- seconds of a pause, at most, when the end has come

-- ---- tracking ----

-- Tells of what was dropped, one line for many.
local function tell_dropped(self)
  local now = @date.clock()
  if self.untold == 0 or self.told_at and now - self.told_at < QUIET then return end
  self.log.warn("events are dropped: the buffer is full", { sink = self.name, dropped = self.untold, all = self.dropped })
  self.told_at, self.untold = now, 0
end

local function dropped(self, n, why)
  self.dropped = self.dropped + n
  self.figures:dropped(n, why)
end

local function dropped_full(self)
  dropped(self, 1, "full")
  self.untold = self.untold + 1
  tell_dropped(self)
end

-- Room for one more, at the expense of older ones if it must be.
local function make_room(self, bytes)
  while not self.buffer:has_room(bytes) do
    if self.full == "newest" or not self.buffer:drop() then return false end
    dropped_full(self)
  end
  return true
end

-- Of those that come when all is sent the first is told of; how many there were is in the figures.
local function dropped_late(self, event)
  if not self.late then
    self.log.error("an event came after the end, and is lost: a plugin that tracks until its end requires @analytics",
      { sink = self.name, event = event })
  end
  self.late = true
  dropped(self, 1, "end")
end

-- What cannot be one raises, and is not counted.
local function text_of(self, event, data)
  local text = @json.encode { id = self.prefix .. self.tracked + 1, event = event, at = @date.now(), data = data }
  if #text <= self.buffer.size then return text end
  check.fail(("data: the event has %d bytes; all together have room for %d"):format(#text, self.buffer.size), { argument = "data" })
end

local function taken(self, event, text)
  if self.over then
    dropped_late(self, event)
    return false
  end
  if make_room(self, #text) then return true end
  dropped_full(self)
  return false
end

local function wake(self)
  self.signal:try_send(true)
end

--- An event: it is copied, gets the time and an id, and is sent later. Never waits.
---@param event string
---@param data any what JSON can hold
---@return boolean whether it was taken: not when the buffer is full and drops the newest, nor after the end
function Tracker:track(event, data)
  if getmetatable(self) ~= Tracker then check.fail("called with a dot; write tracker:track(event, data) with a colon") end
  if check.string("event", event) == "" or event:find("%z") then
    check.fail("event: a name is needed, without zero bytes", { argument = "event" })
  end
  local text = text_of(self, event, data)
  self.tracked = self.tracked + 1
  self.figures:tracked(1)
  if not taken(self, event, text) then return false end
  self.buffer:push(text, @date.clock())
  local n = self.buffer:count()
  if n == 1 or n == self.batch then wake(self) end
  return true
end

-- ---- sending ----

-- Waits until there is a batch, or part of one that is old enough or asked for; false: there will be none.
local function wait_for_batch(self)
  while true do
    local n, since = self.buffer:count(), self.buffer:since()
    if n == 0 and self.closing then return false end
    local left = since and since + self.within - @date.clock()
    if n >= self.batch or n > 0 and (self.closing or self.buffer.first <= self.wanted or left <= 0) then return true end
    @select { signal = self.signal, timeout = left }
  end
end

local REFUSED = { "argument", "validation", "json", "db.constraint", "db.column", "db.table", "db.syntax", "db.readonly" }
local PASSING = { ["http.status.408"] = true, ["http.status.425"] = true, ["http.status.429"] = true }

-- Will the sink never take it?
local function is_refused(err)
  for _, kind in ipairs(REFUSED) do
    if is(err, kind) then return true end
  end
  return type(err) == "table" and type(err.kind) == "string" and err.kind:find("^http%.status%.4") and not PASSING[err.kind]
end

-- Is there to be another attempt? One that raised something plain may be a mistake in the program: that has an end.
local function goes_on(self, err, attempt)
  if is_refused(err) then return false end
  return err.retryable == true or attempt < self.attempts
end

local function pause(self, err, attempt)
  local longest = math.min(self.cap, self.base * 2 ^ math.min(attempt - 1, 50))
  local seconds = longest * (0.5 + @random.int(0, 1000) / 2000)
  if type(err.retry_after) == "number" then seconds = math.max(seconds, err.retry_after) end
  if self.closing then return @sleep(math.min(seconds, HURRY)) end
  self.log.warn("events are kept: the sink fails",
    { sink = self.name, attempt = attempt, again_in = ("%.1f s"):format(seconds), error = tostring(err) })
  @select { ending = self.ending, timeout = seconds }
end

-- What a sink has raised: if it is no error of ours, an object that may refuse to be looked at.
local function error_of(err)
  err = tusk.errors.wrap(err)
  if getmetatable(err) == tusk.errors.Error then return err end
  local kind, ok, text = rawget(err, "kind"), pcall(tostring, err)
  return tusk.errors.new(type(kind) == "string" and kind or "analytics.sink", ok and text or "the sink raised an object that is no text",
    { retryable = rawget(err, "retryable"), retry_after = rawget(err, "retry_after"), cause = err })
end

-- One attempt: nil, or what it failed with.
local function attempt_one(self, batch)
  local from = @date.clock()
  local ok, err = pcall(@timeout, self.timeout, self.sink, batch)
  self.figures:took(@date.clock() - from)
  if ok then return nil end
  if is(err, "cancelled") then @yield() end -- which raises, unless only the sink has raised one
  return error_of(err)
end

local function deliver(self, batch)
  local attempt = 0
  repeat
    attempt = attempt + 1
    local err = attempt_one(self, batch)
    self.failing = err
    if not err then return true end
    local again = goes_on(self, err, attempt)
    if again then pause(self, err, attempt) end
  until not again
  self.log.error("events are given up: the sink does not take them",
    { sink = self.name, events = batch.count, attempts = attempt, error = tostring(self.failing) })
  return false
end

local function send_batch(self)
  local list = self.buffer:take(self.batch)
  local number = self.buffer.first - #list
  local batch = { id = self.prefix .. "b" .. number, count = #list, text = "[" .. table.concat(list, ",") .. "]" }
  self.flight = number
  local arrived = deliver(self, batch)
  self.buffer:settle(list)
  self.flight = nil
  if arrived then
    self.sent = self.sent + #list
    self.figures:sent(#list)
  else
    dropped(self, #list, "refused")
  end
  self.moved:set(self.buffer.first)
end

local function run(self)
  while wait_for_batch(self) do send_batch(self) end
end

-- ---- flushing, looking on, the end ----

--- Waits until all that was tracked so far is sent, or dropped. As long as the sink fails, that is not.
function Tracker:flush()
  local last = self.buffer.last
  self.wanted = math.max(self.wanted, last)
  wake(self)
  while not self.over and (self.flight or self.buffer.first) <= last do self.moved:changed() end
end

function Tracker:stats()
  return { buffered = self.buffer:count() + self.buffer.held, tracked = self.tracked, sent = self.sent, dropped = self.dropped,
    failing = self.failing and tostring(self.failing) or nil }
end

--- Sends what there is, as far as the time allows; what is left then is counted and told of.
---@param seconds number
---@return integer lost
function Tracker:stop(seconds)
  self.closing = true
  self.ending:close()
  wake(self)
  seconds = math.min(seconds, (@remaining() or math.huge) * IN_TIME)
  @try(@timeout, seconds, self.task.await, self.task)
  self.task:cancel()
  self.over = true
  local lost = self.buffer:count() + self.buffer.held
  if lost > 0 then
    dropped(self, lost, "end")
    self.log.error("events are lost: they could not be sent before the end",
      { sink = self.name, events = lost, error = self.failing and tostring(self.failing) or nil })
  end
  self.told_at = nil
  tell_dropped(self)
  self.moved:set(self.buffer.first)
  return lost
end

--- Forgets its figures.
function Tracker:remove_metrics()
  self.figures:remove()
end

local OPTIONS = { "scope", "log", "sink", "name", "buffer", "size", "batch", "within", "full", "timeout", "attempts", "base", "cap" }

local function positive(name, value, default)
  if value == nil then value = default end
  if check.integer(name, value) < 1 then check.fail(name .. ": at least 1 is needed", { argument = name }) end
  return value
end

local function full_of(full)
  if full == nil or full == "oldest" or full == "newest" then return full or "oldest" end
  check.fail('full: write "oldest" or "newest", which of them are dropped', { argument = "full" })
end

local function scope_of(scope)
  local ok, spawn = pcall(function() return scope.spawn end)
  if ok and check.is_callable(spawn) then return scope end
  check.fail("scope: a scope such as ctx.scope expected, got " .. type(scope), { argument = "scope" })
end

--- What tracks events until the scope ends; :stop() sends the rest first.
---@param opts table { scope, log, sink = fn(batch), see sinks.lua; name = "analytics", for figures; buffer = 10000 events and size =
---  "16MiB" at most; batch = 500 at a time; within = "5s"; full = "oldest" | "newest" is dropped; timeout = "10s" of an
---  attempt; attempts = 5 for what is not `retryable`; base = "500ms", cap = "30s" between two }
---@return analytics.Tracker
function analytics.new(opts)
  check.options(opts, OPTIONS)
  local scope = scope_of(opts.scope)
  local name = check.opt_string("name", opts.name) or "analytics"
  local self = setmetatable({
    log = opts.log or @log, sink = check.callable("sink", opts.sink), name = name, full = full_of(opts.full),
    buffer = buffer.new(positive("buffer", opts.buffer, 10000), check.size("size", opts.size, 2 ^ 24)),
    batch = positive("batch", opts.batch, 500), within = check.duration("within", opts.within, 5),
    timeout = check.duration("timeout", opts.timeout, 10), attempts = positive("attempts", opts.attempts, 5),
    base = check.duration("base", opts.base, 0.5), cap = check.duration("cap", opts.cap, 30),
    prefix = @random.uuid() .. "-", signal = @channel(1), ending = @channel(), moved = @watch(0),
    tracked = 0, sent = 0, dropped = 0, untold = 0, wanted = 0, closing = false, over = false,
  }, Tracker)
  self.figures = figures.new(name, function() return self.buffer:count() + self.buffer.held end)
  self.task = scope:spawn({ name = name }, run, self)
  return self
end

return analytics

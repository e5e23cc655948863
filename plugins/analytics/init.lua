-- analytics: `@analytics.track(event, data)`: events that are sent later, in batches. See README.md.
local analytics = require "tusk.plugins.analytics"
local tusk = require "tusk"

local own -- the tracker, from setup on
local drain

local operator = {}

--- An event: copied now, sent later. Never waits.
---@param event string
---@param data any what JSON can hold
---@return boolean taken
function operator.track(event, data)
  return own:track(event, data)
end

--- Waits until all that was tracked so far is sent.
function operator.flush()
  own:flush()
end

---@return { buffered: integer, tracked: integer, sent: integer, dropped: integer, failing: string|nil }
function operator.stats()
  return own:stats()
end

local function function_of(cfg)
  local fn = require(cfg.module)[cfg.call]
  if tusk.check.is_callable(fn) then return fn end
  tusk.errors.raise("config", ("plugins.analytics: module %s has no function %q"):format(cfg.module, cfg.call))
end

local function sink_of(cfg)
  if cfg.url and cfg.module then tusk.errors.raise("config", "plugins.analytics: url or module, not both") end
  if cfg.url then return analytics.sinks.http(cfg.url, { headers = cfg.headers, token = cfg.token }) end
  if cfg.module then return analytics.sinks.call(function_of(cfg)) end
  return analytics.sinks.table(cfg.table)
end

local function setup(ctx, cfg)
  drain = cfg.drain
  own = analytics.new {
    scope = ctx.scope, log = ctx.log, sink = sink_of(cfg), buffer = cfg.buffer, size = cfg.size, batch = cfg.batch,
    within = cfg.within, full = cfg.full, timeout = cfg.timeout, attempts = cfg.attempts, base = cfg.base, cap = cfg.cap,
  }
end

-- So long what is in the buffer may be sent, and then there is time to say what is lost.
local function time_for(seconds)
  local most = @remaining() or math.huge
  return math.max(0, math.min(seconds, most * 0.9, most - 0.1))
end

-- It keeps to its time by itself: cut short it could not say what is lost.
local function shutdown()
  tusk.shield(own.stop, own, time_for(drain))
end

return {
  name = "analytics",
  version = "1.0",
  description = "@analytics: events, buffered, sent in batches",
  config = {
    table = { type = "string", default = "analytics_events", doc = "the table they go to, made if it is not there" },
    url = { type = "string", doc = "an endpoint instead, that gets each batch by POST" },
    headers = { type = "table", doc = "further headers for that" },
    token = { type = "string", secret = true, doc = "the bearer token for that" },
    module = { type = "string", doc = "a function instead: of this module …" },
    call = { type = "string", default = "send", doc = "… with this name: send(events, id)" },
    buffer = { type = "integer", default = 10000, doc = "how many events are held at most" },
    size = { type = "size", default = "16MiB", doc = "how many bytes they have at most, as JSON" },
    batch = { type = "integer", default = 500, doc = "how many are sent at a time" },
    within = { type = "duration", default = "5s", doc = "how long one waits at most for others to be sent with" },
    full = { type = "string", default = "oldest", choices = { "oldest", "newest" }, doc = "which are dropped when there is no room" },
    timeout = { type = "duration", default = "10s", doc = "of one attempt to send a batch" },
    attempts = { type = "integer", default = 5, doc = "how often it is tried when the failure is not a passing one" },
    base = { type = "duration", default = "500ms", doc = "the first pause between two attempts; it doubles each time" },
    cap = { type = "duration", default = "30s", doc = "the longest pause" },
    drain = { type = "duration", default = "5s", doc = "how long sending may take when the program ends" },
  },
  setup = setup,
  operators = { analytics = operator },
  on = { shutdown = shutdown },
  teardown = function() own:remove_metrics() end,
}

-- events.lua: who listens to what the embedding program tells by tusk_emit.
local check = require "tusk.check"
local dots = require "tusk.dots"
local kernel = require "tusk.kernel"
local running = require "tusk.running"
local scope = require "tusk.scope"

local events = {}

---@class tusk.Subscription
---@field event string
local Subscription = {}
local meta = { __name = "subscription" }

-- These are the host's own, and only in a manifest.
local function check_name(event)
  check.string("event", event)
  if event == "" then check.fail("event: a name is needed", { argument = "event" }) end
  if event == "ready" or event == "shutdown" then
    check.fail(("%q is for a plugin's manifest: on = { %s = function(ctx) … end }"):format(event, event), { argument = "event" })
  end
end

local subscribed = {} -- event → subscriptions, in their order

function meta.__index(self, key)
  local method = Subscription[key]
  if method then return method end
  check.no_field("a subscription", key, Subscription, { "event" })
end

function meta.__tostring(self)
  return ("subscription to %q"):format(self.event)
end

local function is_live(sub)
  if sub.ended then return false end
  if not sub.scope then return true end
  local reason, _, open = kernel.scope_reason(sub.scope)
  return open and reason == 0
end

-- Those that are left, without those whose plugin has ended since.
local function prune(event)
  local left = {}
  for _, sub in ipairs(subscribed[event] or {}) do
    if is_live(sub) then left[#left + 1] = sub end
  end
  subscribed[event] = left[1] and left or nil
  return left
end

--- The handler is told no more. Again: no effect.
function Subscription:cancel()
  dots.colon(meta, self, "subscription", "cancel")
  rawset(self, "ended", true)
  prune(self.event)
end

--- From now on fn(…) runs as a task of the plugin, or application, that subscribes, at each such event.
---@param event string
---@param fn fun(...: any)
---@return tusk.Subscription
function events.subscribe(event, fn)
  check_name(event)
  check.callable("fn", fn)
  local list = prune(event)
  local sub = setmetatable({ event = event, fn = fn, scope = scope.supervisor() or false, ended = false }, meta)
  list[#list + 1] = sub
  subscribed[event] = list
  return sub
end

--- Does something subscribe to events for this scope?
function events.has_listener(s)
  for event in pairs(subscribed) do
    for _, sub in ipairs(prune(event)) do
      if sub.scope == s then return true end
    end
  end
  return false
end

-- A manifest's handler is called with the plugin's context before the event's values.
local function of_plugin(p, event)
  local fn = p.manifest.on and p.manifest.on[event]
  if not fn then return nil end
  local context = p.context
  return { scope = p.scope, label = p.manifest.name .. ".on." .. event, fn = function(...) return fn(context, ...) end }
end

--- What is to be started for an event, in order: plugins as they were set up, then subscriptions.
---@return table[] { { scope = nil or what the task belongs to, label =, fn = }, … }
function events.listeners(event)
  local list = {}
  for _, p in ipairs(running.all()) do list[#list + 1] = of_plugin(p, event) end
  for _, sub in ipairs(prune(event)) do
    list[#list + 1] = { scope = sub.scope or nil, label = "on." .. event, fn = sub.fn }
  end
  return list
end

return events

-- client.lua: a server and the functions it is used by.
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local operators = require "tusk.operators"
local batch = require "tusk.redis.batch"
local failure = require "tusk.redis.failure"
local messages = require "tusk.redis.messages"
local names = require "tusk.redis.names"
local raw = require "tusk.binding.redis"
local script = require "tusk.redis.script"
local url = require "tusk.redis.url"

local settle, call = core.settle, raw.call
local client = {}

raw.on_failure(failure.raise, failure.of_reply)

local OPTIONS = { "timeout", "connect_timeout", "max_connections" }
local TIMEOUT, CONNECT_TIMEOUT, MAX_CONNECTIONS = 30, 5, 64

---@class tusk.redis.Client
---@field handle userdata the connection that tasks share; for a holder, its own
---@field holder boolean|nil it stands for one connection that one task has to itself
---@field watching boolean|nil a holder has watched keys and not ended that
local Client = {}
Client.__index = Client

-- AUTH and SELECT, which every new connection begins with.
local function greeting(target)
  if not target.password and target.db == 0 then return nil end
  local b = raw.batch()
  if target.password and target.user then raw.add(b, "AUTH", target.user, target.password)
  elseif target.password then raw.add(b, "AUTH", target.password) end
  if target.db > 0 then raw.add(b, "SELECT", target.db) end
  return b
end

--- A new connection, made when it is first used.
---@param timeout number seconds without an answer; 0: for ever
function Client:connect(timeout, once, subscriber)
  local t = self.target
  return raw.open {
    host = t.host, port = t.port, path = t.path, label = t.label, greeting = greeting(t), auth = t.password ~= nil,
    connect_timeout = self.connect_timeout, timeout = timeout, once = once, subscriber = subscriber,
  }
end

--- fn(handle, …) with a connection that nobody else has.
function Client:with_own(fn, ...)
  if self.holder then return fn(self.handle, ...) end
  if self.closed then errors.raise("closed", "the connection was closed") end
  self.pool = self.pool or operators.get("pool") {
    open = function() return self:connect(0, true) end, close = raw.close, check = raw.usable,
    max = self.max_connections,
  }
  return self.pool:with(fn, ...)
end

-- ---- commands ----

local function on_own(handle, name, ...)
  return settle(call(handle, name, ...))
end

local function blocks(...)
  for i = 1, select("#", ...) do
    local word = (select(i, ...))
    word = type(word) == "string" and word:upper()
    if word == "BLOCK" then return true end
    if word == "STREAMS" then return false end
  end
  return false
end

local function plain(self, name)
  local handle = self.handle
  return function(...)
    return settle(call(handle, name, ...))
  end
end

local function blocking(self, name)
  return function(...)
    return self:with_own(on_own, name, ...)
  end
end

local function perhaps_blocking(self, name)
  local handle = self.handle
  return function(...)
    if blocks(...) then return self:with_own(on_own, name, ...) end
    return settle(call(handle, name, ...))
  end
end

local function refuse(self, name)
  local why = names.refused[name] or not self.holder and names.own[name]
  if why then check.fail(("%s: %s"):format(name, why)) end
end

-- The function that sends the command `name`, in capitals.
local function command(self, name)
  refuse(self, name)
  if names.blocking[name] then return blocking(self, name) end
  if names.may_block[name] then return perhaps_blocking(self, name) end
  return plain(self, name)
end

local function shaped(send, shape)
  return function(...)
    return shape(send(...))
  end
end

-- WATCH is remembered, so that the next holder of the connection finds nothing watched.
local function watch(self)
  local handle = self.handle
  return function(...)
    self.watching = true
    return settle(call(handle, "WATCH", ...))
  end
end

-- ---- the functions that are no commands ----

local makers = {}

function makers.call(self)
  local known = {}
  return function(name, ...)
    local send = known[name]
    if not send then
      send = command(self, check.string("command", name):upper())
      known[name] = send
    end
    return send(...)
  end
end

function makers.pipeline(self)
  return function(fn) return batch.pipeline(self.handle, fn) end
end

function makers.multi(self)
  return function(fn)
    self.watching = false
    return batch.multi(self.handle, fn)
  end
end

function makers.script(self)
  return function(source) return script(self.handle, source) end
end

local function subscriber(self, name)
  local function open() return self:connect(0, true, true) end
  return function(...) return messages.subscribe(open, name, ...) end
end

for _, name in ipairs { "subscribe", "psubscribe", "ssubscribe" } do
  makers[name] = function(self) return subscriber(self, name:upper()) end
end

local namespace_of

local function hold(handle, self, fn)
  local holder = setmetatable({ handle = handle, holder = true, target = self.target }, Client)
  local function leave(...)
    holder.handle = nil
    if holder.watching then settle(call(handle, "UNWATCH")) end
    return ...
  end
  return leave(fn(namespace_of(holder)))
end

makers["with"] = function(self)
  return function(fn)
    check.callable("fn", fn)
    return self:with_own(hold, self, fn)
  end
end

function makers.open()
  return client.open
end

function makers.close(self)
  return function()
    self.closed = true
    raw.close(self.handle)
    if self.pool then self.pool:close() end
  end
end

local NOT_HELD = { open = true, close = true, with = true, subscribe = true, psubscribe = true, ssubscribe = true }

-- ---- the namespace ----

local CLIENT = {} -- key of the client that a namespace stands for

local meta = { __namespace = true, __name = "tusk.redis" }

local function member(self, key)
  local maker, name = makers[key], key:upper()
  if maker and self.holder and NOT_HELD[key] then
    check.fail(("%s belongs to @redis itself, not to a connection of one's own"):format(key))
  end
  if maker then return maker(self) end
  if name == "WATCH" and self.holder then return watch(self) end
  local send, shape = command(self, name), names.shapes[name]
  return shape and shaped(send, shape) or send
end

function meta.__index(namespace, key)
  if type(key) ~= "string" or key:find("^__") then return nil end
  local fn = member(rawget(namespace, CLIENT), key)
  rawset(namespace, key, fn)
  return fn
end

function meta.__tostring(namespace)
  return "redis " .. rawget(namespace, CLIENT).target.label
end

function meta.__call()
  check.fail("a table of functions, not a function; call a command of it, such as @redis.get(key)")
end

function namespace_of(self)
  return setmetatable({ [CLIENT] = self }, meta)
end

--- The functions of a server; it is connected to when first used.
---@param where string redis://[user:password@]host:port/db or redis+unix:///path?db=
---@param opts table|nil { timeout = seconds without any answer (30), connect_timeout = (5), max_connections = of one's
---  own at once, for blocking commands and `with` (64) }
---@return table namespace
function client.open(where, opts)
  opts = check.options(opts, OPTIONS)
  local self = setmetatable({ target = url.parse(where) }, Client)
  self.connect_timeout = check.duration("connect_timeout", opts.connect_timeout, CONNECT_TIMEOUT)
  self.max_connections = check.opt_integer("max_connections", opts.max_connections) or MAX_CONNECTIONS
  self.handle = self:connect(check.duration("timeout", opts.timeout, TIMEOUT))
  return namespace_of(self)
end

return client

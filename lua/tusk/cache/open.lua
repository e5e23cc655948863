-- open.lua: a cache by its URL.
local check = require "tusk.check"
local collect = require "tusk.collect"
local figures = require "tusk.cache.figures"
local Flights = require "tusk.cache.flights"
local Notice = require "tusk.cache.notice"
local view = require "tusk.cache.view"

local OPTIONS = { "name", "size", "prefix", "on_down", "timeout" }
local FOR = { size = "memory:", prefix = "redis:", on_down = "redis:", timeout = "redis:" }

local function belongs(kind, opts)
  for name in pairs(check.options(opts, OPTIONS)) do
    if FOR[name] and FOR[name] ~= kind then
      check.fail(("%s: an option of a %s cache, this one is %s"):format(name, FOR[name], kind), { argument = name })
    end
  end
end

-- scheme → the options a cache of it takes, as the store wants them
local stores = {}

stores["memory:"] = function(_, opts)
  belongs("memory:", opts)
  return require("tusk.cache.memory").new(check.size("size", opts.size, 64 * 1024 * 1024))
end

local SHORT = 1 -- seconds: a server that takes longer for an answer is no help

local function at_server(url, opts, notice)
  belongs("redis:", opts)
  local on_down = opts.on_down
  if on_down ~= nil and on_down ~= "load" and on_down ~= "raise" then
    check.fail('on_down: write "load" or "raise"', { argument = "on_down" })
  end
  return require("tusk.cache.redis").new(url, {
    prefix = check.opt_string("prefix", opts.prefix) or "cache:", on_down = on_down,
    timeout = check.duration("timeout", opts.timeout, SHORT),
  }, notice)
end

for _, scheme in ipairs { "redis:", "rediss:", "redis+unix:", "unix:" } do stores[scheme] = at_server end

local function scheme_of(url)
  if url == "memory" then return "memory:" end
  return url:match("^[%a+]+:") or ""
end

-- A store, and what is loaded into it.
local Space = {}
Space.__index = Space

function Space:stats()
  local stats, flights = self.store:stats(), self.flights
  stats.loads, stats.failures, stats.loading = flights.loads, flights.failures, flights:count()
  return stats
end

--- The functions of the cache at a URL.
---@param url string "memory:", or one that @redis.open takes
---@param opts table|nil { name = } for figures; { size = } of the memory; of a server { prefix =, on_down =, timeout = }
---@return table cache, tusk.cache.Store
return function(url, opts)
  check.string("url", url)
  local make = stores[scheme_of(url)]
  if not make then check.fail(('url: %q is no cache; write "memory:" or "redis://host:port/db"'):format(url), { argument = "url" }) end
  opts = opts or {}
  local name = type(opts) == "table" and check.opt_string("name", opts.name) or nil
  local notice = Notice.new()
  local store = make(url, opts, notice)
  local space = setmetatable({
    name = name, store = store, flights = Flights.new(), notice = notice, rests = {}, resting = 0,
  }, Space)
  if name then collect.add(space, figures) end
  return view.over(space, ""), store
end

-- @cache: values by key, for a time, in memory.
local check = require "tusk.check"
local copy = require "tusk.copy"
local core = require "tusk.core"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local Flights = require "tusk.cache.flights"
local Memory = require "tusk.cache.memory"

local checkpoint, within = core.checkpoint, core.within

local SIZE = 64 * 1024 * 1024
local REMEMBER = { "ttl", "negative_ttl", "timeout" }

local function ttl_check(name, ttl)
  if ttl == nil then return nil end
  local seconds = check.duration(name, ttl)
  if seconds <= 0 then check.fail(name .. " must be more than nothing", { argument = name }) end
  return seconds
end

local function key_check(ns, key)
  if type(key) == "string" then return end
  dots.check("cache", ns, key, "get(key)")
  check.string("key", key)
end

local function value_check(value)
  if value == nil then check.fail("value: nil cannot be kept; use forget(key)", { argument = "value" }) end
end

-- The functions that look at one key.
local function reading(ns, store, prefix)
  --- The value of a key, a copy, or nil.
  ---@param key string
  function ns.get(key)
    key_check(ns, key)
    checkpoint()
    local _, value = store:get(prefix .. key)
    return value
  end

  --- Whether there is a value.
  ---@param key string
  ---@return boolean
  function ns.has(key)
    key_check(ns, key)
    checkpoint()
    return store:has(prefix .. key)
  end
end

-- The functions that change one key.
local function writing(ns, store, flights, prefix)
  --- Keeps a copy of value under key.
  ---@param key string
  ---@param value any what JSON can hold, not nil
  ---@param ttl string|number|nil for ever
  function ns.set(key, value, ttl)
    key_check(ns, key)
    value_check(value)
    ttl = ttl_check("ttl", ttl)
    checkpoint()
    store:set(prefix .. key, value, ttl)
    flights:overtake(prefix .. key)
  end

  --- Whether there was a value to forget.
  ---@param key string
  ---@return boolean
  function ns.forget(key)
    key_check(ns, key)
    checkpoint()
    flights:overtake(prefix .. key)
    return store:forget(prefix .. key)
  end

  --- Lets a value live for ttl from now; false when there is none.
  ---@param key string
  ---@param ttl string|number|nil for ever
  ---@return boolean
  function ns.touch(key, ttl)
    key_check(ns, key)
    ttl = ttl_check("ttl", ttl)
    checkpoint()
    return store:touch(prefix .. key, ttl)
  end

  --- Adds n to a number; one that is not there counts as 0 and lives for ttl.
  ---@param key string
  ---@param n number|nil 1
  ---@param ttl string|number|nil only for a new one
  ---@return number
  function ns.incr(key, n, ttl)
    key_check(ns, key)
    n = check.opt_number("n", n) or 1
    if n ~= n or n == math.huge or n == -math.huge then check.fail("n: a finite number expected") end
    ttl = ttl_check("ttl", ttl)
    checkpoint()
    flights:overtake(prefix .. key)
    return store:incr(prefix .. key, n, ttl)
  end
end

-- The functions over several keys.
local function several(ns, store, flights, prefix)
  --- The values of those keys that have one, by key.
  ---@param keys string[]
  ---@return table<string, any>
  function ns.get_many(keys)
    check.table("keys", keys)
    checkpoint()
    local out = {}
    for i, key in ipairs(keys) do
      check.string(("keys[%d]"):format(i), key)
      local _, value = store:get(prefix .. key)
      out[key] = value
    end
    return out
  end

  --- Keeps each value of a table under its key.
  ---@param values table<string, any>
  ---@param ttl string|number|nil for ever
  function ns.set_many(values, ttl)
    check.table("values", values)
    ttl = ttl_check("ttl", ttl)
    for key in pairs(values) do check.string("key", key) end
    checkpoint()
    for key, value in pairs(values) do
      store:set(prefix .. key, value, ttl)
      flights:overtake(prefix .. key)
    end
  end

  --- Forgets everything; a cache with a prefix, what is under it.
  function ns.clear()
    checkpoint()
    flights:overtake_all(prefix)
    store:clear(prefix)
  end

  --- What the whole cache holds and has done.
  ---@return { hits: integer, misses: integer, entries: integer, bytes: integer, size: integer,
  ---   evictions: integer, expirations: integer, loads: integer, loading: integer }
  function ns.stats()
    local stats = store:stats()
    stats.loads, stats.loading = flights.loads, 0
    for _ in pairs(flights.by_key) do stats.loading = stats.loading + 1 end
    return stats
  end
end

local function remember_options(ttl)
  if type(ttl) ~= "table" then return { ttl = ttl_check("ttl", ttl) } end
  local opts = check.options(ttl, REMEMBER)
  return {
    ttl = ttl_check("ttl", opts.ttl), timeout = opts.timeout,
    negative_ttl = ttl_check("negative_ttl", opts.negative_ttl),
  }
end

local function loading(ns, store, flights, prefix)
  local function landing(key, opts)
    return function(value, keep)
      if value == nil then
        if keep and opts.negative_ttl then store:set_absent(key, opts.negative_ttl) end
        return nil
      end
      if keep then return store:set(key, value, opts.ttl) end
      return (copy.take(value))
    end
  end

  local function load(key, opts, fn)
    return copy.give(flights:run(key, fn, landing(key, opts)))
  end

  --- The value of a key, or what fn() returns, which is kept. fn runs once however many ask, in a
  --- task of the plugin's or application's own; nil is kept only with negative_ttl.
  ---@param key string
  ---@param ttl string|number|nil|{ ttl: string|number, negative_ttl: string|number, timeout: string|number }
  ---@param fn fun(): any
  function ns.remember(key, ttl, fn)
    key_check(ns, key)
    check.callable("fn", fn)
    local opts = remember_options(ttl)
    checkpoint()
    local found, value = store:get(prefix .. key)
    if found then return value end
    return within(opts, load, prefix .. key, opts, fn)
  end
end

local function open(store, flights, prefix)
  local ns = {}
  reading(ns, store, prefix)
  writing(ns, store, flights, prefix)
  several(ns, store, flights, prefix)
  loading(ns, store, flights, prefix)

  --- The same cache, with prefix before every key.
  ---@param opts { prefix: string }
  ---@return table cache
  function ns.with(opts)
    check.options(check.table("options", opts), { "prefix" })
    return open(store, flights, prefix .. check.string("prefix", opts.prefix))
  end

  return ns
end

local function configured_store()
  local config = check.options(core.config "cache", { "url", "size" })
  local url = config.url or "memory:"
  if url ~= "memory:" and url ~= "memory" then
    errors.raise("config", ("cache.url: %q is not supported; use \"memory:\""):format(tostring(url)))
  end
  return Memory.new(check.size("cache.size", config.size, SIZE))
end

return open(configured_store(), Flights.new(), "")

-- view.lua: the functions of @cache, over one store, with one prefix and tags of its own.
local check = require "tusk.check"
local core = require "tusk.core"
local dots = require "tusk.dots"
local load = require "tusk.cache.load"
local many = require "tusk.cache.many"
local options = require "tusk.cache.options"

local checkpoint = core.checkpoint

local PLANS = 100 -- that are known

local view = {}

local function key_check(ns, key)
  if type(key) == "string" then return end
  dots.check("cache", ns, key, "get(key)")
  check.string("key", key)
end

local function value_check(value)
  if value == nil then check.fail("value: nil cannot be kept; use forget(key)", { argument = "value" }) end
end

-- The functions that look at one key.
local function reading(ns, space, prefix)
  local store = space.store

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
local function writing(ns, space, prefix, tags)
  local store, flights = space.store, space.flights

  --- Keeps a copy of value under key.
  ---@param key string
  ---@param value any what JSON can hold, not nil
  ---@param ttl string|number|nil|{ ttl: string|number, tags: string[] } nil: for ever
  function ns.set(key, value, ttl)
    key_check(ns, key)
    value_check(value)
    local seconds, all = options.of_set(ttl, tags)
    checkpoint()
    flights:overtake(prefix .. key)
    store:set(prefix .. key, value, seconds, 0, all)
  end

  --- Lets a value live for ttl from now; false when there is none.
  ---@param key string
  ---@param ttl string|number|nil for ever
  ---@return boolean
  function ns.touch(key, ttl)
    key_check(ns, key)
    ttl = options.ttl("ttl", ttl)
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
    if n ~= n or n == math.huge or n == -math.huge then check.fail("n: a finite number expected", { argument = "n" }) end
    ttl = options.ttl("ttl", ttl)
    checkpoint()
    flights:overtake(prefix .. key)
    return store:incr(prefix .. key, n, ttl, tags)
  end
end

-- The functions that take values away.
local function forgetting(ns, space, prefix)
  local store, flights = space.store, space.flights

  --- Whether there was a value to forget.
  ---@param key string
  ---@return boolean
  function ns.forget(key)
    key_check(ns, key)
    checkpoint()
    flights:overtake(prefix .. key)
    return store:forget(prefix .. key)
  end

  --- Forgets all that have the tag, whatever their prefix.
  ---@param tag string
  function ns.forget_tag(tag)
    dots.check("cache", ns, tag, "forget_tag(tag)")
    check.string("tag", tag)
    checkpoint()
    flights:overtake_tag(tag)
    store:forget_tag(tag)
  end

  --- Forgets everything; a cache with a prefix, what is under it.
  function ns.clear()
    checkpoint()
    flights:overtake_all(prefix)
    store:clear(prefix)
  end
end

local function whole_keys(prefix, keys)
  check.table("keys", keys)
  local out = {}
  for i, key in ipairs(keys) do
    check.string(("keys[%d]"):format(i), key)
    out[i] = prefix .. key
  end
  return out
end

-- The functions over several keys.
local function several(ns, space, prefix, tags)
  local store, flights = space.store, space.flights

  --- The values of those keys that have one, by key.
  ---@param keys string[]
  ---@return table<string, any>
  function ns.get_many(keys)
    dots.check("cache", ns, keys, "get_many(keys)")
    local whole = whole_keys(prefix, keys)
    checkpoint()
    local out = {}
    local _, values = store:get_many(whole)
    for i, key in ipairs(keys) do out[key] = values[i] end
    return out
  end

  --- Keeps each value of a table under its key.
  ---@param values table<string, any>
  ---@param ttl string|number|nil|{ ttl: string|number, tags: string[] } nil: for ever
  function ns.set_many(values, ttl)
    dots.check("cache", ns, values, "set_many(values)")
    check.table("values", values)
    local seconds, all = options.of_set(ttl, tags)
    local keys, list = {}, {}
    for key, value in pairs(values) do
      check.string("key", key)
      keys[#keys + 1], list[#list + 1] = prefix .. key, value
    end
    checkpoint()
    for _, key in ipairs(keys) do flights:overtake(key) end
    store:set_many(keys, list, seconds, all)
  end

  --- What the whole cache holds and has done, as far as this process knows.
  ---@return { hits: integer, misses: integer, loads: integer, failures: integer, loading: integer } and more, which
  ---  depends on the store
  function ns.stats()
    return space:stats()
  end
end

-- A function that gives the plan for a mere ttl: the same one, which nobody changes, for the same ttl.
local function plans_with(tags)
  local plans, n = {}, 0
  return function(seconds)
    local plan = plans[seconds or 0]
    if plan then return plan end
    if n >= PLANS then plans, n = {}, 0 end
    plan, n = options.of_remember(seconds, tags), n + 1
    plans[seconds or 0] = plan
    return plan
  end
end

local function remembering(ns, space, prefix, tags)
  local store, plain_plan = space.store, plans_with(tags)

  --- The value of a key, or what fn() returns, which is kept. fn runs once however many ask, in a
  --- task of the plugin's or application's own; nil is kept only with negative_ttl.
  ---@param key string
  ---@param ttl string|number|nil|{ ttl: string|number, stale: string|number, on_error_stale: string|number,
  ---  negative_ttl: string|number, refresh_ahead: string|number, jitter: number, tags: string[], timeout: string|number }
  ---@param fn fun(): any
  function ns.remember(key, ttl, fn)
    key_check(ns, key)
    check.callable("fn", fn)
    if type(ttl) == "table" then
      local plan = options.of_remember(ttl, tags)
      checkpoint()
      return load.remember(space, prefix .. key, plan, fn)
    end
    local seconds = options.ttl("ttl", ttl)
    checkpoint()
    local found, value = store:get(prefix .. key) -- a hit needs no plan
    if found then return value end
    return load.fetch(space, prefix .. key, plain_plan(seconds), fn)
  end
end

--- The functions of a cache: those of `space`, with prefix before every key and tags on all that is set.
---@param space table see load.remember
---@param prefix string
---@param tags string[]|nil
function view.over(space, prefix, tags)
  local ns = setmetatable({}, { __namespace = true })
  reading(ns, space, prefix)
  writing(ns, space, prefix, tags)
  forgetting(ns, space, prefix)
  several(ns, space, prefix, tags)
  remembering(ns, space, prefix, tags)
  many.add(ns, space, prefix, tags)

  --- The same cache, with prefix before every key and tags on all that is set.
  ---@param opts { prefix: string|nil, tags: string[]|nil }
  ---@return table cache
  function ns.with(opts)
    check.options(check.table("options", opts), { "prefix", "tags" })
    return view.strict(view.over(space, prefix .. (check.opt_string("prefix", opts.prefix) or ""),
      options.both(tags, options.tags(opts.tags))))
  end

  return ns
end

--- A cache that is not an operator's own: a misspelt function is an error here too.
function view.strict(ns)
  getmetatable(ns).__index = function(_, key) check.no_field("a cache", key, ns, {}) end
  return ns
end

return view

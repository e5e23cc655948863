-- @cache: whatever is done to the stores, they do the same.
local caches = require "spec.support.caches"

local KEYS, TAGS, TIMES = { "a", "b", "c", "p:a", "p:b" }, { "x", "y" }, { 10, 20, 40 }
local VALUES = { 1, -2.5, "text", { 1, { k = "v" } }, false, { deep = { {} } } }

local function one_of(list)
  return list[math.random(#list)]
end

local function maybe(fn)
  return math.random(2) == 1 and fn() or nil
end

local function some_tags()
  return maybe(function() return math.random(3) == 1 and TAGS or { one_of(TAGS) } end)
end

local function how()
  return { ttl = maybe(function() return one_of(TIMES) end), tags = some_tags() }
end

local function how_to_remember()
  local opts = { ttl = one_of(TIMES), tags = some_tags() }
  opts.stale = maybe(function() return one_of(TIMES) end)
  opts.on_error_stale = maybe(function() return one_of(TIMES) end)
  opts.negative_ttl = maybe(function() return one_of(TIMES) end)
  opts.refresh_ahead = maybe(function() return opts.ttl / 2 end)
  return opts
end

-- Each makes a step: fn(cache, pass) → what is to be the same.
local steps = {}

function steps.get()
  local key = one_of(KEYS)
  return function(c) return c.get(key) end
end

function steps.has()
  local key = one_of(KEYS)
  return function(c) return c.has(key) end
end

function steps.set()
  local key, value, opts = one_of(KEYS), one_of(VALUES), how()
  return function(c) return c.set(key, value, opts) end
end

function steps.forget()
  local key = one_of(KEYS)
  return function(c) return c.forget(key) end
end

function steps.touch()
  local key, ttl = one_of(KEYS), maybe(function() return one_of(TIMES) end)
  return function(c) return c.touch(key, ttl) end
end

function steps.incr()
  local key, n, ttl = one_of(KEYS), one_of { 1, 0.1, -3 }, one_of(TIMES)
  return function(c)
    local value, e = @try(c.incr, key, n, ttl)
    return value or { e.kind, e.message }
  end
end

function steps.get_many()
  return function(c) return c.get_many(KEYS) end
end

function steps.set_many()
  local values, opts = { [one_of(KEYS)] = one_of(VALUES), [one_of(KEYS)] = one_of(VALUES) }, how()
  return function(c) return c.set_many(values, opts) end
end

function steps.forget_tag()
  local tag = one_of(TAGS)
  return function(c) return c.forget_tag(tag) end
end

function steps.clear()
  local prefix = one_of { "p:", "p:", "" }
  return function(c) return c.with({ prefix = prefix }).clear() end
end

function steps.view()
  local view, key, value = { prefix = "p:", tags = { one_of(TAGS) } }, one_of { "a", "b" }, one_of(VALUES)
  return function(c) return c.with(view).set(key, value, 20) end
end

function steps.remember()
  local key, value, opts = one_of(KEYS), maybe(function() return one_of(VALUES) end), how_to_remember()
  return function(c)
    local got = c.remember(key, opts, @(value))
    while c.stats().loading > 0 do @yield() end -- what is loaded behind everybody's back
    return { got }
  end
end

function steps.remember_many()
  local keys, values = {}, {}
  for i = 1, math.random(4) do
    keys[i] = one_of(KEYS)
    values[keys[i]] = maybe(function() return one_of(VALUES) end)
  end
  local opts = { ttl = one_of(TIMES), tags = some_tags(), negative_ttl = maybe(function() return one_of(TIMES) end) }
  return function(c)
    local asked = {}
    local got = c.remember_many(keys, opts, function(missing)
      asked = { unpack(missing) }
      return values
    end)
    table.sort(asked)
    return { got, asked }
  end
end

function steps.pass()
  local seconds = one_of { 1, 5, 9, 10, 20 }
  return function(_, pass) return pass(seconds) end
end

local NAMES = {}
for name in pairs(steps) do NAMES[#NAMES + 1] = name end
table.sort(NAMES)
for _, name in ipairs { "remember", "remember", "remember", "set", "get", "get", "pass" } do NAMES[#NAMES + 1] = name end

local function program(seed, length)
  math.randomseed(seed)
  local list = {}
  for i = 1, length do
    local name = one_of(NAMES)
    list[i] = { name, steps[name]() }
  end
  return list
end

local function results(backend, list)
  local out
  backend.each(function(cache, pass)
    out = {}
    for i, step in ipairs(list) do out[i] = { step[1], step[2](cache, pass) } end
    local stats = cache.stats()
    out.stats = { stats.hits, stats.misses, stats.loads }
  end)
  return out
end

describe("the stores of @cache", function()
  for _, backend in ipairs(caches) do
    setup(backend.start)
    teardown(backend.stop)
  end

  it("do the same, whatever is done to them", function()
    for seed = 1, tonumber(os.getenv "N") or 6 do
      local list = program(seed, 200)
      local expected, got = results(caches[1], list), results(caches[2], list)
      for i = 1, #list do assert.same(expected[i], got[i], ("seed %d, step %d"):format(seed, i)) end
      assert.same(expected.stats, got.stats, "seed " .. seed)
    end
  end)
end)

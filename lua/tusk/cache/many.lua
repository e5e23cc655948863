-- many.lua: remember_many: what is there, and what one function brings for all keys that nobody loads already. Each key
-- is a flight of its own: who asks for it meanwhile waits for it, and one that is changed meanwhile is not kept.
local check = require "tusk.check"
local copy = require "tusk.copy"
local core = require "tusk.core"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local load = require "tusk.cache.load"
local map = require "tusk.map"
local options = require "tusk.cache.options"

local RELEASE = 1 -- seconds that giving up claims may take
local WIDTH = { concurrency = 100 } -- questions to a server at a time

local many = {}

-- fn of each, side by side where it may wait.
local function each(store, list, fn)
  if not store.at_once then return map(list, fn, WIDTH) end
  for _, item in ipairs(list) do fn(item) end
end

-- The members that are to be loaded here, and those that somebody else is loading; who has just been loaded is done.
local function claimed(space, members, plan)
  local mine, busy = {}, {}
  each(space.store, members, function(member)
    local claim, found, value = space.store:claim(member.key, plan.tags, false, true)
    member.claim = claim
    if claim then mine[#mine + 1] = member
    elseif found then space.flights:finish(member, true, value)
    else busy[#busy + 1] = member end
  end)
  return mine, busy
end

local function give_up(space, members)
  core.scope({ shield = true, timeout = RELEASE }, function()
    each(space.store, members, function(member) space.store:release(member.claim, member.key) end)
  end)
end

-- What fn says of these keys, by key.
local function asked(fn, prefix, members)
  local names = {}
  for i, member in ipairs(members) do names[i] = member.key:sub(#prefix + 1) end
  local values = fn(names)
  if type(values) == "table" then return values end
  check.fail(("fn: a table of values by key expected, got %s"):format(type(values)), { argument = "fn" })
end

local function land_all(space, members, call, values)
  each(space.store, members, function(member)
    local ok, kept = pcall(load.land, space, member, member.claim, call.plan, values[member.key:sub(#call.prefix + 1)])
    if not ok then pcall(give_up, space, { member }) end
    space.flights:finish(member, ok, kept)
  end)
end

local function load_all(space, members, call)
  local ok, values = xpcall(asked, errors.at_base, call.fn, call.prefix, members)
  if ok then return land_all(space, members, call, values) end
  pcall(give_up, space, members)
  error(values, 0)
end

local function load_mine(space, members, call)
  if not members[1] then return end
  if not space.store.hold then return load_all(space, members, call) end
  local claims = {}
  for i, member in ipairs(members) do claims[i] = member.claim end
  local holder = space.store:hold(claims)
  local ok, e = pcall(load_all, space, members, call)
  holder:cancel()
  if not ok then error(e, 0) end
end

-- One that somebody else is loading: waited for, and loaded here should that come to nothing.
local function load_one(space, member, call)
  local claim, _, value = space.store:claim(member.key, call.plan.tags, false)
  if not claim then return space.flights:finish(member, true, value) end
  member.claim = claim
  load_all(space, { member }, call)
end

-- The body of the group's flight. While it waits for what others load it has no claim itself: two groups might wait for
-- each other.
local function fly_all(group, space, call)
  local mine, busy = claimed(space, group.members, call.plan)
  load_mine(space, mine, call)
  each(space.store, busy, function(member) load_one(space, member, call) end)
end

-- name → value of those there are; the whole keys that nobody loads, and the names that somebody does.
local function look(space, prefix, names)
  local whole, out, fresh, others, seen = {}, {}, {}, {}, {}
  for i, name in ipairs(names) do whole[i] = prefix .. name end
  local found, values = space.store:get_many(whole)
  for i, name in ipairs(names) do
    if found[i] then out[name] = values[i]
    elseif not seen[name] then
      seen[name] = true
      if space.flights.by_key[whole[i]] then others[#others + 1] = name else fresh[#fresh + 1] = whole[i] end
    end
  end
  return out, fresh, others
end

local function collect(group, prefix, out)
  for _, member in ipairs(group.members) do
    if not member.ok then error(member.value, 0) end
    if member.value ~= nil then out[member.key:sub(#prefix + 1)] = copy.give(member.value) end
  end
end

local function remember(space, prefix, names, plan, fn)
  local out, fresh, others = look(space, prefix, names)
  if fresh[1] then
    local call = { prefix = prefix, plan = plan, fn = fn }
    local group = space.flights:start_many(fresh, plan.tags, fly_all, space, call)
    space.flights.await(group, fresh[1])
    collect(group, prefix, out)
  end
  for _, name in ipairs(others) do
    out[name] = load.remember(space, prefix .. name, plan, function() return asked(fn, "", { { key = name } })[name] end)
  end
  return out
end

--- Adds the function to those of a cache.
---@param space table see load.remember
---@param prefix string
---@param tags string[]|nil
function many.add(ns, space, prefix, tags)
  --- The values of several keys by key, of those that have one: what is there, and what fn(missing) gives for the others,
  --- which is kept. fn runs in a task of the plugin's or application's own, for keys that nobody loads already.
  ---@param keys string[]
  ---@param ttl string|number|nil|{ ttl: string|number, negative_ttl: string|number, jitter: number, tags: string[],
  ---  timeout: string|number }
  ---@param fn fun(missing: string[]): table<string, any>
  ---@return table<string, any>
  function ns.remember_many(keys, ttl, fn)
    dots.check("cache", ns, keys, "remember_many(keys, ttl, fn)")
    for i, key in ipairs(check.table("keys", keys)) do check.string(("keys[%d]"):format(i), key) end
    check.callable("fn", fn)
    local plan = options.of_many(ttl, tags)
    core.checkpoint()
    return core.within(plan, remember, space, prefix, keys, plan, fn)
  end
end

return many

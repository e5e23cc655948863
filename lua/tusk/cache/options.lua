-- options.lua: what is said about a value: how long it lives, what tags it has.
local array = require "tusk.array"
local check = require "tusk.check"

local options = {}

local SET = { "ttl", "tags" }
local REMEMBER = {
  "ttl", "stale", "on_error_stale", "negative_ttl", "refresh_ahead", "jitter", "tags", "timeout",
}
local TIMES = { "stale", "on_error_stale", "negative_ttl", "refresh_ahead" }
local TAGS_MAX = 100 -- of one list
local NO_TTL = " needs a ttl: what lives for ever is never old"

--- Seconds, more than none; nil stays nil.
---@param name string
---@param ttl string|number|nil
---@return number|nil
function options.ttl(name, ttl)
  if ttl == nil then return nil end
  local seconds = check.duration(name, ttl)
  if seconds <= 0 then check.fail(name .. " must be more than nothing", { argument = name }) end
  return seconds
end

local function tag_check(name, tag)
  check.string(name, tag)
  if tag == "" then check.fail(name .. ": a tag has a name", { argument = name }) end
end

--- A list of tags, or nil for none.
---@param tags string[]|nil
---@return string[]|nil
function options.tags(tags)
  if tags == nil then return nil end
  check.table("tags", tags)
  local n = 0
  for _ in pairs(tags) do n = n + 1 end
  if n ~= #tags then check.fail("tags: a list of strings expected", { argument = "tags" }) end
  if n > TAGS_MAX then check.fail(("tags: at most %d, got %d"):format(TAGS_MAX, n), { argument = "tags" }) end
  for i, tag in ipairs(tags) do tag_check(("tags[%d]"):format(i), tag) end
  return n > 0 and tags or nil
end

--- The tags of a view and those of one value, each once.
function options.both(own, more)
  if not own or not more then return own or more end
  local out, seen = {}, {}
  for _, list in ipairs { own, more } do
    for _, tag in ipairs(list) do
      if not seen[tag] then out[#out + 1] = tag end
      seen[tag] = true
    end
  end
  return out
end

--- Of set: ttl, or { ttl =, tags = }.
---@return number|nil seconds, string[]|nil tags
function options.of_set(ttl, own)
  if type(ttl) ~= "table" then return options.ttl("ttl", ttl), own end
  check.options(ttl, SET)
  return options.ttl("ttl", ttl.ttl), options.both(own, options.tags(ttl.tags))
end

local function jitter_check(jitter)
  if jitter == nil then return end
  check.number("jitter", jitter)
  if not (jitter >= 0 and jitter < 1) then
    check.fail(("jitter: a part of the ttl expected, from 0 to less than 1, got %s"):format(tostring(jitter)),
      { argument = "jitter" })
  end
end

local function check_together(plan)
  local jitter = plan.jitter
  for _, name in ipairs { "stale", "on_error_stale", "refresh_ahead", "jitter" } do
    if plan[name] and not plan.ttl then check.fail(name .. NO_TTL, { argument = name }) end
  end
  if plan.refresh_ahead and plan.refresh_ahead >= plan.ttl * (1 - (jitter or 0)) then
    check.fail("refresh_ahead: less than the ttl expected, jitter taken off", { argument = "refresh_ahead" })
  end
end

---@class tusk.cache.Plan
---@field ttl number|nil
---@field keep number how long a value is kept after its ttl
---@field stale number|nil how long after its ttl it is given while another is loaded
---@field on_error_stale number|nil and if none can be loaded
---@field negative_ttl number|nil
---@field refresh_ahead number|nil
---@field jitter number|nil
---@field tags string[]|nil
---@field timeout number|string|nil
---@field looks boolean a value is looked at with its age: it matters, or, having tags, that is one question instead of two

--- Of remember: ttl, or a table of options.
---@param own string[]|nil tags of the view
---@return tusk.cache.Plan
function options.of_remember(ttl, own)
  if type(ttl) ~= "table" then return { ttl = options.ttl("ttl", ttl), keep = 0, tags = own } end
  check.options(ttl, REMEMBER)
  if array.is(ttl) then check.fail("options: named fields expected, got a list") end
  local plan = { ttl = options.ttl("ttl", ttl.ttl), jitter = ttl.jitter, timeout = ttl.timeout }
  for _, name in ipairs(TIMES) do plan[name] = options.ttl(name, ttl[name]) end
  if plan.timeout then check.duration("timeout", plan.timeout) end
  jitter_check(plan.jitter)
  check_together(plan)
  plan.tags = options.both(own, options.tags(ttl.tags))
  plan.keep = math.max(plan.stale or 0, plan.on_error_stale or 0)
  plan.looks = plan.keep > 0 or plan.refresh_ahead ~= nil or plan.tags ~= nil
  return plan
end

--- Of remember_many: the same, but for what needs a value's age.
function options.of_many(ttl, own)
  if type(ttl) == "table" then
    for _, name in ipairs { "stale", "on_error_stale", "refresh_ahead" } do
      if ttl[name] ~= nil then check.fail(name .. ": is for remember, not for remember_many", { argument = name }) end
    end
  end
  return options.of_remember(ttl, own)
end

return options

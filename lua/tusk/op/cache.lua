-- cache.lua: @cache: the default cache. See docs/operators/cache.md.
local core = require "tusk.core"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local open = require "tusk.cache.open"
local view = require "tusk.cache.view"

local function configured()
  local options, place = {}, "memory:"
  for name, value in pairs(core.config("cache")) do
    if name == "url" then place = value else options[name] = value end
  end
  return open(place, options)
end

local ok, cache = pcall(configured)
if not ok then
  if not errors.is(cache, "argument") then error(cache, 0) end
  errors.raise("config", "cache." .. cache.message)
end

--- Another cache, with the same functions.
---@param url string
---@param opts table|nil
---@return table cache
function cache.open(url, opts)
  dots.check("cache", cache, url, "open(url)")
  return view.strict(open(url, opts))
end

return cache

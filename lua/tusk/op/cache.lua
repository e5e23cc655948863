-- cache.lua: @cache: the default cache. See docs/operators/cache.md.
local core = require "tusk.core"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local open = require "tusk.cache.open"
local view = require "tusk.cache.view"

local function configured()
  local options, place = { name = "default" }, "memory:"
  for name, value in pairs(core.config("cache")) do
    if name == "url" then place = value else options[name] = value end
  end
  if place:find("^memory") then options.prefix, options.on_down, options.timeout = nil, nil, nil
  else options.size = nil end -- the default of what is not used
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
  local other, store = open(url, opts)

  --- Ends its connection; forgets what is in its memory.
  function other.close() store:close() end

  return view.strict(other)
end

return cache

-- open.lua: a cache by its URL.
local check = require "tusk.check"
local Flights = require "tusk.cache.flights"
local Notice = require "tusk.cache.notice"
local view = require "tusk.cache.view"

local OPTIONS = { "size", "prefix", "on_down", "timeout" }
local FOR = { size = "memory:", prefix = "redis:", on_down = "redis:", timeout = "redis:" }

local function belongs(kind, opts)
  for name in pairs(check.options(opts, OPTIONS)) do
    if FOR[name] ~= kind then
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

local function scheme_of(url)
  if url == "memory" then return "memory:" end
  return url:match("^%a+:") or ""
end

--- The functions of the cache at a URL.
---@param url string "memory:"
---@param opts table|nil { size = } of the memory
---@return table cache
return function(url, opts)
  check.string("url", url)
  local make = stores[scheme_of(url)]
  if not make then check.fail(('url: %q is no cache; write "memory:"'):format(url), { argument = "url" }) end
  local notice = Notice.new()
  local store = make(url, opts or {}, notice)
  return view.over({ store = store, flights = Flights.new(), notice = notice, rests = {}, resting = 0 }, "")
end

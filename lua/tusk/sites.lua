-- sites.lua: which place in source a site closure stands for: { file, line, column, span, op }.
local kernel = require "tusk.kernel"

local sites = {}

local by_function = setmetatable({}, { __mode = "k" })
local shipped = setmetatable({}, { __mode = "k" }) -- the same of plugins that come with Tusk: no user's place
local by_address = setmetatable({}, { __mode = "v" }) -- for what a task remembers of its spawner

--- Marks fn as the closure of a site.
function sites.add(fn, site)
  local own = site.file:find("^%[tusk%.plugins%.")
  local map = own and shipped or by_function
  map[fn] = site
  by_address[kernel.address(fn)] = site
end

--- The innermost place of the running code, or of a coroutine's, that belongs to a user: the site of an `@`,
--- or a line; else, in a task that a plugin we ship has of its own, the site there. nil when there is none.
---@param co thread|nil
function sites.here(co)
  local site, file, line = kernel.here(by_function, co)
  if not site and not file then site = kernel.here(shipped, co) end
  return site or file and { file = file, line = line } or nil
end

--- The site of the closure at that address, or nil.
function sites.at_address(address)
  return by_address[address]
end

return sites

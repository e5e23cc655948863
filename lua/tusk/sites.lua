-- sites.lua: which place in source a site closure stands for: { file, line, column, span, op }.
local kernel = require "tusk.kernel"

local sites = {}

local by_function = setmetatable({}, { __mode = "k" })
local by_address = setmetatable({}, { __mode = "v" }) -- for what a task remembers of its spawner

--- Marks fn as the closure of a site.
function sites.add(fn, site)
  by_function[fn] = site
  by_address[kernel.address(fn)] = site
end

--- The innermost place of the running code, or of a coroutine's, that belongs to a user: the site of an `@`,
--- or a line. nil when there is none.
---@param co thread|nil
function sites.here(co)
  local site, file, line = kernel.here(by_function, co)
  return site or file and { file = file, line = line } or nil
end

--- The site of the closure at that address, or nil.
function sites.at_address(address)
  return by_address[address]
end

return sites

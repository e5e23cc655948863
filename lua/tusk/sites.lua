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

--- The site of a closure, or nil.
function sites.of(fn)
  return by_function[fn]
end

--- The site of the closure at that address, or nil.
function sites.at_address(address)
  return by_address[address]
end

return sites

-- verbs.lua: the verbs of @file, once for all: bound to where the process is, or to a root that nothing leaves.
local args = require "tusk.file.args"
local check = require "tusk.check"
local core = require "tusk.core"
local handles = require "tusk.file.handles"
local raw = require "tusk.binding.file"

local within = core.within

local verbs = {}

local families = {
  require "tusk.file.whole", require "tusk.file.pieces", require "tusk.file.names", require "tusk.file.walk",
  require "tusk.file.temp", require "tusk.file.lock", require "tusk.file.watch",
}

local OPTIONS = { "timeout" }

local meta = { __name = "tusk.file.Root", __namespace = true }

function meta.__index(self, key)
  local names = {}
  for name in pairs(self) do names[#names + 1] = name end
  table.sort(names)
  check.fail(("a root has no function %q%s"):format(tostring(key), (check.hint(tostring(key), names))),
    { help = { "functions: " .. table.concat(names, ", ") } })
end

function meta.__tostring()
  return "a root of @file"
end

function meta.__newindex()
  check.fail("a root's functions are what they are")
end

-- A verb has at most four arguments.
local function bound(at, verb)
  return function(a, b, c, d) return verb(at, a, b, c, d) end
end

local root = {}

--- The same verbs in a folder that they cannot leave, by "..", by an absolute path or by a link.
---@param at tusk.file.At
---@param path string a folder
---@param opts { timeout: string|number }|nil
---@return table root used with dots: root.read("a.txt")
function root.root(at, path, opts)
  args.path(at, "path", path)
  local handle = within(check.options(opts, OPTIONS), handles.open, raw.root, at.root, path)
  local inner = verbs.bind({ root = handle, name = "root", namespace = {} })
  return setmetatable(inner, meta)
end

--- The verbs, in at.namespace, bound to a place.
---@param at tusk.file.At
---@return table namespace
function verbs.bind(at)
  for _, family in ipairs(families) do
    for name, verb in pairs(family) do at.namespace[name] = bound(at, verb) end
  end
  return at.namespace
end

families[#families + 1] = root

return verbs

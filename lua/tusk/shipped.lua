-- shipped.lua: the plugins that come with Tusk: where they are, and what `require "tusk.plugins.…"` gives.
local kernel = require "tusk.kernel"
local loader = require "tusk.loader"
local operators = require "tusk.operators"

local shipped = {}

local folder -- nil: not looked for yet; false: there is none

local function find_folder()
  if folder == nil then folder = kernel.plugins() or false end
  return folder
end

local function is_file(path)
  local handle = io.open(path, "rb")
  if handle then handle:close() end
  return handle ~= nil and not loader.is_directory(path)
end

--- Is it the very folder that they are in? In Tusk's own source tree `plugins` is.
---@param path string
---@return boolean
function shipped.is_folder(path)
  local file = operators.get("file")
  local ours, theirs = find_folder() and file.metadata(folder), file.metadata(path)
  return ours ~= nil and ours ~= false and theirs ~= nil and ours.inode == theirs.inode and ours.device == theirs.device
end

--- Where the plugin of that name is; nil when none is shipped under it.
---@param name string
---@return { name: string, file: string, dir: string, chunkname: string }|nil
function shipped.find(name)
  if not find_folder() or not name:match("^[%w_%-]+$") then return nil end
  local dir = folder .. "/" .. name
  local file = dir .. "/init.lua"
  return is_file(file) and { name = name, file = file, dir = dir, chunkname = ("=[tusk.plugins.%s.init]"):format(name) } or nil
end

--- The names of all of them, sorted.
---@return string[]
function shipped.names()
  local names = {}
  for _, entry in ipairs(find_folder() and operators.get("file").read_dir(folder) or {}) do
    if shipped.find(entry.name) then names[#names + 1] = entry.name end
  end
  return names
end

local providers -- operator → plugin, once somebody has asked

local function find_providers()
  local found, manifest = {}, require "tusk.manifest"
  for _, name in ipairs(shipped.names()) do
    local place = shipped.find(name)
    local ok, loaded = pcall(manifest.load, place.file, place.name, place.dir, place.chunkname)
    for operator in pairs(ok and loaded.manifest.operators or {}) do found[operator] = name end
  end
  return found
end

--- The plugin that has an operator of that name, or nil. The bodies of all of them are run for that.
---@param operator string
---@return string|nil
function shipped.provider(operator)
  providers = providers or find_providers()
  return providers[operator]
end

-- "repository" is repository/repository.lua, the library, else its manifest; "repository.rows" is a file of its own.
local function places_of(name)
  local path = folder .. "/" .. name:gsub("%.", "/")
  if name:find(".", 1, true) then return { path .. ".lua" } end
  return { path .. "/" .. name .. ".lua", path .. "/init.lua" }
end

-- Their code counts as the host's own: what goes wrong in a call is told at the caller's place.
local function load(path, name)
  local fn, message = loader.compile(loader.read_all(path), "=[" .. name .. "]")
  if fn then return fn end
  error(("error loading module '%s' from file '%s':\n\t%s"):format(name, path, message), 0)
end

--- A searcher of package.loaders, for the names that begin with "tusk.plugins.".
function shipped.search(name)
  local short = name:match("^tusk%.plugins%.([%w_%-%.]+)$")
  if not find_folder() then return "\n\tno plugins come with this host: it has no folder of them" end
  local tried = {}
  for _, path in ipairs(short and places_of(short) or {}) do
    if is_file(path) then return load(path, name) end
    tried[#tried + 1] = "\n\tno file '" .. path .. "'"
  end
  return table.concat(tried)
end

return shipped

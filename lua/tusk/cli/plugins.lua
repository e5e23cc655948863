-- cli/plugins: which plugins a script directory has: its own, those we ship that it lists, and those that these require.
local manifest = require "tusk.manifest"
local operators = require "tusk.operators"
local shipped = require "tusk.shipped"

local plugins = {}

--- The plugin that an entry of DIR/plugins is, or nil.
---@return { name: string, file: string, dir: string }|nil
function plugins.of_entry(dir, entry)
  local name = entry.type == "file" and (entry.name:match("^(.+)%.lua$") or entry.name:match("^(.+)%.so$"))
  if name then return { file = entry.path, name = name, dir = dir } end
  if entry.type ~= "directory" then return nil end
  for _, first in ipairs { "init.lua", entry.name .. ".so" } do
    local path = entry.path .. "/" .. first
    if operators.get("file").exists(path) then return { file = path, name = entry.name, dir = entry.path } end
  end
end

local function entries(folder)
  local file = operators.get("file")
  return file.exists(folder) and file.read_dir(folder) or {}
end

--- The places of those in a script directory. Tusk's own source tree is none.
function plugins.here(dir)
  local folder, found = dir .. "/plugins", {}
  if shipped.is_folder(folder) then return found end
  for _, entry in ipairs(entries(folder)) do found[#found + 1] = plugins.of_entry(folder, entry) end
  return found
end

local function load_at(place, root)
  local loaded = manifest.load(place.file, place.name, place.dir, place.chunkname)
  loaded.root = root
  return loaded
end

-- found: the list of them, and found.by: name or "@operator" → one that has it
local function add(found, loaded)
  found[#found + 1] = loaded
  found.by[loaded.manifest.name] = loaded
  for name in pairs(loaded.manifest.operators or {}) do found.by["@" .. name] = loaded end
end

-- Those under `plugins` in what a tusk.lua returned. What is no table there is told of later.
local function names_in(all, into)
  local own = type(all) == "table" and all.plugins
  for name in pairs(type(own) == "table" and own or {}) do into[#into + 1] = tostring(name) end
end

local function listed(file, environment)
  local names = {}
  names_in(file, names)
  names_in(type(file.environments) == "table" and file.environments[environment], names)
  table.sort(names)
  return names
end

-- The one that we ship of that name, or with that operator, loaded. None takes the name of one that is there.
local function load_shipped(need, found, root)
  local operator = need:match("^@(.*)")
  if operator and operators.is_core(operator) then return nil end
  local name = operator and shipped.provider(operator) or not operator and need
  local place = name and not found.by[name] and shipped.find(name)
  return place and load_at(place, root)
end

local function add_required(found, root)
  local i = 0
  while i < #found do
    i = i + 1
    for _, need in ipairs(found[i].manifest.requires or {}) do
      local loaded = not found.by[need] and load_shipped(need, found, root)
      if loaded then add(found, loaded) end
    end
  end
end

--- All of a script directory, their bodies run, in the order of their needs.
---@param file table what its tusk.lua returned
---@param environment string
function plugins.load(dir, file, environment)
  local found = { by = {} }
  for _, place in ipairs(plugins.here(dir)) do add(found, load_at(place, dir)) end
  for _, name in ipairs(listed(file, environment)) do
    local loaded = not found.by[name] and load_shipped(name, found, dir)
    if loaded then add(found, loaded) end
  end
  add_required(found, dir)
  return manifest.order(found)
end

return plugins

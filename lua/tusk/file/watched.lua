-- watched.lua: the folders that a watch is on: which number of the system's stands for which path.
local core = require "tusk.core"
local errors = require "tusk.errors"
local raw = require "tusk.binding.file"

local settle = core.settle

local watched = {}

local function join(folder, name)
  return folder:sub(-1) == "/" and folder .. name or folder .. "/" .. name
end

--- The path that an event is about; nil if its folder is watched no more.
function watched.path_of(self, e)
  local folder = self.folders[e.watch]
  return folder and join(folder, e.name)
end

local function add(self, path)
  local number = settle(raw.watch_add(self.root or nil, path, self.stream))
  self.folders[number] = path
  return number
end

local function is_gone(err)
  return errors.is(err, "file.not_found") or errors.is(err, "file.not_directory")
end

local function add_and_list(self, path)
  add(self, path)
  return settle(raw.read_dir(self.root or nil, path))
end

local function add_below(self, path, found)
  local ok, list = pcall(add_and_list, self, path)
  if not ok then
    if is_gone(list) then return end
    errors.rethrow(list)
  end
  for _, entry in ipairs(list) do
    found[#found + 1] = entry
    if entry.type == "directory" then add_below(self, entry.path, found) end
  end
end

--- Watches a folder and all below. What is in them by now is returned, and not told again: it may have come before or after.
---@return { name: string, path: string, type: string }[]
function watched.add_all(self, path)
  local found = {}
  add_below(self, path, found)
  for _, entry in ipairs(found) do self.seen[entry.path] = true end
  return found
end

--- Was it told already that this is there?
function watched.told(self, path)
  local told = self.seen[path]
  self.seen[path] = nil
  return told
end

--- All that was under way when folders were added has been told.
function watched.settle(self)
  if next(self.seen) then self.seen = {} end
end

--- The beginning, or a new one: nothing is told of what is there by now.
function watched.start(self)
  self.top = add(self, self.path)
  if self.recursive then
    watched.add_all(self, self.path)
    self.seen = {}
  end
end

--- The system has let go of one.
function watched.drop(self, number)
  self.folders[number] = nil
end

-- fn(number, path) for a folder and those below.
local function each_below(self, path, fn)
  local prefix, list = join(path, ""), {}
  for number, folder in pairs(self.folders) do
    if folder == path or folder:sub(1, #prefix) == prefix then list[#list + 1] = number end
  end
  for _, number in ipairs(list) do fn(number, self.folders[number]) end
end

--- A folder has another name now.
function watched.move(self, from, to)
  each_below(self, from, function(number, path)
    self.folders[number] = to .. path:sub(#from + 1)
  end)
end

--- A folder has gone elsewhere, with all below.
function watched.forget(self, path)
  each_below(self, path, function(number)
    raw.watch_remove(self.stream, number)
    watched.drop(self, number)
  end)
end

return watched

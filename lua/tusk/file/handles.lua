-- handles.lua: what is held open: files, folders, locks.
local core = require "tusk.core"
local errors = require "tusk.errors"
local raw = require "tusk.binding.file"

local settle = core.settle

local handles = {}

local function settled(verb, ...) return settle(verb(...)) end

--- verb(…), which opens something. A loop left by break keeps its descriptor until collection: with none left,
--- it collects first.
---@param verb fun(...): any a raw one
function handles.open(verb, ...)
  local ok, handle = pcall(settled, verb, ...)
  if ok then return handle end
  if not errors.is(handle, "file.too_many_open") then error(handle, 0) end
  collectgarbage()
  return settle(verb(...))
end

--- All that comes from what has no size, such as a FIFO, until the end.
---@return string
function handles.read(root, path, max, special, fifo)
  local stream = handles.open(raw.open, root, path, special, fifo)
  local ok, v = pcall(settled, raw.drain, stream, max)
  raw.close(stream)
  if not ok then errors.rethrow(v) end
  return v
end

return handles

-- writer.lua: a file that is replaced by what comes in pieces, once all of them are there.
local check = require "tusk.check"
local core = require "tusk.core"
local dots = require "tusk.dots"
local raw = require "tusk.binding.file"

local settle = core.settle

local ENOUGH = 128 * 1024 -- bytes gathered before they are written

---@class tusk.file.Writer
---@field path string
---@field bytes integer given to it so far
local Writer = check.strict({ __name = "writer" }, "a writer", { "bytes", "path" })
Writer.__index = Writer

local writer = {}

---@return tusk.file.Writer
function writer.new(at, path, mode)
  return setmetatable({ path = path, raw = settle(raw.writer(at.root, path, mode)), parts = {}, n = 0, held = 0, bytes = 0 }, Writer)
end

local function own(self, name)
  if getmetatable(self) ~= Writer then dots.colon(Writer, self, "writer", name) end
end

local function flush(self)
  local data = table.concat(self.parts, "", 1, self.n)
  self.n, self.held = 0, 0
  settle(raw.writer_put(self.raw, data))
end

--- Adds to what the file will be. One that was cancelled, or has failed, may have been written in part.
---@param data string
function Writer:write(data)
  own(self, "write")
  check.string("data", data)
  self.n = self.n + 1
  self.parts[self.n] = data
  self.held, self.bytes = self.held + #data, self.bytes + #data
  if self.held >= ENOUGH then flush(self) end
end

--- Puts all that was written in the file's place, synced to the disk. The writer is closed by it.
---@return true
function Writer:commit()
  own(self, "commit")
  if self.n > 0 then flush(self) end
  self.parts = {}
  return settle(raw.writer_commit(self.raw))
end

--- Without a commit before: nothing has happened to the file. Again: no effect.
function Writer:close()
  own(self, "close")
  self.parts, self.n = {}, 0
  settle(raw.writer_discard(self.raw))
end

return writer

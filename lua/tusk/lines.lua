-- lines.lua: lines out of chunks. Only "\n" ends a line; a last line without one counts.

local streamed = require "tusk.streamed"

local byte, find, sub, concat = string.byte, string.find, string.sub, table.concat

local CR = 13

-- __collects: what is left open is closed by collection.
local Lines = streamed.extend({ __name = "lines", __collects = true }, "an iterator over lines")
Lines.__index = Lines

local function refuse(self)
  self:close()
  self.too_long(self.number + 1, self.max)
end

--- An iterator over the lines of what read() returns until nil.
---@param read fun(): string|nil
---@param close fun()
---@param max integer the most bytes of one line
---@param too_long fun(line: integer, max: integer) raises: the line of that number is longer
---@param crlf boolean|nil a "\r" before the "\n" belongs to the end of the line
function Lines.new(read, close, max, too_long, crlf)
  return setmetatable({
    read = read, on_close = close, max = max, too_long = too_long, crlf = crlf or false,
    chunk = "", at = 1, number = 0, parts = {}, held = 0,
  }, Lines)
end

--- Ends the iteration and gives back the file. Again: no effect.
function Lines:close()
  if self.read then
    self.read = false -- not nil: that would be looked up among the methods
    self.on_close()
  end
end

local function counted(self, line)
  if #line > self.max then refuse(self) end
  self.number = self.number + 1
  if self.crlf and byte(line, -1) == CR then return sub(line, 1, -2) end
  return line
end

local function keep(self, piece)
  self.parts[#self.parts + 1] = piece
  self.held = self.held + #piece
  if self.held > self.max then refuse(self) end
end

local function joined(self)
  local line = concat(self.parts)
  self.parts, self.held = {}, 0
  return line
end

-- What is left of the buffer begins a line that goes on in the chunks to come. A read that raises
-- (cancelled, say) loses nothing: what was held stays held.
local function across(self)
  local rest = sub(self.chunk, self.at)
  self.chunk, self.at = "", 1
  while true do
    keep(self, rest)
    local chunk = self.read()
    if not chunk then
      self:close()
      local any = self.held > 0
      return any and counted(self, joined(self)) or nil
    end
    local stop = find(chunk, "\n", 1, true)
    if stop then
      self.chunk, self.at = chunk, stop + 1
      return counted(self, joined(self) .. sub(chunk, 1, stop - 1))
    end
    rest = chunk
  end
end

function Lines:__call()
  if not self.read then return nil end
  local at = self.at
  local stop = find(self.chunk, "\n", at, true)
  if not stop then return across(self) end
  self.at = stop + 1
  return counted(self, sub(self.chunk, at, stop - 1))
end

return Lines

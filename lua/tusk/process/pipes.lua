-- pipes.lua: the pipes of a program that runs: what it reads, and the two it writes to.
local check = require "tusk.check"
local core = require "tusk.core"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local Lines = require "tusk.lines"
local raw = require "tusk.binding.process"
local streamed = require "tusk.streamed"

local settle = core.settle

local pipes = {}

local LINE_MAX, TEXT_MAX = 16 * 1024 * 1024, 16 * 1024 * 1024

---@class tusk.process.Input
local Input = check.strict({ __name = "input" }, "the input of a program", {})
Input.__index = Input

---@return tusk.process.Input
function pipes.input(box)
  return setmetatable({ box = box }, Input)
end

--- Returns when the program's pipe has all of it: one that reads slowly is waited for. Raises process.closed when it
--- reads no more. One that was cancelled may have been written in part: then err.sent is set.
---@param data string
function Input:write(data)
  dots.colon(Input, self, "stdin", "write")
  settle(raw.write(self.box, check.string("data", data)))
end

--- The program sees the end of its input. Again: no effect.
function Input:close()
  dots.colon(Input, self, "stdin", "close")
  raw.close(self.box, 0)
end

---@class tusk.process.Output
-- __collects: it is its process's, which belongs to a scope.
local Output = streamed.extend({ __name = "output", __collects = true }, "the output of a program")
local stages = getmetatable(Output).__index
Output.__index = Output

---@return tusk.process.Output an iterator over what comes, with the methods of streams
function pipes.output(box, number)
  return setmetatable({ box = box, number = number, reader = false }, Output)
end

local function read(self)
  return settle(raw.read(self.box, self.number))
end

--- The next bytes, as many as there are; nil at the end.
---@return string|nil
function Output:read()
  dots.colon(Output, self, "output", "read")
  if self.reader then check.fail("the output is read by lines() already, which may hold a part of it: read on from those") end
  return read(self)
end

function Output:__call()
  return Output.read(self)
end

--- Itself: an iterator over the bytes as they come. With n: the stage of streams, lists of n pieces.
---@param n integer|nil
function Output:chunks(n, ...)
  dots.colon(Output, self, "output", "chunks")
  if n == nil then return self end
  return stages(self, "chunks")(self, n, ...)
end

--- Its lines, without their ends: an iterator with the methods of streams; the same one each time.
---@param opts { max: string|number }|nil the longest line, 16 MiB
function Output:lines(opts)
  dots.colon(Output, self, "output", "lines")
  if self.reader then return self.reader end
  local max = check.size("max", check.options(opts, { "max" }).max, LINE_MAX)
  self.reader = Lines.new(function() return read(self) end, function() self:close() end, max, function(line)
    errors.raise("process.too_large", ("line %d is longer than %d bytes"):format(line, max), { line = line })
  end, true)
  return self.reader
end

--- All that comes until the end.
---@param opts { max: string|number }|nil 16 MiB
---@return string
function Output:text(opts)
  dots.colon(Output, self, "output", "text")
  local max = check.size("max", check.options(opts, { "max" }).max, TEXT_MAX)
  local pieces, size = {}, 0
  for piece in self do
    size = size + #piece
    if size > max then
      self:close()
      errors.raise("process.too_large", ("the output is larger than %d bytes"):format(max))
    end
    pieces[#pieces + 1] = piece
  end
  return table.concat(pieces)
end

--- Gives it up: a program that goes on writing gets SIGPIPE. Again: no effect.
function Output:close()
  dots.colon(Output, self, "output", "close")
  raw.close(self.box, self.number)
end

return pipes

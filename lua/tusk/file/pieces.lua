-- pieces.lua: files read in pieces: lines and chunks.
local args = require "tusk.file.args"
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local handles = require "tusk.file.handles"
local Lines = require "tusk.lines"
local raw = require "tusk.binding.file"
local streamed = require "tusk.streamed"

local settle, within = core.settle, core.within

local options = {
  lines = { "timeout", "max", "special", "fifo" },
  chunks = { "timeout", "special", "fifo" },
}

local pieces = {}

local LINE_MAX = 16 * 1024 * 1024
local CHUNK, CHUNK_MAX = 64 * 1024, 64 * 1024 * 1024

local function chunk(stream, size) return settle(raw.chunk(stream, size)) end

local function opened(at, path, opts)
  args.kinds(opts)
  return within(opts, handles.open, raw.open, at.root, path, opts.special, opts.fifo)
end

--- The lines of a file, without their "\n": `for line in @file.lines(path) do`.
---@param at tusk.file.At
---@param path string
---@param opts { timeout: string|number, max: string|number, special: boolean, fifo: boolean }|nil
---  timeout: of opening and of each read; max: the longest line, 16 MiB
---@return table lines an iterator, with :close()
function pieces.lines(at, path, opts)
  args.path(at, "path", path)
  opts = check.options(opts, options.lines)
  local max = check.size("max", opts.max, LINE_MAX)
  local stream = opened(at, path, opts)
  local function close() raw.close(stream) end
  local lines = Lines.new(function() return within(opts, chunk, stream, CHUNK) end, close, max, function(line)
    errors.raise("file.too_large", ("line %d of \"%s\" is longer than %d bytes"):format(line, path, max),
      { path = path, line = line })
  end)
  lines.path = path -- for the messages of whoever reads them
  return lines
end

-- __collects: what is left open is closed by collection.
local Chunks = streamed.extend({ __name = "chunks", __collects = true }, "an iterator over pieces")
Chunks.__index = Chunks

function Chunks:__call()
  if not self.stream then return nil end
  local piece = within(self.opts, chunk, self.stream, self.size)
  if not piece then self:close() end
  return piece
end

--- Ends the iteration and gives back the file. Again: no effect.
function Chunks:close()
  if self.stream then raw.close(self.stream) end
  self.stream = false -- not nil: that would be looked up among the methods
end

local function size_check(size)
  size = check.size("size", size, CHUNK)
  if size < 1 or size > CHUNK_MAX then
    check.fail(("size: from 1 byte to 64MiB, got %.0f"):format(size), { argument = "size" })
  end
  return size
end

--- The bytes of a file, so many at a time: `for piece in @file.chunks(path, "1MiB") do`. Only the last is shorter;
--- of a FIFO each is what has come.
---@param at tusk.file.At
---@param path string
---@param size string|number|nil 64 KiB
---@param opts { timeout: string|number, special: boolean, fifo: boolean }|nil timeout: of opening and of each read
---@return table chunks an iterator, with :close()
function pieces.chunks(at, path, size, opts)
  args.path(at, "path", path)
  if type(size) == "table" then
    check.fail("size: a size expected before the options, got a table", { argument = "size" })
  end
  opts = check.options(opts, options.chunks)
  size = size_check(size)
  return setmetatable({ stream = opened(at, path, opts), size = size, opts = opts }, Chunks)
end

return pieces

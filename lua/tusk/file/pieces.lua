-- pieces.lua: open files read in pieces: lines, chunks, and what has no size, such as a FIFO, as a whole.
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local Lines = require "tusk.lines"
local raw = require "tusk.binding.file"
local streamed = require "tusk.streamed"

local settle, within = core.settle, core.within

local pieces = {}

local LINE_MAX = 16 * 1024 * 1024
local CHUNK, CHUNK_MAX = 64 * 1024, 64 * 1024 * 1024

-- A loop left by break keeps its descriptor until collection: with none left, collect first.
local function open(path, special, fifo)
  local ok, stream = pcall(function() return settle(raw.open(path, special, fifo)) end)
  if ok then return stream end
  if not errors.is(stream, "file.too_many_open") then error(stream, 0) end
  collectgarbage()
  return settle(raw.open(path, special, fifo))
end

local function chunk(stream, size) return settle(raw.chunk(stream, size)) end

--- Checks what kinds of files are wanted.
function pieces.kinds_check(opts)
  check.opt_boolean("special", opts.special)
  check.opt_boolean("fifo", opts.fifo)
  if opts.special and opts.fifo then
    check.fail("fifo = true is for a FIFO and nothing else, special = true for whatever it is: give one of them",
      { argument = "fifo" })
  end
end

local function opened(path, opts)
  return within(opts, open, path, opts.special, opts.fifo)
end

local function drain(stream, max) return settle(raw.drain(stream, max)) end

--- All that comes until the end.
---@return string
function pieces.read(path, max, special, fifo)
  local stream = open(path, special, fifo)
  local ok, v = pcall(drain, stream, max)
  raw.close(stream)
  if not ok then errors.rethrow(v) end
  return v
end

--- The lines of a file; opts have been checked.
---@return table
function pieces.lines(path, opts)
  local max = check.size("max", opts.max, LINE_MAX)
  local stream = opened(path, opts)
  local function close() raw.close(stream) end
  return Lines.new(function() return within(opts, chunk, stream, CHUNK) end, close, max, function(line)
    errors.raise("file.too_large", ("line %d of \"%s\" is longer than %d bytes"):format(line, path, max),
      { path = path, line = line })
  end)
end

-- __collects: what is left open is closed by collection.
local Chunks = streamed.extend { __name = "chunks", __collects = true }
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

--- The bytes of a file, so many at a time; opts have been checked.
---@return table
function pieces.chunks(path, size, opts)
  size = size_check(size)
  return setmetatable({ stream = opened(path, opts), size = size, opts = opts }, Chunks)
end

return pieces

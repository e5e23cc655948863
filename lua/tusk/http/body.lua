-- body.lua: the body of an answer: in memory, or still on its way (`source`), to be read once.
local raw = require "tusk.binding.curl"
local check = require "tusk.check"
local errors = require "tusk.errors"
local Lines = require "tusk.lines"
local streamed = require "tusk.streamed"
local wait = require "tusk.wait"

local settle = wait.settle

local body = {}

local PIECE = 64 * 1024 -- of a body in memory

---@class tusk.http.Chunks
---@field read fun(): string|nil
local Chunks = streamed.extend({ __name = "chunks", __collects = true }, "an iterator over pieces") -- collection closes the source
Chunks.__index = Chunks

--- The next bytes, as many as there are; nil at the end.
function Chunks:__call()
  return self.read()
end

--- Ends it early; what has not been read is given up, and the connection closed. Again: no effect.
function Chunks:close()
  self.on_close()
end

local function nothing() end

-- read() and close() for a body in memory: from its beginning, each time.
local function of_memory(text)
  local at = 1
  return function()
    if at > #text then return nil end
    local piece = text:sub(at, at + PIECE - 1)
    at = at + #piece
    return piece
  end, nothing
end

local function of_source(r)
  if r.file then check.fail(("the body is in the file %q"):format(r.file)) end
  local source = r.source
  if r.in_lines then
    check.fail("the body is read by lines() already, which may hold a part of it: read on from those")
  end
  return function() return settle(raw.read(source)) end, function() raw.close(source) end
end

local function reader(r)
  if r.body then return of_memory(r.body) end
  return of_source(r)
end

--- The body in pieces.
---@param r tusk.http.Response
---@return tusk.http.Chunks
function body.chunks(r)
  local read, close = reader(r)
  return setmetatable({ read = read, on_close = close }, Chunks)
end

--- Raises: what of r's body is over r.max_body. The rest of it is given up.
function body.too_large(r, what)
  raw.close(r.source)
  errors.raise("http.body", ("%s of %s is larger than max_body (%d bytes)"):format(what, r.url, r.max_body),
    { url = r.url, limit = r.max_body, sent = true, retryable = false })
end

--- The body line by line, without the lines' ends.
---@param r tusk.http.Response
function body.lines(r)
  local read, close = reader(r)
  if not r.body then r.in_lines = true end
  local max = r.body and math.huge or r.max_body
  return Lines.new(read, close, max, function(line) body.too_large(r, "line " .. line) end, true)
end

--- All of it, or what of it has not been read yet; kept, so that it can be had again.
---@param r tusk.http.Response
---@return string
function body.text(r)
  if r.body then return r.body end
  local pieces, size = {}, 0
  for piece in (of_source(r)) do
    size = size + #piece
    if size > r.max_body then body.too_large(r, "the body") end
    pieces[#pieces + 1] = piece
  end
  r.body = table.concat(pieces)
  return r.body
end

--- Gives up what has not been read.
function body.close(r)
  if r.source then raw.close(r.source) end
end

return body

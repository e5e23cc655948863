-- @stream(source): items pulled one by one through stages. See stream/.
local dots = require "tusk.dots"
local source = require "tusk.stream.source"
local streamed = require "tusk.streamed"
local stages = require "tusk.stream.stream"
require "tusk.stream.tasks"
require "tusk.stream.tee"
require "tusk.stream.sinks"

streamed.methods = stages.methods(stages.Stream, "stream")

local stream = {}

--- fn(state) -> item, next state; until the item is nil.
---@return tusk.Stream
function stream.unfold(seed, fn)
  dots.check("stream", stream, seed, "unfold(seed, fn)")
  return source.unfold(seed, fn)
end

--- fn(cursor) -> list of items, next cursor; until that is nil.
---@return tusk.Stream
function stream.pages(fn)
  dots.check("stream", stream, fn, "pages(fn)")
  return source.pages(fn)
end

return setmetatable(stream, { __call = function(_, ...) return source.new(...) end })

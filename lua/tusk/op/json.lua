-- @json: JSON text to values and back.
local check = require "tusk.check"
local codec = require "tusk.json"
local dots = require "tusk.dots"
local lines = require "tusk.json.lines"

local json = {}

local DECODE, ENCODE = { "depth", "nulls" }, { "pretty", "sort", "depth" }

--- The value of a JSON text.
---@param text string UTF-8
---@param opts { depth: integer, nulls: boolean }|nil depth: 64, at most 1000
---@return any value null is nil, and tusk.null inside an array; with `nulls` it is tusk.null everywhere
function json.decode(text, opts)
  dots.check("json", json, text, "decode(text)")
  check.string("text", text)
  if opts == nil then return codec.decode(text) end
  check.options(opts, DECODE)
  return codec.decode(text, opts.depth, nil, check.opt_boolean("nulls", opts.nulls))
end

--- The JSON text of a value.
---@param value any
---@param opts { pretty: boolean, sort: boolean, depth: integer }|nil depth: 64, at most 1000
---@return string
function json.encode(value, opts)
  dots.check("json", json, value, "encode(value)")
  if opts == nil then return codec.encode(value) end
  check.options(opts, ENCODE)
  check.opt_boolean("pretty", opts.pretty)
  check.opt_boolean("sort", opts.sort)
  return codec.encode(value, opts.pretty, opts.sort, opts.depth)
end

--- The values of JSON lines, one by one; blank ones are passed over, null is tusk.null.
---@param source any text, or an iterator over lines such as @file.lines(path), or whatever @stream takes
---@param opts tusk.JsonLinesOptions|nil
---@return table values an iterator, with :close() and the methods of a stream
function json.lines(source, opts)
  dots.check("json", json, source, "lines(source)")
  return lines(source, opts)
end

return json

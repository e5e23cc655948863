-- @json: JSON text to values and back.
local check = require "tusk.check"
local codec = require "tusk.json"
local dots = require "tusk.dots"
local errors = require "tusk.errors"

local json = {}

local DECODE, ENCODE, LINES = { "depth", "nulls" }, { "pretty", "sort", "depth" }, { "depth" }

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

local function decode_line(line, number, depth)
  local ok, value = pcall(codec.decode, line, depth)
  if ok then return value end
  if not errors.is(value, "json") then error(value, 0) end
  errors.raise(value.kind, ("text line %d: %s"):format(number, value.message),
    { line = number, column = value.column, cause = value })
end

--- An iterator over the values of JSON lines; blank ones are passed over, null is tusk.null.
---@param source fun(): string|nil an iterator over lines, such as @file.lines(path)
---@param opts { depth: integer }|nil
---@return fun(): any
function json.lines(source, opts)
  if not check.is_callable(source) then
    check.fail(("source: an iterator over lines expected, such as @file.lines(path), got a %s"):format(type(source)),
      { argument = "source" })
  end
  local depth = check.options(opts, LINES).depth
  local number = 0
  return function()
    local line
    repeat
      line, number = source(), number + 1
    until line == nil or line:find("%S")
    if line == nil then return nil end
    local value = decode_line(line, number, depth)
    if value == nil then return require "tusk.null" end
    return value
  end
end

return json

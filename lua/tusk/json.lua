-- json.lua: JSON text and Lua values, for @json and for operators that speak JSON.
local array = require "tusk.array"
local bind = require("tusk.binding.json").bind
local check = require "tusk.check"
local ffi = require "ffi"
local null = require "tusk.null"

local json = {}

local DEPTH, DEPTH_MAX = 64, 1000
local int64, uint64 = ffi.typeof("int64_t"), ffi.typeof("uint64_t")
local istype = ffi.istype

-- A 64-bit integer from its halves.
local function make_int(high, low, unsigned)
  local bits = uint64(high) * 4294967296ULL + uint64(low)
  return unsigned and bits or int64(bits)
end

-- The digits of a 64-bit integer, nil for any other cdata.
local function int_text(value)
  if istype(int64, value) or istype(uint64, value) then
    return (tostring(value):match("^-?%d+"))
  end
end

local raw = bind(array.mark, null, make_int, int_text)

--- How deep a text may be nested: 64 unless told. Raises when that is no depth.
---@param depth integer|nil
---@return integer
function json.depth(depth)
  if depth == nil then return DEPTH end
  check.integer("depth", depth)
  if depth < 1 or depth > DEPTH_MAX then
    check.fail(("depth must be from 1 to %d, got %d"):format(DEPTH_MAX, depth), { argument = "depth" })
  end
  return depth
end

--- The value of a JSON text. Raises json.syntax, json.number, json.depth.
---@param text string
---@param depth integer|nil how deep it may be nested; 64
---@param name string|nil where the text is from, for messages
---@param nulls boolean|nil null is tusk.null everywhere, not only in arrays
---@param line integer|nil the number of its first line, for messages; 1
function json.decode(text, depth, name, nulls, line)
  return raw.decode(text, json.depth(depth), name, nulls, line)
end

--- The JSON text of a value. Raises json.value.
---@param value any
---@param pretty boolean|nil
---@param sort boolean|nil fields in the order of their names
---@param depth integer|nil how deep it may be nested; 64
---@return string
function json.encode(value, pretty, sort, depth)
  return raw.encode(value, pretty, sort, json.depth(depth))
end

return json

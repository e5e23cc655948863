-- codec.lua: values as bytes, exactly. The first byte says what follows; LuaJIT's own serializer does the tables.
local array = require "tusk.array"
local buffer = require "string.buffer"
local copy = require "tusk.copy"
local ffi = require "ffi"
local null = require "tusk.null"

local codec = {}

--- A remembered absence.
codec.ABSENT = "-"

local int64 = ffi.typeof("int64_t")
local nothing = {} -- the metatable of what stands for null within a table
local TABLES = { metatable = { array.mark, nothing } }

local writer, reader = buffer.new(TABLES), buffer.new(TABLES)

-- A copy with something in place of each null: the serializer does not know ours.
local function without_null(value)
  if value == null then return setmetatable({}, nothing) end
  if type(value) ~= "table" then return value end
  local out = setmetatable({}, getmetatable(value))
  for k, v in pairs(value) do out[k] = without_null(v) end
  return out
end

local function with_null(value)
  if getmetatable(value) == nothing then return null end
  for k, v in pairs(value) do
    if type(v) == "table" then value[k] = with_null(v) end
  end
  return value
end

-- What these two raise leaves the stack in disorder where LuaJIT has compiled them (2.1 of 2022): locals of their
-- callers have others' values, or the process crashes. So it does not.
local function serialized(value)
  return writer:reset():encode(value):get()
end

local function deserialized(text)
  local value = reader:set(text):decode()
  assert(#reader == 0)
  return value
end
jit.off(serialized)
jit.off(deserialized)

local function encode_table(value)
  local ok, bytes = pcall(serialized, value)
  if ok then return "b" .. bytes end
  return "z" .. serialized(without_null(value))
end

--- The bytes of a value and a copy of it that is not to be changed. Raises `argument` for what cannot be kept.
---@return string bytes, any copy
function codec.encode(value)
  value = copy.take(value)
  local kind = type(value)
  if kind == "string" then return "s" .. value, value end
  if kind == "number" then return codec.number(value), value end
  if kind == "boolean" then return value and "1" or "0", value end
  if kind == "table" then return encode_table(value), value end
  if value == null then return "_", value end
  return (ffi.istype(int64, value) and "i" or "u") .. tostring(value):match("^-?%d+"), value
end

--- The bytes of a number.
function codec.number(value)
  return ("n%.17g"):format(value)
end

local function integer(text, unsigned)
  return assert(load("return " .. assert(text:match("^-?%d+$")) .. (unsigned and "ULL" or "LL")))()
end

local decoders = {
  s = function(text) return text end,
  n = function(text) return assert(tonumber(text)) end,
  i = function(text)
    if text == "-9223372036854775808" then return -9223372036854775807LL - 1LL end
    return integer(text)
  end,
  u = function(text) return integer(text, true) end,
  b = deserialized,
  ["1"] = function() return true end,
  ["0"] = function() return false end,
  ["_"] = function() return null end,
  [codec.ABSENT] = function() return nil end,
}

function decoders.z(text)
  return with_null(decoders.b(text))
end

--- The value that the bytes are of, the caller's own. Raises if they are of none.
---@param bytes string
function codec.decode(bytes)
  local decoder = decoders[bytes:sub(1, 1)]
  if not decoder then error("not a value of this cache", 0) end
  return decoder(bytes:sub(2))
end

--- What kind of value it is, for messages.
function codec.kind(bytes)
  local first = bytes:sub(1, 1)
  if first == "s" then return "a string" end
  if first == "b" or first == "z" then return "a table" end
  if first == "1" or first == "0" then return "a boolean" end
  return first == "_" and "null" or "a cdata"
end

return codec

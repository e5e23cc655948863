-- values.lua: what JSON Schema sees in Lua values: kinds, order and equality of numbers, lengths.
local array = require "tusk.array"
local ffi = require "ffi"
local null = require "tusk.null"

local values = {}

local int64, uint64 = ffi.typeof("int64_t"), ffi.typeof("uint64_t")
local istype = ffi.istype
local next, type, floor = next, type, math.floor

--- The kinds a value can be of, in the order of messages. "empty": {} without a mark.
values.KINDS = { "null", "boolean", "number", "string", "array", "object", "empty" }

--- The kind of a table, or nil and what is wrong with it.
function values.table_kind(t)
  local first = next(t)
  if first == nil then return array.is(t) and "array" or "empty" end
  if type(first) == "string" then
    for key in next, t do
      if type(key) ~= "string" then
        return nil, type(key) == "number" and "a table with both list items and named fields" or
          "a table with a key that is a " .. type(key)
      end
    end
    return "object"
  end
  if type(first) ~= "number" then return nil, "a table with a key that is a " .. type(first) end
  local n, count = #t, 0
  for key in next, t do
    if type(key) ~= "number" then return nil, "a table with both list items and named fields" end
    if key < 1 or key > n or key % 1 ~= 0 then return nil, "a list with holes" end
    count = count + 1
  end
  if count ~= n then return nil, "a list with holes" end
  return "array"
end

-- Compiled, it took now and then what lay in the stack before for a key of the table (LuaJIT 2.1 of 2022): once in a process, when
-- the collector was at work, a value that fits was refused for a key that it does not have.
jit.off(values.table_kind)

--- The kind of any value, or nil and what is wrong with it.
function values.kind(v)
  local t = type(v)
  if t == "string" or t == "boolean" then return t end
  if t == "number" then
    if v - v ~= 0 then return nil, "a number without a value (" .. tostring(v) .. ")" end
    return t
  end
  if t == "table" then return values.table_kind(v) end
  if v == nil or v == null then return "null" end
  if istype(int64, v) or istype(uint64, v) then return "number" end
  return nil, "a " .. t
end

--- Is a number whole? 1.0 is.
function values.is_whole(v)
  return type(v) ~= "number" or v % 1 == 0
end

-- A 64-bit integer as sign and magnitude.
local function magnitude(v)
  if istype(int64, v) and v < 0 then return -1, -ffi.cast(uint64, v) end
  return 1, ffi.cast(uint64, v)
end

-- A 64-bit integer beside a double: -1, 0, 1. 2^64 is a double; within it whole doubles are exact integers.
local function compare_wide(wide, v)
  local sign, size = magnitude(wide)
  local vsign = v < 0 and -1 or 1
  if sign ~= vsign then return sign end
  local whole = floor(math.abs(v))
  if whole >= 2 ^ 64 then return -sign end
  local other = ffi.cast(uint64, whole)
  if size ~= other then return size < other and -sign or sign end
  return whole == math.abs(v) and 0 or -sign
end

--- -1, 0 or 1; exact for doubles and 64-bit integers alike.
function values.compare(a, b)
  if type(a) == "number" then
    if type(b) == "number" then return a < b and -1 or a > b and 1 or 0 end
    return -compare_wide(b, a)
  end
  if type(b) == "number" then return compare_wide(a, b) end
  local sign, size = magnitude(a)
  local other_sign, other_size = magnitude(b)
  if sign ~= other_sign then return sign end
  if size == other_size then return 0 end
  return size < other_size and -sign or sign
end

-- A number as whole digits and how many of them are behind the point: 0.0075 is 75, 4.
local function decimal(v)
  if type(v) ~= "number" then return select(2, magnitude(v)), 0 end
  local text
  for precision = 15, 17 do
    text = ("%." .. precision .. "g"):format(math.abs(v))
    if tonumber(text) == math.abs(v) then break end
  end
  local digits, fraction, exponent = text:match("^(%d+)%.?(%d*)e?([+-]?%d*)$")
  local places = #fraction - (tonumber(exponent) or 0)
  local all = (digits .. fraction):gsub("^0+(%d)", "%1")
  local n = 0ULL
  for digit in all:gmatch("%d") do n = n * 10 + tonumber(digit) end
  return n, places
end

--- Is v a multiple? In decimals, as both are written: 0.07 is one of 0.01. of: more than 0.
function values.is_multiple(v, of)
  if type(v) == "number" and type(of) == "number" and v % 1 == 0 and of % 1 == 0 then return math.fmod(v, of) == 0 end
  local a, a_places = decimal(v)
  local b, b_places = decimal(of)
  for _ = b_places + 1, a_places do
    if b > a then return a == 0 end
    b = b * 10 -- at most 10 a, and a has 17 digits
  end
  local rest = a % b
  for _ = a_places + 1, b_places do rest = rest * 10 % b end
  return rest == 0
end

--- How many characters a UTF-8 string has.
function values.length(s)
  if not s:find("[\128-\255]") then return #s end
  local n = 0
  for i = 1, #s do
    local b = s:byte(i)
    if b < 0x80 or b >= 0xc0 then n = n + 1 end
  end
  return n
end

-- ---- equality ----

-- {} without a mark is both the empty list and the empty object, so that all empty tables are the same.
local function equal_tables(a, b)
  for k, v in next, a do
    local other = rawget(b, k)
    if other == nil or not values.equal(v, other) then return false end
  end
  for k in next, b do
    if rawget(a, k) == nil then return false end
  end
  return true
end

--- Are two JSON values the same?
function values.equal(a, b)
  if a == nil then a = null end
  if b == nil then b = null end
  if type(a) == "table" or type(b) == "table" then
    return type(a) == "table" and type(b) == "table" and equal_tables(a, b)
  end
  if type(a) == "cdata" or type(b) == "cdata" then
    return values.kind(a) == "number" and values.kind(b) == "number" and values.compare(a, b) == 0
  end
  return a == b
end

local function sorted_keys(t)
  local keys = {}
  for key in next, t do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end
values.sorted_keys = sorted_keys

local function write(out, v)
  if type(v) == "table" then
    out[#out + 1] = "{"
    for _, key in ipairs(sorted_keys(v)) do
      out[#out + 1] = type(key) == "string" and ("%q="):format(key) or ""
      write(out, v[key])
    end
    out[#out + 1] = "}"
  elseif type(v) == "string" then out[#out + 1] = ("%q,"):format(v)
  elseif type(v) == "number" then out[#out + 1] = ("%.17g,"):format(v)
  else out[#out + 1] = tostring(v):gsub("U?LL$", "") .. "," end
end

--- What is the same for equal values and for no others, to be a key of a table. v: of a kind that is known.
function values.identity(v)
  if type(v) == "number" or type(v) == "boolean" or type(v) == "userdata" then return v end
  if type(v) == "cdata" then
    local near = tonumber(v)
    if near > -2 ^ 63 and near < 2 ^ 64 and values.compare(v, near) == 0 then return near end
  end
  if type(v) == "string" then return "s" .. v end
  local out = {}
  write(out, v)
  return table.concat(out)
end

--- A value as messages show it.
function values.shown(v)
  local t = type(v)
  if t == "string" then
    local text = #v > 40 and v:sub(1, 40):gsub("[\192-\255]?[\128-\191]*$", "", 1) .. "…" or v
    return '"' .. text:gsub('[%c"\\]', function(c) return c == "\n" and "\\n" or "\\" .. c end) .. '"'
  end
  if t == "table" then
    local kind = values.table_kind(v)
    return kind == "array" and "an array" or kind == "object" and "an object" or "an empty table"
  end
  if v == nil then return "null" end
  if t == "number" then return v % 1 == 0 and math.abs(v) < 2 ^ 53 and ("%d"):format(v) or ("%.14g"):format(v) end
  return (tostring(v):gsub("U?LL$", ""))
end

return values

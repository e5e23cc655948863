-- copy.lua: copies of plain values, those that JSON can hold. Each owner has its own.
local array = require "tusk.array"
local check = require "tusk.check"
local ffi = require "ffi"
local null = require "tusk.null"

local copy = {}

local DEPTH_MAX = 64
local TABLE, SLOT, STRING, OTHER = 56, 24, 24, 8 -- bytes, about what LuaJIT uses
local int64, uint64 = ffi.typeof("int64_t"), ffi.typeof("uint64_t")
local mark = array.mark
local pairs, next, type, getmetatable, setmetatable = pairs, next, type, getmetatable, setmetatable

local function refuse(state, what)
  local path = { "value" }
  for i, key in ipairs(state) do
    path[i + 1] = type(key) == "number" and ("[%d]"):format(key) or "." .. tostring(key)
  end
  path = table.concat(path)
  check.fail(("cannot keep %s: %s"):format(path, what), { path = path })
end

local function scalar_size(state, value)
  local kind = type(value)
  if kind == "string" then return STRING + #value end
  if kind == "boolean" or value == null then return OTHER end
  if kind == "number" then
    if value ~= value or value == math.huge or value == -math.huge then
      refuse(state, "a number without a value (" .. tostring(value) .. ")")
    end
    return OTHER
  end
  if ffi.istype(int64, value) or ffi.istype(uint64, value) then return OTHER * 3 end
  refuse(state, "a " .. kind)
end

local function key_check(state, key)
  if type(key) == "string" then return 0 end
  if type(key) == "number" and key >= 1 and key % 1 == 0 then return 1 end
  refuse(state, "the key " .. tostring(key))
end

local function enter(state, value, depth)
  if state.open[value] then refuse(state, "a table that contains itself") end
  if depth > DEPTH_MAX then refuse(state, ("nested deeper than %d"):format(DEPTH_MAX)) end
  state.open[value] = true
end

local take

local function take_table(state, value, depth)
  enter(state, value, depth)
  local out, bytes, items, fields, last = {}, TABLE, 0, 0, 0
  for k, v in next, value do
    local item = key_check(state, k)
    items, fields = items + item, fields + 1 - item
    if item == 1 and k > last then last = k end
    state[depth] = k
    local v_copy, size = take(state, v, depth + 1)
    out[k] = v_copy
    bytes = bytes + size + SLOT + (item == 1 and 0 or #k)
  end
  state[depth] = nil
  if items > 0 and fields > 0 then refuse(state, "a table with both list items and named fields") end
  if items ~= last then refuse(state, "a list with holes") end
  if array.is(value) then setmetatable(out, mark) end
  state.open[value] = nil
  return out, bytes
end

function take(state, value, depth)
  if type(value) == "table" then return take_table(state, value, depth) end
  return value, scalar_size(state, value)
end

--- A copy of value and about how many bytes it takes. Whatever JSON cannot hold is an argument
--- error that says where it is.
---@return any copy
---@return number bytes
function copy.take(value)
  if type(value) == "string" then return value, STRING + #value end
  return take({ open = {} }, value, 1)
end

local function give_table(value)
  local out = {}
  for k, v in pairs(value) do
    out[k] = type(v) == "table" and give_table(v) or v
  end
  if getmetatable(value) == mark then setmetatable(out, mark) end
  return out
end

--- A copy of what copy.take returned.
function copy.give(value)
  if type(value) == "table" then return give_table(value) end
  return value
end

return copy

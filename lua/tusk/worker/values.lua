-- worker/values.lua: what the bytes between threads need to know of values that are not Lua's own.
local array = require "tusk.array"
local ffi = require "ffi"

local int64, uint64 = ffi.typeof("int64_t"), ffi.typeof("uint64_t")

return {
  kind64 = function(v)
    return ffi.istype(int64, v) and 1 or ffi.istype(uint64, v) and 2 or nil
  end,
  make64 = function(high, low, unsigned)
    if unsigned then return uint64(high) * 4294967296ULL + uint64(low) end
    return int64(high) * 4294967296LL + int64(low)
  end,
  null = require "tusk.null", mark = array.mark,
}

-- far.lua: what would hold up the loop is done elsewhere, or in slices.
local errors = require "tusk.errors"
local wait = require "tusk.wait"

local far = {}

--- Bytes from which on that is so: they take less than a millisecond.
far.SIZE = 384 * 1024 -- 3 and 4 divide it: slices of base64 can be joined

--- May the task wait? Where nobody can (a callback of table.sort, a worker) much is computed like little.
---@return boolean
function far.may_wait()
  local ok, e = pcall(wait.checkpoint)
  if not ok and errors.is(e, "cancelled") then error(e, 0) end
  return ok
end

--- fn(slice, offset, last) for one slice after the other, and what they return joined. Others run in between.
---@param data string
---@param fn fun(slice: string, offset: integer, last: boolean): string
---@return string
function far.in_slices(data, fn)
  if #data <= far.SIZE or not far.may_wait() then return fn(data, 0, true) end
  local parts = {}
  for at = 0, #data - 1, far.SIZE do
    parts[#parts + 1] = fn(data:sub(at + 1, at + far.SIZE), at, at + far.SIZE >= #data)
    wait.yield()
  end
  return table.concat(parts)
end

return far

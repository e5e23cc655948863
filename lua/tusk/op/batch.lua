-- @batch(items, size, fn, { concurrency = }): fn of so many items at a time, side by side, bounded.
local array = require "tusk.array"
local check = require "tusk.check"
local map = require "tusk.map"

local function split(items, size)
  local n, chunks = items.n or #items, {}
  for first = 1, n, size do
    local count = math.min(size, n - first + 1)
    local chunk = array.counted({}, count)
    for i = 1, count do chunk[i] = items[first + i - 1] end
    chunks[#chunks + 1] = chunk
  end
  return chunks
end

---@param items any[]
---@param size integer at least 1; the last batch may be smaller
---@param fn function fn(batch) → the first value is kept; a batch is a list with n
---@param opts table|nil { concurrency = 16, timeout = }
---@return table results one for each batch, in order, with n
return function(items, size, fn, opts)
  check.table("items", items)
  if check.integer("size", size) < 1 then
    check.fail("size: at least 1 is needed, got " .. size, { argument = "size" })
  end
  check.callable("fn", fn)
  return map(split(items, size), fn, opts)
end

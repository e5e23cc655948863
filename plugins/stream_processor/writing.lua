-- writing.lua: where batches of results go.
local tusk = require "tusk"

local check = tusk.check

local writing = {}

---@class stream_processor.Writer
---@field put fun(list: any[])
---@field isolates boolean a batch that failed has left nothing behind, so that its items can be written one by one

local function row_of(result)
  local row = {}
  for field, value in pairs(result) do
    row[field] = type(value) == "table" and @json.encode(value, { sort = true }) or value
  end
  return row
end

-- Rows of a table: all of a batch or none; in place of those with the same key.
local function to_table(opts)
  check.options(opts, { "table", "on", "row", "db" })
  local name, db, row = check.string("write.table", opts.table), opts.db or @db, check.opt_callable("write.row", opts.row) or row_of
  return { isolates = true, put = function(list)
    db.transaction(function(tx)
      for _, result in ipairs(list) do tx[name].upsert(row(result), { on = opts.on }) end
    end)
  end }
end

--- What `write =` says: a function, or { table =, on =, row =, db = }; nil: nothing is written.
---@return stream_processor.Writer
function writing.of(write)
  if write == nil then return { isolates = true, put = function() end } end
  if check.is_callable(write) then return { isolates = false, put = write } end
  if type(write) == "table" then return to_table(write) end
  check.fail("write: a function or { table = … } expected, got a " .. type(write), { argument = "write" })
end

return writing

-- writing.lua: where batches of results go.
local tusk = require "tusk"

local check = tusk.check

local writing = {}

---@class stream_processor.Writer
---@field put fun(list: any[])
---@field isolates boolean a batch that failed has left nothing behind, so that its items can be written one by one

local function row_of(result)
  local row = {}
  for field, value in pairs(check.table("write: the result", result)) do
    row[field] = type(value) == "table" and @json.encode(value, { sort = true }) or value
  end
  return row
end

-- Rows that are new, in one statement: several times faster than one for each. false: one of them was there, or is refused.
local function insert(db, name, rows)
  local _, err = @try(db[name].insert_many, rows)
  if err and not tusk.errors.is(err, "db.constraint") then error(err, 0) end
  return err == nil
end

-- All or none, in place of rows with the same key.
local function store(db, name, rows, on)
  if on == nil and insert(db, name, rows) then return end
  db.transaction(function(tx)
    for _, row in ipairs(rows) do tx[name].upsert(row, { on = on }) end
  end)
end

local function to_table(opts)
  check.options(opts, { "table", "on", "row", "db" })
  local name, db, row = check.string("write.table", opts.table), opts.db or @db, check.opt_callable("write.row", opts.row) or row_of
  return { isolates = true, put = function(list)
    local rows = {}
    for i, result in ipairs(list) do rows[i] = row(result) end
    store(db, name, rows, opts.on)
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

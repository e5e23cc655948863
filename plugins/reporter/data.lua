-- data.lua: the rows of a report, asked of @db or of functions.
local tusk = require "tusk"

local check = tusk.check

local data = {}

local ENDS = { ["'"] = "'", ['"'] = '"', ["`"] = "`", ["["] = "]", ["--"] = "\n", ["/*"] = "*/" } -- of what is no code

-- The names of a statement's parameters, in their order: not of what is in its texts and comments.
local function names_in(sql)
  local names, at = {}, 1
  while true do
    at = sql:find("[-/'\"`%[:@$]", at)
    if not at then return names end
    local start = ENDS[sql:sub(at, at + 1)] and 2 or 1
    local ending = ENDS[sql:sub(at, at + start - 1)]
    local name = not ending and sql:match("^[:@$]([%a_][%w_]*)", at) or nil
    names[#names + 1] = name
    if ending then at = select(2, sql:find(ending, at + start, true)) or #sql end
    at = at + 1 + (name and #name or 0)
  end
end

--- The parameters that a statement has, in a table, or nothing. None may be missing: it would be NULL, and go unnoticed.
function data.bound(told, sql, params)
  local own, any = {}, false
  for _, name in ipairs(names_in(sql)) do
    if params[name] == nil then check.fail(("%s: a value for the parameter %q expected"):format(told, name)) end
    own[name], any = params[name], true
  end
  if any then return own end
end

local BLOCK = 500 -- rows that are packed together

-- Rows as text, made while more come: one copy of all of them to the worker would keep the loop for long. What JSON
-- does not have (bytes that are no text) is copied as it is.
local function packed(rows)
  local text = @try(@json.encode, rows)
  return text or rows
end

local function too_many(told, most)
  tusk.errors.raise("reporter.too_large", ("%s: more than %d rows; see max_rows"):format(told, most))
end

-- { columns = names in their order, count, blocks = rows, packed, rows = the same as they are, if somebody wants them }
local function queried(told, sql, params, ctx)
  local out = { count = 0, blocks = {}, rows = ctx.wants_rows and {} or nil }
  local stream, block = ctx.db.each(sql, data.bound(told, sql, params)), {}
  out.columns = stream:columns()
  for row in stream do
    if out.count == ctx.most then
      stream:close()
      too_many(told, ctx.most)
    end
    out.count = out.count + 1
    block[#block + 1] = row
    if out.rows then out.rows[out.count] = row end
    if #block == BLOCK then out.blocks[#out.blocks + 1], block = packed(block), {} end
  end
  out.blocks[#out.blocks + 1] = packed(block)
  return out
end

-- The same of a function's: columns are those of all rows, sorted.
local function computed(told, fn, params, ctx)
  local rows = fn(params)
  if type(rows) ~= "table" then
    check.fail(("%s: a list of rows expected of its function, got %s"):format(told, type(rows)))
  end
  if #rows > ctx.most then too_many(told, ctx.most) end
  local columns, seen = {}, {}
  for i, row in ipairs(rows) do
    if type(row) ~= "table" then check.fail(("%s: row %d is a %s, not a table"):format(told, i, type(row))) end
    for key in pairs(row) do
      if not seen[key] then seen[key], columns[#columns + 1] = true, key end
    end
  end
  table.sort(columns, function(a, b) return tostring(a) < tostring(b) end)
  return { columns = columns, count = #rows, blocks = { rows }, rows = rows }
end

-- What fails in a task of its own says where the report was asked for, and what it was that failed.
local function placed(told, here, fn, ...)
  local ok, found = pcall(fn, told, ...)
  if ok then return found end
  if type(found) == "table" and found.kind ~= "cancelled" then
    found.site = found.site or here
    found.help = found.help or { told }
  end
  error(found, 0)
end

local function one_of(report, name)
  local from = report.data[name]
  local told = ("report %s: %s"):format(report.id, name)
  return type(from) == "string" and queried or computed, told, from
end

--- All data of a report: name → { columns, count, blocks, rows }.
---@param report table from describe.lua
---@param ctx { db: table, params: table, most: integer, wants_rows: boolean, in_turn: boolean|nil }
function data.of(report, ctx)
  local names, found, work, here = {}, {}, {}, tusk.errors.here()
  for name in pairs(report.data) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local how, told, from = one_of(report, name)
    work[i] = function() return placed(told, here, how, from, ctx.params, ctx) end
  end
  if ctx.in_turn then
    for i, name in ipairs(names) do found[name] = work[i]() end
  else
    for i, one in ipairs { @all(unpack(work)) } do found[names[i]] = one end
  end
  return found
end

return data

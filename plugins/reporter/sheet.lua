-- sheet.lua: a table's cells as text, its columns' kinds, its totals.
local numbers = require "tusk.plugins.reporter.numbers"
local text = require "tusk.plugins.reporter.text"

local sheet = {}

local TIMES = { date = true, datetime = true, month = true }

-- A column of numbers, if it holds nothing else; and how many decimals they all need.
local function survey(rows, name)
  local numeric, decimals = nil, 0
  for i = 1, #rows do
    local v = rows[i][name]
    if numbers.is(v) then
      numeric = numeric ~= false
      if decimals < 2 then decimals = math.max(decimals, numbers.decimals(v, 2)) end
    elseif v ~= nil then numeric = false end
  end
  return numeric or false, decimals
end

local FOLD = {
  sum = function(rows, name)
    local sum
    for i = 1, #rows do
      local v = rows[i][name]
      if numbers.is(v) then sum = (sum or 0) + tonumber(v) end
    end
    return sum
  end,
  count = function(rows, name)
    local n = 0
    for i = 1, #rows do n = n + (rows[i][name] ~= nil and 1 or 0) end
    return n
  end,
}

local function extreme(better)
  return function(rows, name)
    local best
    for i = 1, #rows do
      local v = numbers.plain(rows[i][name])
      if v and (best == nil or better(v, best)) then best = v end
    end
    return best
  end
end
FOLD.min = extreme(function(a, b) return a < b end)
FOLD.max = extreme(function(a, b) return a > b end)

function FOLD.avg(rows, name)
  local sum, n = 0, 0
  for i = 1, #rows do
    local v = numbers.plain(rows[i][name])
    if v then sum, n = sum + v, n + 1 end
  end
  return n > 0 and sum / n or nil
end

--- sum count avg min max of a column; nil of nothing.
function sheet.fold(how, rows, name)
  return FOLD[how](rows, name)
end

-- What a column is shown by: its own description, completed by what it holds.
local function resolved(column, rows)
  local numeric, decimals = survey(rows, column.name)
  local spec = setmetatable({}, { __index = column })
  if not spec.format and numeric then
    spec.decimals = column.decimals or decimals
    if numbers.is_label(column.name) then spec.format = "text" end
  end
  if column.format == "number" and not column.decimals then spec.decimals = decimals end
  local right = numeric and column.format ~= "text" and not TIMES[column.format]
  spec.align = column.align or (right and "right" or "left")
  return spec
end

--- { columns = { { title, align, texts, total } }, count, rows } of a table's description and its rows.
---@param block table { columns = { { name, title, … } }, total = word or nil }
---@param rows table[]
---@param style table { thousands, decimal }
---@param pause fun() called now and then
function sheet.of(block, rows, style, pause)
  local out = { columns = {}, count = #rows, rows = rows }
  for k, column in ipairs(block.columns) do
    local spec = resolved(column, rows)
    local own = { title = text.clean(column.title or column.name), align = spec.align, texts = {} }
    for i = 1, #rows do
      own.texts[i] = text.clean(numbers.show(rows[i][column.name], spec, style))
      if i % 256 == 0 then pause() end
    end
    if column.total then
      local counted = column.total == "count"
      own.total = numbers.show(sheet.fold(column.total, rows, column.name), counted and { format = "integer" } or spec, style)
      out.totals = true
    end
    out.columns[k] = own
  end
  return out
end

return sheet

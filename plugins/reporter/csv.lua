-- csv.lua: a table as CSV: RFC 4180, values as they are, for programs.
local csv = {}

local FORMULA = "^[=+%-@\t\r]"

local function value_text(v)
  if v == nil then return "" end
  if type(v) == "cdata" then return (tostring(v):gsub("U?LL$", "")) end
  if type(v) == "number" then
    return v == math.floor(v) and math.abs(v) < 2 ^ 53 and ("%d"):format(v) or ("%.17g"):format(v)
  end
  return tostring(v)
end

-- The shortest of the texts that mean the same number.
local function shortest(v)
  for digits = 15, 16 do
    local short = ("%." .. digits .. "g"):format(v)
    if tonumber(short) == v then return short end
  end
  return ("%.17g"):format(v)
end

--- One field. A text that a spreadsheet would take for a formula gets a ' before it, if guarded.
---@param v any
---@param opts { separator: string, guard: boolean }
function csv.field(v, opts)
  if type(v) == "number" and v ~= math.floor(v) then return shortest(v) end
  local s = value_text(v)
  if type(v) ~= "string" then return s end
  if opts.guard and s:find(FORMULA) then s = "'" .. s end
  if s:find('[",\r\n]') or s:find(opts.separator, 1, true) or s:find("^ ") or s:find(" $") then
    s = '"' .. s:gsub('"', '""') .. '"'
  end
  return s
end

local function line(opts, count, field)
  local fields = {}
  for k = 1, count do fields[k] = csv.field(field(k), opts) end
  return table.concat(fields, opts.separator) .. "\r\n"
end

--- A header of titles, then the rows.
---@param columns { name: string, title: string|nil }[]
---@param rows table[]
---@param opts { separator: string, guard: boolean, bom: boolean }
---@param pause fun() called now and then
function csv.render(columns, rows, opts, pause)
  local out = { opts.bom and "\239\187\191" or "" }
  out[2] = line(opts, #columns, function(k) return columns[k].title or columns[k].name end)
  for i = 1, #rows do
    out[#out + 1] = line(opts, #columns, function(k) return rows[i][columns[k].name] end)
    if i % 256 == 0 then pause() end
  end
  return table.concat(out)
end

return csv

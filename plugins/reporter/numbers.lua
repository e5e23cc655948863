-- numbers.lua: values as people read them.
local numbers = {}

local MINUS = "−" -- U+2212: as wide as a plus

--- The names of `format`.
numbers.FORMATS = { "text", "number", "integer", "percent", "date", "datetime", "month", "duration", "size" }

local PATTERNS = { date = "%Y-%m-%d", datetime = "%Y-%m-%d %H:%M", month = "%b %Y" }
local SIZES = { "B", "KiB", "MiB", "GiB", "TiB" }

--- Is it a number, 64-bit ones included?
function numbers.is(v)
  return type(v) == "number" or type(v) == "cdata"
end

--- A value to draw and to add up with; nil for what is no number.
function numbers.plain(v)
  return numbers.is(v) and tonumber(v) or nil
end

--- Is it the name of a number that is none to count with: an id, a year? Such are shown without separators.
---@param name string
function numbers.is_label(name)
  name = tostring(name):lower()
  return name == "id" or name:find("_id$") ~= nil or name:find("year$") ~= nil
end

local function group(digits, separator)
  if #digits < 4 or separator == "" then return digits end
  local head = (#digits - 1) % 3 + 1
  return digits:sub(1, head) .. digits:sub(head + 1):gsub("%d%d%d", (separator:gsub("%%", "%%%%")) .. "%0")
end

-- Digits, perhaps a point and digits, with the separators of the place.
local function dressed(digits, style)
  local whole, rest = digits:match("^(%d+)%.?(%d*)$")
  if not whole then return digits end
  return group(whole, style.thousands) .. (rest ~= "" and style.decimal .. rest or "")
end

--- A number with so many decimals, thousands set apart.
---@param v number|ffi.cdata*
---@param decimals integer
---@param style { thousands: string, decimal: string }
function numbers.number(v, decimals, style)
  local digits
  if type(v) == "cdata" then digits = tostring(v):gsub("U?LL$", "")
  elseif v ~= v then return "–"
  elseif math.abs(v) == math.huge then digits = v < 0 and "-∞" or "∞"
  else digits = ("%%.%df"):format(decimals):format(v) end
  local negative = digits:sub(1, 1) == "-"
  if negative then digits = digits:sub(2) end
  if negative and not digits:find("[1-9∞]") then negative = false end -- no "−0.0"
  return (negative and MINUS or "") .. dressed(digits, style)
end

--- How many decimals a number needs, at most `most`.
function numbers.decimals(v, most)
  if type(v) ~= "number" or v == math.floor(v) or math.abs(v) == math.huge then return 0 end
  for d = 0, most - 1 do
    local scaled = v * 10 ^ d
    if math.abs(scaled - math.floor(scaled + 0.5)) < 1e-9 * math.max(1, math.abs(scaled)) then return d end
  end
  return most
end

local function duration(seconds, style)
  local s = math.floor(math.abs(seconds) + 0.5)
  local sign = seconds < 0 and s > 0 and MINUS or ""
  if s < 60 then return sign .. numbers.number(math.abs(seconds), seconds == math.floor(seconds) and 0 or 1, style) .. " s" end
  if s < 3600 then return ("%s%d:%02d min"):format(sign, s / 60, s % 60) end
  return ("%s%s:%02d h"):format(sign, numbers.number(math.floor(s / 3600), 0, style), s % 3600 / 60)
end

local function size(bytes, style)
  local unit, v = 1, tonumber(bytes)
  while math.abs(v) >= 1024 and unit < #SIZES do unit, v = unit + 1, v / 1024 end
  return numbers.number(v, unit > 1 and math.abs(v) < 100 and 1 or 0, style) .. " " .. SIZES[unit]
end

--- Unix seconds of a time, which is that or RFC 3339, or as SQLite writes it; nil of anything else.
function numbers.time(v)
  if type(v) ~= "string" then return numbers.plain(v) end
  local ok, t = pcall(@date.parse, (v:gsub("^(%d+%-%d+%-%d+) (%d+:%d+:%d+)$", "%1T%2Z")))
  return ok and t or nil
end

-- A time as text; what is none stays as it is.
local function time(v, pattern)
  local t = numbers.time(v)
  return t and @date.format(t, pattern) or tostring(v)
end

local function formatted(v, spec, style)
  local kind = spec.format
  if PATTERNS[kind] then return time(v, spec.pattern or PATTERNS[kind]) end
  if not numbers.is(v) then return tostring(v) end
  if kind == "percent" then return numbers.number(tonumber(v) * 100, spec.decimals or 1, style) .. " %" end
  if kind == "duration" then return duration(tonumber(v), style) end
  if kind == "size" then return size(v, style) end
  if kind == "text" then return type(v) == "cdata" and numbers.number(v, 0, style) or ("%.14g"):format(v) end
  return numbers.number(v, kind == "integer" and 0 or spec.decimals or numbers.decimals(v, 2), style)
end

--- A value as text.
---@param v any
---@param spec table { format =, decimals =, prefix =, suffix =, pattern = }
---@param style table { thousands =, decimal = }
---@return string
function numbers.show(v, spec, style)
  if v == nil then return "" end
  if type(v) == "boolean" then return v and "yes" or "no" end
  if type(v) == "string" and not PATTERNS[spec.format] then return v end
  local text = formatted(v, spec, style)
  if not spec.prefix and not spec.suffix then return text end
  local sign, rest = "", text
  if text:sub(1, #MINUS) == MINUS then sign, rest = MINUS, text:sub(#MINUS + 1) end
  return sign .. (spec.prefix or "") .. rest .. (spec.suffix or "")
end

return numbers

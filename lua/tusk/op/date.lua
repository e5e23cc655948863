-- @date: points in time as Unix seconds with a fraction, always UTC.
local check = require "tusk.check"
local core = require "tusk.core"
local dots = require "tusk.dots"
local errors = require "tusk.errors"

local floor = math.floor

local date = {}

local DAY = 86400
local FIRST, LAST = -62167219200, 253402300800 -- years 0000 to 9999, the last not included
local MONTH_DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
local CONVERSIONS = "aAbBCdDeFGgHhIjmMnpRrStTuUVwWxXyYZzL%"

--- The time now.
---@return number seconds since 1970, with a fraction
function date.now() return core.wall() end

--- Seconds on a clock that only goes forward: for measuring.
---@return number seconds
function date.clock() return core.clock() end

-- Days from 1970-01-01 in the proleptic Gregorian calendar (H. Hinnant, "chrono-Compatible
-- Low-Level Date Algorithms"): years begin in March, 400 of them have 146097 days.
local function days_of(year, month, day)
  if month <= 2 then year = year - 1 end
  local era = floor(year / 400)
  local of_era = year - era * 400
  local of_year = floor((153 * (month + (month > 2 and -3 or 9)) + 2) / 5) + day - 1
  return era * 146097 + of_era * 365 + floor(of_era / 4) - floor(of_era / 100) + of_year - 719468
end

local function date_of(days)
  days = days + 719468
  local era = floor(days / 146097)
  local of_era = days - era * 146097
  local year = floor((of_era - floor(of_era / 1460) + floor(of_era / 36524) - floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + floor(year / 4) - floor(year / 100))
  local month = floor((5 * of_year + 2) / 153)
  local day = of_year - floor((153 * month + 2) / 5) + 1
  month = month < 10 and month + 3 or month - 9
  return year + era * 400 + (month <= 2 and 1 or 0), month, day
end

local function time_check(name, t)
  check.number(name, t)
  if not (t >= FIRST and t < LAST) then
    check.fail(("%s must be Unix seconds in the years 0 to 9999, got %s"):format(name, tostring(t)),
      { argument = name })
  end
  return t
end

-- Whole seconds and thousandths. A double has not many more digits to give at present dates.
local function split(t)
  local ms = floor(t * 1000 + 0.5)
  return floor(ms / 1000), ms % 1000
end

local function rfc3339(t)
  local whole, ms = split(t)
  local days = floor(whole / DAY)
  local s = whole - days * DAY
  local year, month, day = date_of(days)
  return ("%04d-%02d-%02dT%02d:%02d:%02d%sZ"):format(year, month, day, floor(s / 3600),
    floor(s / 60) % 60, s % 60, ms > 0 and (".%03d"):format(ms) or "")
end

local function pattern_check(pattern)
  for letter in pattern:gmatch("%%(.?)") do
    if letter == "" or not CONVERSIONS:find(letter, 1, true) then
      check.fail(("format: unknown conversion \"%%%s\""):format(letter), { argument = "format" })
    end
  end
end

--- A time as text, in UTC.
---@param t number
---@param format string|nil RFC 3339 by default; else as for strftime, and %L for milliseconds
---@return string
function date.format(t, format)
  dots.check("date", date, t, "format(t)")
  time_check("t", t)
  if format == nil then return rfc3339(t) end
  check.string("format", format)
  local whole, ms = split(t)
  local pattern = format:gsub("%%(.)", function(letter)
    if letter == "L" then return ("%03d"):format(ms) end
  end)
  pattern_check(pattern)
  if pattern == "" then return "" end
  return (os.date("!" .. pattern, whole))
end

local function syntax(text, why)
  errors.raise("date.syntax", ("%q is no RFC 3339 time: %s"):format(text:sub(1, 60), why), { value = text })
end

local function days_in(year, month)
  local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return month == 2 and leap and 29 or MONTH_DAYS[month]
end

-- Why these numbers are no date and time, or nil. A leap second is second 60.
local function nonsense(year, month, day, hour, min, sec)
  if month < 1 or month > 12 then return "month must be from 1 to 12" end
  if day < 1 or day > days_in(year, month) then return ("that month has no day %d"):format(day) end
  if hour > 23 or hour < 0 then return "hour must be from 0 to 23" end
  if min > 59 or min < 0 then return "minute must be from 0 to 59" end
  if sec >= 61 or sec < 0 then return "second must be from 0 to 60" end
end

local function seconds_of(year, month, day, hour, min, sec)
  return days_of(year, month, day) * DAY + hour * 3600 + min * 60 + sec
end

local function offset_of(text, zone)
  if zone == "Z" or zone == "z" then return 0 end
  local sign, hour, min = zone:match("^([+-])(%d%d):(%d%d)$")
  if not sign then syntax(text, "it must end in Z or an offset such as +02:00") end
  if tonumber(hour) > 23 or tonumber(min) > 59 then syntax(text, "its offset is too large") end
  local seconds = hour * 3600 + min * 60
  return sign == "-" and -seconds or seconds
end

--- The time that an RFC 3339 text stands for; a date alone is its midnight, UTC.
---@param text string
---@return number seconds raises date.syntax
function date.parse(text)
  check.string("text", text)
  local y, mo, d, rest = text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$")
  if not y then syntax(text, "it must begin like 2026-01-31") end
  local h, mi, s, frac, zone = 0, 0, 0, "", "Z"
  if rest ~= "" then
    h, mi, s, frac, zone = rest:match("^[Tt ](%d%d):(%d%d):(%d%d)(%.?%d*)(.*)$")
    if not h or frac == "." then syntax(text, "its time must be like T23:59:59 or T23:59:59.123") end
  end
  local year, month, day = tonumber(y), tonumber(mo), tonumber(d)
  local why = nonsense(year, month, day, tonumber(h), tonumber(mi), tonumber(s))
  if why then syntax(text, why) end
  local whole = seconds_of(year, month, day, h, mi, s) - offset_of(text, zone)
  return whole + (frac ~= "" and tonumber("0" .. frac) or 0)
end

--- A time moved by a duration.
---@param t number
---@param d string|number "1h30m", seconds; with a minus it moves back
---@return number
function date.add(t, d)
  time_check("t", t)
  if type(d) == "number" and d < 0 then return t - check.duration("d", -d) end
  if type(d) == "string" and d:sub(1, 1) == "-" then return t - check.duration("d", d:sub(2)) end
  return t + check.duration("d", d)
end

--- The time of a date given in parts, in UTC.
---@param parts { year: integer, month: integer, day: integer, hour: integer, min: integer, sec: number }
---@return number
function date.utc(parts)
  check.table("parts", parts)
  check.options(parts, { "year", "month", "day", "hour", "min", "sec" })
  local year, month, day = check.integer("year", parts.year), parts.month or 1, parts.day or 1
  local hour, min, sec = parts.hour or 0, parts.min or 0, parts.sec or 0
  check.integer("month", month)
  check.integer("day", day)
  check.integer("hour", hour)
  check.integer("min", min)
  check.number("sec", sec)
  if year < 0 or year > 9999 then check.fail("year must be from 0 to 9999", { argument = "year" }) end
  local why = nonsense(year, month, day, hour, min, sec)
  if why then check.fail(why) end
  return seconds_of(year, month, day, hour, min, sec)
end

return date

-- retry_after.lua: when a server wants to be asked again.
local kernel = require "tusk.kernel"

local MONTHS = {
  Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11, Dec = 12,
}

-- Days since 1970-01-01; years are counted from March, so that a leap day is the last of its year.
local function days(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  local before = math.floor((153 * (month - 3) + 2) / 5)
  return 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400) + before + day - 719469
end

-- "Sun, 06 Nov 1994 08:49:37 GMT" as Unix seconds, or nil (RFC 9110, 5.6.7; nobody sends the obsolete forms).
local function date(text)
  local day, name, year, h, m, s = (text or ""):match("^%a%a%a, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$")
  local month = MONTHS[name]
  if not month then return nil end
  return days(tonumber(year), month, tonumber(day)) * 86400 + h * 3600 + m * 60 + s
end

--- Seconds from now, or nil when the headers do not say. A date is counted from the server's own, if it gives one.
---@param headers tusk.http.Headers
---@return number|nil
return function(headers)
  local text = headers["retry-after"]
  if not text then return nil end
  if text:find("^%d+$") then return tonumber(text) end
  local at = date(text)
  return at and math.max(at - (date(headers.date) or kernel.wall()), 0)
end

-- sun.lua: how high the sun stands. Plain Lua: no @, nothing that waits.
local sun = {}

local rad, deg, sin, cos = math.rad, math.deg, math.sin, math.cos

--- Degrees above the horizon, negative by night; right within about a degree or two.
---@param time number Unix seconds
---@param latitude number degrees, north is positive
---@param longitude number degrees, east is positive
---@return number
function sun.altitude(time, latitude, longitude)
  local days = time / 86400 - 10957 -- since 1 January 2000, 0:00 UTC
  local declination = rad(-23.44) * cos(2 * math.pi * (days + 10) / 365.2422)
  local angle = rad((days % 1 - 0.5) * 360 + longitude) -- from noon
  local north = rad(latitude)
  return deg(math.asin(sin(north) * sin(declination) + cos(north) * cos(declination) * cos(angle)))
end

return sun

-- log_style.lua: how log lines look: for a person on a terminal, or JSON for a machine.
local kernel = require "tusk.kernel"

local style = { pretty = false, level = 1 }

--- The present moment, RFC 3339 in UTC with milliseconds.
function style.time()
  local t = kernel.wall()
  return os.date("!%Y-%m-%dT%H:%M:%S", math.floor(t)) .. (".%03dZ"):format(math.floor(t % 1 * 1000))
end

--- The local time of day.
function style.clock()
  return os.date("%H:%M:%S", math.floor(kernel.wall()))
end

return style

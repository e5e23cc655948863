-- @sleep(duration): parks the task for so long.
local check = require "tusk.check"
local wait = require "tusk.wait"

---@param duration number|string
return function(duration)
  wait.sleep(check.duration("duration", duration))
end

-- @sleep(duration): parks the task for so long.
local check = require "tusk.check"
local kernel = require "tusk.kernel"

local c_sleep, cancelled, seconds = kernel.sleep, kernel.cancelled, check.duration

-- One frame and no more: what a parked task keeps on its stack is what it costs.
---@param duration number|string
return function(duration)
  if c_sleep(seconds("duration", duration)) then cancelled() end
end

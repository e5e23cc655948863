-- @yield(): lets every other ready task run; a checkpoint for work that only computes.
local kernel = require "tusk.kernel"

local c_yield, cancelled = kernel.yield, kernel.cancelled

return function()
  if c_yield() then cancelled() end
end

-- @race(f, g, …): the first to end, well or not; the others are cancelled and joined.
local contest = require "tusk.contest"
local errors = require "tusk.errors"

local function always()
  return true
end

---@param ... function|tusk.Task or one list of them
---@return any value the first value of the first to end; or what it failed with is raised
return function(...)
  local c = contest.run(always, ...)
  if not c.ok then errors.rethrow(c.value) end
  return c.value
end

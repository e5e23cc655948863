-- @any(f, g, …): the first to succeed; the others are cancelled and joined.
local contest = require "tusk.contest"
local errors = require "tusk.errors"

local function succeeds(c, i, ok, value)
  if ok then return true end
  c.errors = c.errors or {}
  c.errors[i] = value
  return false
end

---@param ... function|tusk.Task or one list of them
---@return any value the first value of the first to succeed. If all fail: `all_failed`, with what each failed with in
---  `errors`, in the order of the arguments
return function(...)
  local c = contest.run(succeeds, ...)
  if c.decided then return c.value end
  errors.raise("all_failed", ("all %d failed"):format(c.n), { errors = c.errors, cause = c.errors[1] })
end

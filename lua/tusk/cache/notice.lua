-- notice.lua: log lines about what goes wrong without anybody's request failing: of each kind one in ten seconds.
local core = require "tusk.core"
local operators = require "tusk.operators"

local EVERY = 10 -- seconds

local Notice = { __name = "cache.notice" }
Notice.__index = Notice

function Notice.new()
  return setmetatable({ kinds = {} }, Notice)
end

--- Logs a warning, unless one of its kind was logged just now: the next one says how many were not.
---@param message string of which there are few
---@param fields table { key =, error = }
function Notice:warn(message, fields)
  local last, time = self.kinds[message], core.now()
  if last and time - last.at < EVERY and time >= last.at then
    last.more = last.more + 1
    return
  end
  fields.also = last and last.more > 0 and last.more or nil
  fields.error = tostring(fields.error)
  self.kinds[message] = { at = time, more = 0 }
  operators.get("log").warn(message, fields)
end

--- The next one of this kind is logged in any case.
function Notice:over(message)
  self.kinds[message] = nil
end

return Notice

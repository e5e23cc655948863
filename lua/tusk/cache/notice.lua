-- notice.lua: log lines about what goes wrong without anybody's request failing: of each kind one in ten seconds.
local core = require "tusk.core"
local operators = require "tusk.operators"

local EVERY = 10 -- seconds

local Notice = { __name = "cache.notice" }
Notice.__index = Notice

function Notice.new()
  return setmetatable({ kinds = {} }, Notice)
end

local function tell(self, level, message, fields)
  local last, time = self.kinds[message], core.now()
  if last and time - last.at < EVERY and time >= last.at then
    last.more = last.more + 1
    return
  end
  fields.also = last and last.more > 0 and last.more or nil
  fields.error = fields.error and tostring(fields.error)
  self.kinds[message] = { at = time, more = 0 }
  operators.get("log")[level](message, fields)
end

for _, level in ipairs { "info", "warn" } do
  --- Logs it, unless one of its kind was logged just now: the next one says how many were not.
  ---@param message string of which there are few
  ---@param fields table { key =, error = }
  Notice[level] = function(self, message, fields)
    tell(self, level, message, fields)
  end
end

return Notice

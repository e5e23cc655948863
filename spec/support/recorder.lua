-- recorder.lua: a log that remembers.

--- What has debug, info, warn and error as ctx.log has, and is the list of what they were told:
--- { level =, message =, fields = }.
---@return table
return function()
  local log = {}
  for _, level in ipairs { "debug", "info", "warn", "error" } do
    log[level] = function(message, fields) log[#log + 1] = { level = level, message = message, fields = fields } end
  end
  return log
end

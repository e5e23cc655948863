-- script.lua: scripts that the server runs, sent once and called by their digest.
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local raw = require "tusk.binding.redis"

local settle, call = core.settle, raw.call

-- EVAL's arguments after the script: number of keys, keys, values.
local function arguments(keys, ...)
  local n, list = #keys, {}
  list[1] = n
  for i = 1, n do list[i + 1] = keys[i] end
  local more = select("#", ...)
  for i = 1, more do list[n + 1 + i] = (select(i, ...)) end
  return list, n + 1 + more
end

local function evaluate(handle, command, script, list, n)
  return settle(call(handle, command, script, unpack(list, 1, n)))
end

--- A function that runs the script: fn({ key, … }, value, …).
---@param handle userdata
---@param source string Lua, as EVAL takes it
---@return fun(keys: string[]|nil, ...: any): any
return function(handle, source)
  check.string("source", source)
  local digest
  return function(keys, ...)
    local list, n = arguments(check.opt_table("keys", keys) or {}, ...)
    digest = digest or settle(call(handle, "SCRIPT", "LOAD", source))
    local ok, result = xpcall(evaluate, errors.note, handle, "EVALSHA", digest, list, n)
    if ok then return result end
    if getmetatable(result) ~= errors.Error or result.code ~= "NOSCRIPT" then errors.rethrow(result) end
    return evaluate(handle, "EVAL", source, list, n) -- the server has forgotten it
  end
end

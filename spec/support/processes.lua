-- processes.lua: what the system says of processes.
local temp = require "spec.support.temp"
local uv = require "luv"

local processes = {}

-- state, parent; nil when there is no such process
local function stat(pid)
  local ok, text = pcall(temp.read, ("/proc/%d/stat"):format(pid))
  if ok and text then return text:match("^%d+ %(.*%) (%a) (%d+)") end -- one that ends meanwhile reads as nothing
end

--- Does it run? A zombie does not.
function processes.is_alive(pid)
  local state = stat(pid)
  return state ~= nil and state ~= "Z" and state ~= "X"
end

--- The processes that this one has started and not reaped, as pid → state.
function processes.children()
  local found, me = {}, tostring(uv.os_getpid())
  for _, name in ipairs(temp.list("/proc")) do
    if name:find("^%d+$") then
      local state, parent = stat(name)
      if parent == me then found[tonumber(name)] = state end
    end
  end
  return found
end

return processes

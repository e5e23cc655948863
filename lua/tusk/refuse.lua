-- refuse.lua: what to say when an operator that waits is called where the task cannot be suspended.
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"

local refuse = {}

-- Functions written in C that call back into Lua, and the way out of each.
local IN_THE_WAY = {
  [table.sort] = { "table.sort", "collect what the comparison needs first, then sort" },
  [string.gsub] = { "string.gsub", "collect the matches first, then replace" },
  [tostring] = { "a __tostring metamethod", "build the text before it is asked for" },
  [print] = { "a __tostring metamethod under print", "build the text first, then print it" },
}

local function in_the_way(co)
  for level = 0, 100 do
    local info = debug.getinfo(co, level, "f")
    if not info then return nil end
    local known = IN_THE_WAY[info.func]
    if known then return known[1], known[2] end
  end
end

-- In the running coroutine, or below the user's coroutines in the task itself.
local function culprit()
  local here, task = coroutine.running(), kernel.current()
  local what, way_out = in_the_way(here)
  if what then return what, way_out end
  return in_the_way(kernel.coroutine_of(task))
end

--- Raises kind `operator`.
---@param in_task boolean
function refuse.raise(in_task)
  if not in_task then
    errors.raise("operator", "cannot wait here: no task is running; start one with tusk.spawn")
  end
  local what, way_out = culprit()
  what = what or "a C function that calls back into Lua"
  way_out = way_out or "do the waiting before, or after, that call"
  errors.raise("operator", ("cannot wait here: %s is in the way; %s"):format(what, way_out),
    { in_the_way = what })
end

return refuse

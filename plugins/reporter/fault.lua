-- fault.lua: mistakes of those who use the plugin, with what they probably meant.
local tusk = require "tusk"

local fault = {}

--- Raises kind `argument`, or another, for a word that is none of the list.
---@param what string "report sales: body[2].chart"
---@param word any
---@param list string[]
---@param kind string|nil
function fault.unknown(what, word, list, kind)
  local hint, near = tusk.check.hint(tostring(word), list)
  tusk.errors.raise(kind or "argument", ("%s %q%s"):format(what, tostring(word), hint),
    { suggestion = near, help = { list[1] and "there is: " .. table.concat(list, ", ") or "there is none" } })
end

--- Raises kind `argument` unless every key of t is in the list.
function fault.only(place, t, allowed)
  for key in pairs(t) do
    local known = false
    for _, name in ipairs(allowed) do known = known or name == key end
    if not known then fault.unknown(place .. ": no field", key, allowed) end
  end
end

return fault

-- secrets.lua: values that must not appear in logs and errors.
local secrets = {}

local known = {} -- value → true

--- Registers a value; shorter than four bytes is not worth hiding.
function secrets.add(value)
  if type(value) == "string" and #value >= 4 then known[value] = true end
end

local function plain(pattern)
  return (pattern:gsub("%p", "%%%0"))
end

--- The text with every registered value, and the password of every URL, shown as ***.
---@param text string
function secrets.mask(text)
  for value in pairs(known) do
    if text:find(value, 1, true) then text = text:gsub(plain(value), "***") end
  end
  if text:find("://", 1, true) then text = text:gsub("(%a[%w+.-]*://)[^/@%s]*@", "%1***@") end
  return text
end

return secrets

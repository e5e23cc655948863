-- secret.lua: values that must not be printed. They show as *** and are masked where text leaves.
local check = require "tusk.check"
local errors = require "tusk.errors"

local secret = {}

local SHOWN, MASKABLE = "***", 6 -- shorter ones would mask ordinary words
local values = setmetatable({}, { __mode = "k" }) -- secret → value
local known = {} -- value → true: what mask looks for

local prototype = newproxy(true)
local meta = getmetatable(prototype)
local Secret = check.strict({}, "a secret", {})

meta.__name = "secret"
meta.__index = Secret
meta.__metatable = false
function meta.__tostring() return SHOWN end
function meta.__eq(a, b) return values[a] == values[b] end
function meta.__concat()
  errors.raise("argument", "a secret cannot be joined to text unnoticed: use secret:reveal()")
end

--- The value itself.
---@return string
function Secret:reveal() return values[self] end

--- A secret that holds value.
---@param value string
---@return userdata
function secret.new(value)
  local s = newproxy(prototype)
  values[s] = value
  if #value >= MASKABLE then known[value] = true end
  return s
end

--- True for what secret.new has made.
function secret.is(value) return type(value) == "userdata" and values[value] ~= nil end

--- The text with every known secret, and the password of every URL, replaced by ***.
---@param text string
---@return string
function secret.mask(text)
  for value in pairs(known) do
    local from, to = text:find(value, 1, true)
    while from do
      text = text:sub(1, from - 1) .. SHOWN .. text:sub(to + 1)
      from, to = text:find(value, from + #SHOWN, true)
    end
  end
  if text:find("://", 1, true) then text = text:gsub("(%a[%w+.-]*://)[^/@%s]*@", "%1" .. SHOWN .. "@") end
  return text
end

return secret

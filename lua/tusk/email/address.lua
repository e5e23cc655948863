-- address.lua: mail addresses: the part of RFC 5321 that servers take, and nothing that could be more than an address.
local check = require "tusk.check"
local words = require "tusk.email.words"

local address = {}

local LOCAL_MAX, DOMAIN_MAX, LABEL_MAX = 64, 253, 63

---@class tusk.email.Address
---@field address string "ann@example.com"
---@field name string|nil "Ann"

local function refuse(what, given, why)
  check.fail(("%s: %q is not an address: %s"):format(what, given:sub(1, 100):gsub("%c", "?"), why), { argument = what })
end

-- Dots only between atoms. Quoted local parts, which nobody has, are not taken.
local function check_local(what, given, part)
  if #part > LOCAL_MAX then refuse(what, given, "more than 64 characters before the @") end
  if part:find("[\128-\255]") then refuse(what, given, "only ASCII can stand before the @") end
  if part:find("[^%w!#$%%&'*+/=?^_`{|}~.-]") then refuse(what, given, "a character that cannot stand before the @") end
  if part == "" or part:find("^%.") or part:find("%.$") or part:find("%.%.") then
    refuse(what, given, "a dot at an end, or two in a row, or nothing before the @")
  end
end

local function check_label(what, given, label)
  if #label > LABEL_MAX or label:find("^%-") or label:find("%-$") or label:find("[^%w-]") or label == "" then
    refuse(what, given, ("%q cannot be part of a domain"):format(label))
  end
end

-- "[192.0.2.1]", "[IPv6:2001:db8::1]"
local function is_literal(domain)
  local inside = domain:match("^%[(.*)%]$")
  if not inside then return false end
  local six = inside:match("^IPv6:([%x:.]+)$")
  return six ~= nil and six:find(":", 1, true) ~= nil or inside:find("^%d+%.%d+%.%d+%.%d+$") ~= nil
end

local function check_domain(what, given, domain)
  if domain:find("[\128-\255]") then refuse(what, given, "write the domain in its ASCII form (xn--…)") end
  if #domain > DOMAIN_MAX then refuse(what, given, "the domain is longer than 253 characters") end
  if is_literal(domain) then return end
  for label in (domain .. "."):gmatch("([^.]*)%.") do check_label(what, given, label) end
end

--- The address itself, checked; the domain in lower case.
---@param what string the option's name, for errors
---@param text string "ann@example.com"
function address.check(what, text)
  check.string(what, text)
  if text:find("[%c%s]") then refuse(what, text, "it contains a space or a control character") end
  local part, domain = text:match("^(.*)@([^@]*)$")
  if not part then refuse(what, text, "there is no @ in it") end
  check_local(what, text, part)
  check_domain(what, text, domain)
  return part .. "@" .. (domain:find("^%[") and domain or domain:lower())
end

-- "Ann", "\"Ann, of the board\"" → the name itself, or nil
local function name_of(what, text)
  text = text:match("^%s*(.-)%s*$")
  local quoted = text:match('^"(.*)"$')
  if quoted then text = quoted:gsub("\\(.)", "%1") end
  return text ~= "" and words.check(what, text) or nil
end

--- One address: "ann@example.com", "Ann <ann@example.com>", { address =, name = }.
---@return tusk.email.Address
function address.parse(what, given)
  if type(given) == "table" then
    check.options(given, { "address", "name" })
    local name = check.opt_string(what .. ".name", given.name)
    return { address = address.check(what .. ".address", given.address), name = name and name ~= "" and words.check(what .. ".name", name) or nil }
  end
  check.string(what, given)
  local name, inner = given:match("^(.-)<([^<>]*)>%s*$")
  if not inner then return { address = address.check(what, given) } end
  return { address = address.check(what, inner), name = name_of(what, name) }
end

--- A list of them: one, or a list of such; {} for nil. A text is one address, whatever commas are in it.
---@return tusk.email.Address[]
function address.list(what, given)
  if given == nil then return {} end
  if type(given) ~= "table" or given.address ~= nil then return { address.parse(what, given) } end
  local list = {}
  for key in pairs(given) do
    if type(key) ~= "number" then
      check.fail(("%s: a list of addresses expected, got a field %q"):format(what, tostring(key)), { argument = what })
    end
  end
  for i = 1, #given do list[i] = address.parse(("%s[%d]"):format(what, i), given[i]) end
  return list
end

--- As a header has it.
---@param a tusk.email.Address
function address.shown(a)
  return a.name and words.phrase(a.name) .. " <" .. a.address .. ">" or a.address
end

return address

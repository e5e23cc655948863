-- headers.lua: header lines: checking those to be sent, looking up those received.
local raw = require "tusk.binding.curl"
local check = require "tusk.check"
local secret = require "tusk.secret"

local headers = {}

-- What the request's own body decides; a second opinion would desynchronise the connection.
local RESERVED = { ["content-length"] = true, ["transfer-encoding"] = true }

local NONE = {}

--- The name, if it is one that may be sent; raises kind `argument` otherwise.
function headers.check_name(name)
  if type(name) ~= "string" then check.fail("headers: a name must be a string, got " .. type(name)) end
  if name == "" or name:find("[^%w!#$%%&'*+%-.^_`|~]") then
    check.fail(("headers: %q is not a header name"):format(name), { argument = "headers" })
  end
  if RESERVED[name:lower()] then
    check.fail(("headers: %s is set from the body"):format(name), { argument = "headers" })
  end
  return name
end

--- A value, or what a secret hides.
function headers.reveal(value)
  return secret.is(value) and value:reveal() or value
end

--- The value as text, if it may be sent; raises kind `argument` otherwise.
function headers.check_value(name, value)
  value = headers.reveal(value)
  if type(value) == "number" then value = tostring(value) end
  if type(value) ~= "string" then
    check.fail(("headers: the value of %s must be a string, got %s"):format(name, type(value)), { argument = "headers" })
  end
  if value:find("%c") then -- CR and LF above all: they would begin another header, or another request
    check.fail(("headers: the value of %s contains a control character"):format(name), { argument = "headers" })
  end
  return value
end

local function by_name(a, b)
  local x, y = a.name:lower(), b.name:lower()
  if x ~= y then return x < y end
  return a.name < b.name
end

--- { name = value | { value, … } | false } as a list of { name, values }, sorted; false means "not this one".
---@param t table|nil
---@return table[] shared when empty: leave it as it is
function headers.check(t)
  if t == nil then return NONE end
  local list = {}
  for name, value in pairs(check.table("headers", t)) do
    headers.check_name(name)
    local values = {}
    if value ~= false then
      for i, v in ipairs(type(value) == "table" and value or { value }) do values[i] = headers.check_value(name, v) end
    end
    list[#list + 1] = { name = name, values = values }
  end
  table.sort(list, by_name)
  return list
end

--- Both lists as one; a name in `over` replaces the same name in `under`.
function headers.merge(under, over)
  if not under[1] then return over end
  local replaced, list = {}, {}
  for _, h in ipairs(over) do replaced[h.name:lower()] = true end
  for _, h in ipairs(under) do
    if not replaced[h.name:lower()] then list[#list + 1] = h end
  end
  for _, h in ipairs(over) do list[#list + 1] = h end
  return list
end

--- Is there an entry of that (lower-case) name, even one that only says "none"?
function headers.has(list, name)
  for _, h in ipairs(list) do
    if h.name:lower() == name then return true end
  end
  return false
end

-- One header as libcurl takes it: "Name;" sends an empty value, "Name:" keeps libcurl from adding its own.
local function line(name, value)
  return value == "" and name .. ";" or name .. ": " .. value
end

--- Appends a list of { name, values } to lines for libcurl.
function headers.lines(list, lines)
  for _, h in ipairs(list) do
    for _, value in ipairs(h.values) do lines[#lines + 1] = line(h.name, value) end
    if not h.values[1] then lines[#lines + 1] = h.name .. ":" end
  end
  return lines
end

---@class tusk.http.Headers
---@field [string] string by name in any case; several values are joined by ", ", of set-cookie it is the first
local Headers = { __name = "tusk.http.Headers" }
local lists = setmetatable({}, { __mode = "k" }) -- headers → { name → values }, of the names that have several

--- Every value of one name, in the order received; {} if there is none.
---@param name string
---@return string[]
local function all(self, name)
  if getmetatable(self) ~= Headers then check.fail("headers:all(name) is called with a colon") end
  name = check.string("name", name):lower()
  local found = lists[self] and lists[self][name]
  return found and { unpack(found) } or { rawget(self, name) }
end

function Headers.__index(self, name)
  if name == "all" then return all end
  return type(name) == "string" and rawget(self, name:lower()) or nil
end

-- Fields for the names that have several values; and none for the one that would hide the method.
local function join(self, several)
  lists[self] = several
  for name, list in pairs(several) do
    if name ~= "set-cookie" then self[name] = table.concat(list, ", ") end
  end
  self.all = nil
end

--- The headers in a block as received, its status line first. Folded lines are joined.
---@param block string
---@return tusk.http.Headers
function headers.parse(block)
  local self, several = raw.headers(block)
  if self.all then
    several = several or {}
    several.all = several.all or { self.all }
  end
  if several then join(self, several) end
  return setmetatable(self, Headers)
end

return headers

-- url.lua: URLs and what is written into them.
local raw = require "tusk.binding.curl"
local check = require "tusk.check"

local url = {}

---@class tusk.http.Url
---@field url string without credentials and fragment
---@field scheme string
---@field host string
---@field port string
---@field peer string host:port
---@field user string|nil
---@field password string|nil

local function refuse(text, why)
  check.fail(("url: %s in %q"):format(why, #text > 200 and text:sub(1, 200) .. "…" or text), { argument = "url" })
end

-- A message never shows what stands before an @.
local function masked(text)
  return (text:gsub("^([%w+.-]*:?/?/?)[^/?#@]*@", "%1***@"))
end

local function complete(parts)
  parts.host = parts.host:lower()
  parts.peer = parts.host .. ":" .. parts.port
  return parts
end

local function parse(text)
  local shown = masked(text)
  if text:find("%c") then refuse(shown, "a control character") end
  if text:find(" ", 1, true) then refuse(shown, "a space (write %20)") end
  if not text:find("^%a[%w+.-]*:") then refuse(shown, "no scheme (http:// or https://)") end
  local parts, why = raw.url(text)
  if not parts then refuse(shown, why) end
  if parts.scheme ~= "http" and parts.scheme ~= "https" then
    refuse(shown, ("the scheme %q, which is neither http nor https,"):format(parts.scheme))
  end
  return complete(parts)
end

local CACHED = 256
local cache, cached = {}, 0 -- programs ask the same places again and again

--- Takes a URL apart; raises kind `argument` if it is none, or not http(s). The result is shared: leave it as it is.
---@param text string
---@return tusk.http.Url
function url.parse(text)
  local parts = cache[check.string("url", text)]
  if parts then return parts end
  parts = parse(text)
  if cached >= CACHED then cache, cached = {}, 0 end
  cache[text], cached = parts, cached + 1
  return parts
end

--- The URL a Location header leads to, seen from base; or nil and why there is none. Credentials in it are dropped.
---@param location string
---@param base string
---@return tusk.http.Url|nil, string|nil
function url.resolve(location, base)
  if location:find("%c") then return nil, "it contains a control character" end
  local parts, why = raw.url(location, base)
  if not parts then return nil, why end
  if parts.scheme ~= "http" and parts.scheme ~= "https" then return nil, "it is neither http nor https" end
  parts.user, parts.password = nil, nil
  return complete(parts)
end

--- Do two URLs lead to the same server?
function url.same_origin(a, b)
  return a.scheme == b.scheme and a.host == b.host and a.port == b.port
end

--- A URL as messages show it.
---@param parts tusk.http.Url where it leads
---@param text string the URL itself, perhaps with a query added
function url.label(parts, text)
  return parts.user and text:gsub("^(%w+://)", "%1***@") or text
end

--- Percent-encodes everything but the characters that mean themselves anywhere (RFC 3986, 2.3).
---@param text string
function url.escape(text)
  return (text:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function number_text(v, name)
  if v ~= v or v == math.huge or v == -math.huge then check.fail(name .. " is not a finite number") end
  if v == math.floor(v) and math.abs(v) < 2 ^ 53 then return ("%.0f"):format(v) end
  return ("%.17g"):format(v)
end

--- A string, number or boolean as text; raises kind `argument` for anything else.
---@param name string what messages call it
function url.text_of(v, name)
  if type(v) == "string" then return v end
  if type(v) == "number" then return number_text(v, name) end
  if type(v) == "boolean" then return tostring(v) end
  if type(v) == "cdata" then return (tostring(v):gsub("U?LL$", "")) end
  check.fail(("%s: string, number or boolean expected, got %s"):format(name, type(v)))
end

--- { name = value | { value, … } } as "a=1&b=2", names sorted.
---@param what string the option's name, for errors
---@param t table
---@param space string how a space is written
function url.encode(what, t, space)
  check.table(what, t)
  local names, pairs_ = {}, {}
  for name in pairs(t) do
    if type(name) ~= "string" then check.fail(what .. ": a name must be a string, got " .. type(name)) end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = t[name]
    for _, v in ipairs(type(value) == "table" and value or { value }) do
      local text = url.text_of(v, what .. "." .. name)
      pairs_[#pairs_ + 1] = (url.escape(name) .. "=" .. url.escape(text)):gsub("%%20", space)
    end
  end
  return table.concat(pairs_, "&")
end

--- text with a query added.
function url.with_query(text, query)
  local encoded = url.encode("query", query, "%%20")
  if encoded == "" then return text end
  local join = not text:find("?", 1, true) and "?" or text:find("[?&]$") and "" or "&"
  return text .. join .. encoded
end

return url

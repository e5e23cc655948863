-- url.lua: where an SMTP server is, and as whom to speak to it: smtp://user:password@host:port, smtps://…
local check = require "tusk.check"
local raw = require "tusk.binding.curl"
local secret = require "tusk.secret"

local url = {}

local PORTS = { smtp = 587, smtps = 465 } -- RFC 8314: for who hands messages in
local LOCAL_PORT = 25

---@class tusk.email.Target
---@field scheme string "smtp" or "smtps"
---@field host string
---@field peer string host:port
---@field address string what libcurl is given
---@field user string|nil
---@field password string|nil
---@field here boolean the server is on this machine

local function fail(why)
  check.fail("url: " .. why, { argument = "url" })
end

local function is_here(host)
  return host == "localhost" or host == "[::1]" or host:find("^127%.%d+%.%d+%.%d+$") ~= nil
end

-- "user:password@host:port" → credentials or nil, "host:port"
local function split(text)
  local rest = text:match("^%a+://(.*)$"):gsub("/$", "")
  if rest:find("[/?#]") then fail("write smtp://[user:password@]host[:port], with nothing after it") end
  local given, place = rest:match("^(.*)@([^@]*)$")
  return given, place or rest
end

local function decoded(text)
  text = text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  if text:find("%c") then fail("a control character in the user or password") end
  return text
end

local function credentials(target, text)
  if not text then return target end
  local user, password = text:match("^([^:]*):?(.*)$")
  user, password = decoded(user), decoded(password)
  if user == "" or password == "" then fail("a user and a password go together: smtp://user:password@host") end
  secret.new(password)
  target.user, target.password = user, password
  return target
end

--- Takes one apart; raises kind `argument` if it is none.
---@param text string|userdata a secret too
---@return tusk.email.Target
function url.parse(text)
  if secret.is(text) then text = text:reveal() end
  check.string("url", text)
  if text:find("[%c%s]") then fail("it contains a space or a control character") end
  local scheme = (text:match("^(%a+)://") or ""):lower()
  if not PORTS[scheme] then fail("write smtp://[user:password@]host[:port] or smtps://…") end
  local given, place = split(text)
  local parts, why = raw.url("http://" .. place)
  if not parts or place == "" then fail(why or "a host is missing") end
  local host = parts.host:lower()
  if host:find("[^%w%.%-_%[%]:]") then fail(("%q is not the name of a host; write its ASCII form (xn--…)"):format(host)) end
  local port = tonumber(place:match(":(%d+)$")) or (scheme == "smtp" and is_here(host) and LOCAL_PORT) or PORTS[scheme]
  local peer = host .. ":" .. port
  return credentials({
    scheme = scheme, host = host, peer = peer, address = scheme .. "://" .. peer .. "/", here = is_here(host),
  }, given)
end

return url

-- url.lua: where a Redis is: redis://[user:password@]host:port/db, redis+unix:///path?db=, unix:/path.
local check = require "tusk.check"
local secret = require "tusk.secret"

local url = {}

local PORT, DB_MAX = 6379, 2 ^ 31 - 1

local function fail(why)
  check.fail("url: " .. why, { argument = "url" })
end

local function decoded(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function number_of(text, what, most)
  local n = text:match("^%d+$") and tonumber(text)
  if not n or n > most then fail(("%s: a number expected, got %q"):format(what, text)) end
  return n
end

-- "user:password@", ":password@", "user@" → user, password
local function credentials_of(text)
  local user, password = text:match("^([^:]*):?(.*)$")
  user, password = decoded(user), decoded(password)
  if password ~= "" then secret.new(password) end
  return user ~= "" and user or nil, password ~= "" and password or nil
end

-- "host:port", "[::1]:port", "host"
local function host_of(text)
  local host, port = text:match("^%[([%x:.]+)%]:?(%d*)$")
  if not host then host, port = text:match("^([^:%[%]]*):?([^:]*)$") end
  if not host then fail(("%q is no host and port"):format(text)) end
  return host ~= "" and host or "127.0.0.1", port ~= "" and number_of(port, "port", 65535) or PORT
end

local function query_of(text)
  local found = {}
  for name, value in text:gmatch("([^&=]+)=([^&]*)") do
    if name ~= "db" then fail(("unknown parameter %q; there is db"):format(name)) end
    found[name] = decoded(value)
  end
  return found
end

local function unix_target(rest)
  local path, query = rest:gsub("^//", ""):match("^([^?]*)%??(.*)$")
  local user, password
  local given, after = path:match("^([^/]*)@(/.*)$")
  if given then
    user, password = credentials_of(given)
    path = after
  end
  path = decoded(path)
  if path:sub(1, 1) ~= "/" then fail("the socket's path must be absolute: redis+unix:///run/redis.sock") end
  local db = number_of(query_of(query).db or "0", "db", DB_MAX)
  return { path = path, user = user, password = password, db = db, label = path .. (db > 0 and "?db=" .. db or "") }
end

local function tcp_target(rest)
  local authority, db = rest:match("^//([^/?]*)/?([^?]*)")
  if not authority or rest:find("?", 1, true) then fail("write redis://[user:password@]host:port/db") end
  local user, password
  local given, after = authority:match("^(.*)@([^@]*)$")
  if given then
    user, password = credentials_of(given)
    authority = after
  end
  local host, port = host_of(authority)
  local number = db ~= "" and number_of(db, "db", DB_MAX) or 0
  local name = host:find(":", 1, true) and "[" .. host .. "]" or host
  return {
    host = host, port = port, user = user, password = password, db = number,
    label = name .. ":" .. port .. (number > 0 and "/" .. number or ""),
  }
end

--- Where to connect to, and as whom.
---@param text string
---@return table target { host, port | path, user, password, db, label }; the label has no secrets
function url.parse(text)
  check.string("url", text)
  local scheme, rest = text:match("^(%a[%w+]*):(.*)$")
  if scheme == "redis" then return tcp_target(rest) end
  if scheme == "unix" or scheme == "redis+unix" then return unix_target(rest) end
  if scheme == "rediss" then fail("TLS is not supported: use a tunnel, such as stunnel") end
  fail("write redis://[user:password@]host:port/db or redis+unix:///path?db=0")
end

return url

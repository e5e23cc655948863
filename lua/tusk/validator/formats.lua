-- formats.lua: name → whether a string is in that format. By RFC 3339 (times), 5321 (mail), 1123 and 5890 (names), 2673 and
-- 4291 (addresses), 3986 and 3987 (URIs), 6570 (templates), 6901 (pointers), 9562 (UUIDs).
local pattern = require "tusk.validator.pattern"

local formats = {}

local function lazily(source)
  local regex
  return function(s)
    regex = regex or assert(pattern.compile(source))
    return pattern.test(regex, s) == true
  end
end

-- ---- times ----

local DAYS = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function is_date(y, m, d)
  y, m, d = tonumber(y), tonumber(m), tonumber(d)
  if not DAYS[m] or d < 1 or d > DAYS[m] then return false end
  return not (m == 2 and d == 29) or y % 4 == 0 and (y % 100 ~= 0 or y % 400 == 0)
end

function formats.date(s)
  local y, m, d = s:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)$")
  return y ~= nil and is_date(y, m, d)
end

-- Minutes that a zone is ahead, nil when it is none.
local function offset_of(zone)
  if zone == "Z" or zone == "z" then return 0 end
  local sign, h, m = zone:match("^([+-])(%d%d):(%d%d)$")
  h, m = tonumber(h), tonumber(m)
  if not sign or h > 23 or m > 59 then return nil end
  return (sign == "+" and 1 or -1) * (h * 60 + m)
end

-- The second 60 is there only when the last minute of a day ends in UTC.
function formats.time(s)
  local h, m, sec, zone = s:match("^(%d%d):(%d%d):(%d%d)(.*)$")
  if not h then return false end
  zone = zone:gsub("^%.%d+", "")
  local offset = offset_of(zone)
  h, m, sec = tonumber(h), tonumber(m), tonumber(sec)
  if not offset or h > 23 or m > 59 or sec > 60 then return false end
  return sec < 60 or (h * 60 + m - offset) % 1440 == 1439
end

formats["date-time"] = function(s)
  local date, time = s:match("^(..........)[Tt](.*)$")
  return date ~= nil and formats.date(date) and formats.time(time)
end

formats.duration = lazily([[^P(?!$)(?:\d+W|(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)?(?:T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S))?)$]])

-- ---- names and addresses ----

local function is_label(s)
  return #s <= 63 and s:find("^[%w][%w-]*$") ~= nil and s:sub(-1) ~= "-" and (s:sub(3, 4) ~= "--" or s:find("^[xX][nN]%-%-.") ~= nil)
end

local function is_name(s, label)
  if #s == 0 or #s > 253 then return false end
  for part in (s .. "."):gmatch("([^.]*)%.") do
    if not label(part) then return false end
  end
  return true
end

function formats.hostname(s)
  return is_name(s, is_label)
end

local unicode_label = lazily([[^[\p{L}\p{Nd}\u0375\u30fb\u3007](?:[-\p{L}\p{M}\p{Nd}\u00b7\u0375\u05f3\u05f4\u200c\u200d\u30fb\u3007]*[\p{L}\p{M}\p{Nd}\u00b7\u0375\u05f3\u05f4\u200c\u200d\u30fb\u3007])?$]])

formats["idn-hostname"] = function(s)
  s = s:gsub("\227\128\130", "."):gsub("\239\188\142", "."):gsub("\239\189\161", ".") -- the other full stops
  return is_name(s, function(part)
    return is_label(part) or part:find("[\128-\255]") ~= nil and part:sub(3, 4) ~= "--" and unicode_label(part)
  end)
end

function formats.ipv4(s)
  local a, b, c, d = s:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  if not a then return false end
  for _, part in ipairs { a, b, c, d } do
    if #part > 3 or tonumber(part) > 255 or (#part > 1 and part:byte() == 48) then return false end
  end
  return true
end

-- How many groups of 16 bits, nil when it is none.
local function groups(s, last)
  if s == "" then return 0 end
  local n = 0
  for part, colon in (s):gmatch("([^:]*)(:?)") do
    if part ~= "" or colon ~= "" then
      if last and colon == "" and part:find(".", 1, true) then
        if not formats.ipv4(part) then return nil end
        n = n + 2
      elseif part:find("^%x%x?%x?%x?$") then n = n + 1
      else return nil end
    end
  end
  return s:sub(-1) ~= ":" and n or nil
end

function formats.ipv6(s)
  local before, after = s:match("^(.-)::(.*)$")
  if not before then return groups(s, true) == 8 end
  local a, b = groups(before, false), groups(after, true)
  return a ~= nil and b ~= nil and a + b <= 7
end

local function mail(atom, is_domain)
  return function(s)
    local user, domain = s:match("^(.+)@([^@]+)$")
    if not user or #user > 64 or not (user:find('^"') and
      user:find('^"[^%c"\\]*"$') or atom(user)) then
      return false
    end
    local literal = domain:match("^%[(.*)%]$")
    if not literal then return is_domain(domain) end
    local six = literal:match("^IPv6:(.*)$")
    return six and formats.ipv6(six) or formats.ipv4(literal)
  end
end

formats.email = mail(lazily([[^[\w!#$%&'*+\/=?^`{|}~\-]+(?:\.[\w!#$%&'*+\/=?^`{|}~\-]+)*$]]), formats.hostname)
formats["idn-email"] = mail(lazily([[^[^\s@"(),:;<>\[\\\]\x00-\x20.]+(?:\.[^\s@"(),:;<>\[\\\]\x00-\x20.]+)*$]]),
  formats["idn-hostname"])

formats.uuid = lazily([[^[\da-fA-F]{8}-[\da-fA-F]{4}-[\da-fA-F]{4}-[\da-fA-F]{4}-[\da-fA-F]{12}$]])

-- ---- URIs ----

-- Characters that may stand in a part, and %XX. wide: those of IRIs.
local function part(also, wide)
  local more = wide and [[\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef\u{10000}-\u{efffd}]] or ""
  return lazily(([[^(?:[\w.~!$&'()*+,;=%s%s\-]|%%[\da-fA-F]{2})*$]]):format(also, more))
end

local function is_authority(s, wide_part)
  local host = s:match("^(.-):%d*$")
  if s:sub(1, 1) == "[" or not host then host = s end
  local user, rest = host:match("^([^@]*)@(.*)$")
  if s:find("@", 1, true) and not user then return false end
  if user and not wide_part.user(user) then return false end
  host = rest or host
  local six, after = host:match("^%[(.*)%](.*)$")
  if not six then return wide_part.host(host) end
  if after ~= "" and not after:find("^:%d*$") then return false end
  return formats.ipv6(six) or six:find("^[vV]%x+%.[%w._~!$&'()*+,;=:-]+$") ~= nil
end

local function reference(wide)
  local parts = {
    user = part(":", wide), host = part("", wide), path = part(":@\\/", wide), query = part(":@\\/?", wide),
  }
  -- → whether it is one, and whether it has a scheme
  return function(s)
    local rest, fragment = s:match("^([^#]*)#?(.*)$")
    local scheme, after = rest:match("^(%a[%w+.-]*):(.*)$")
    local hier, query = (after or rest):match("^([^?]*)%??(.*)$")
    local authority, path = hier:match("^//([^/]*)(.*)$")
    path = path or hier
    if not (parts.query(fragment) and parts.query(query) and parts.path(path)) then return false end
    if authority and not is_authority(authority, parts) then return false end
    if not scheme and not authority and path:match("^[^/]*"):find(":", 1, true) then return false end
    return true, scheme ~= nil
  end
end

for _, kind in ipairs { "uri", "iri" } do
  local is_reference = reference(kind == "iri")
  formats[kind .. "-reference"] = function(s) return (is_reference(s)) end
  formats[kind] = function(s)
    local ok, has_scheme = is_reference(s)
    return ok and has_scheme
  end
end

local VARIABLE = [[(?:[\w]|%[\da-fA-F]{2})(?:\.?(?:[\w]|%[\da-fA-F]{2}))*(?:\*|:[1-9]\d{0,3})?]]

formats["uri-template"] = lazily([[^(?:[^\x00-\x20"'%<>\\^`{|}]|%[\da-fA-F]{2}|\{[+#.\/;?&=,!@|]?]] .. VARIABLE ..
  "(?:," .. VARIABLE .. [[)*\})*$]])

-- ---- pointers, patterns ----

formats["json-pointer"] = lazily([[^(?:\/(?:[^~\/]|~[01])*)*$]])
formats["relative-json-pointer"] = lazily([[^(?:0|[1-9]\d*)(?:#|(?:\/(?:[^~\/]|~[01])*)*)$]])

function formats.regex(s)
  return pattern.compile(s) ~= nil
end

return formats

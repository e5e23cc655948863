-- uri.lua: references of URIs (RFC 3986, section 5) and JSON Pointers (RFC 6901).
local uri = {}

local function split(text)
  local rest, fragment = text:match("^([^#]*)#?(.*)$")
  if not text:find("#", 1, true) then fragment = nil end
  local scheme, after = rest:match("^(%a[%w+.-]*):(.*)$")
  after = after or rest
  local authority, path = after:match("^//([^/?]*)(.*)$")
  path = path or after
  local bare, query = path:match("^([^?]*)%?(.*)$")
  return { scheme = scheme, authority = authority, path = bare or path, query = query, fragment = fragment }
end

-- "a/./b/../c" is "a/c"
local function without_dots(path)
  local out = {}
  local rooted, rest = path:match("^(/?)(.*)$")
  for segment, slash in (rest):gmatch("([^/]*)(/?)") do
    local is_last = slash == ""
    if segment == ".." then out[#out] = nil
    elseif segment ~= "." and not (is_last and segment == "") then
      out[#out + 1] = segment .. slash
    end
  end
  return rooted .. table.concat(out)
end

local function join(u)
  return (u.scheme and u.scheme .. ":" or "") .. (u.authority and "//" .. u.authority or "") .. u.path
    .. (u.query and "?" .. u.query or "")
end

local function merge(base, path)
  if base.authority and base.path == "" then return "/" .. path end
  return (base.path:match("^.*/") or "") .. path
end

--- What a reference means at a base: the URI without its fragment, and the fragment or nil.
---@return string, string|nil
function uri.resolve(base, reference)
  local r = split(reference)
  if r.scheme then
    if r.authority or r.path:find("^/") then r.path = without_dots(r.path) end
    return join(r), r.fragment
  end
  if r.authority == nil and r.path == "" and not r.query then return base, r.fragment end
  local b = split(base)
  r.scheme = b.scheme
  if r.authority then r.path = without_dots(r.path) return join(r), r.fragment end
  r.authority = b.authority
  if r.path == "" then r.path = b.path
  else r.path = without_dots(r.path:find("^/") and r.path or merge(b, r.path)) end
  return join(r), r.fragment
end

local function percent(text)
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end
uri.percent_decoded = percent

--- A token as it stands in a JSON Pointer.
function uri.token(key)
  if type(key) == "number" then return ("%d"):format(key) end
  return (key:gsub("~", "~0"):gsub("/", "~1"))
end

--- The tokens of a pointer "/a/b~1c".
---@return string[]
function uri.tokens(pointer)
  local out = {}
  for token in pointer:gmatch("/([^/]*)") do
    out[#out + 1] = token:gsub("~1", "/"):gsub("~0", "~")
  end
  return out
end

return uri

-- multipart.lua: the parts of a multipart/form-data body, checked.
local check = require "tusk.check"
local operators = require "tusk.operators"
local url = require "tusk.http.url"

local multipart = {}

local PART = { "data", "path", "filename", "type" }
local NAMED = { "name", unpack(PART) }

-- What goes into a part's head: a line end there would begin another line, or the part's body.
local function clean(what, text)
  check.string(what, text)
  if text:find("%c") then check.fail(what .. " contains a control character", { argument = "multipart" }) end
  return text
end

local function type_of(what, kind, filename)
  if kind == nil then return filename and "application/octet-stream" or nil end
  if not clean(what, kind):find("^[%w!#$&^_.+-]+/[%w!#$&^_.+-]+%f[%z; ]") then
    check.fail(('%s: %q is not a media type such as "image/png"'):format(what, kind), { argument = "multipart" })
  end
  return kind
end

-- { data = … } or { path = … }, with filename and type if it is a file.
local function file_part(what, name, given)
  if (given.data == nil) == (given.path == nil) then
    check.fail(what .. ": either data or path is needed", { argument = "multipart" })
  end
  local path = check.opt_string(what .. ".path", given.path)
  local filename = given.filename or path and path:match("([^/]*)$")
  if filename ~= nil then clean(what .. ".filename", filename) end
  return {
    name = name, path = path, data = not path and url.text_of(given.data, what .. ".data") or nil,
    filename = filename, type = type_of(what .. ".type", given.type, filename),
  }
end

local function part(what, name, value, allowed)
  clean(what .. ": the name", name)
  if name == "" then check.fail(what .. ": a part needs a name", { argument = "multipart" }) end
  if type(value) ~= "table" then return { name = name, data = url.text_of(value, what) } end
  return file_part(what, name, check.options(value, allowed))
end

local function of_list(t)
  local list = {}
  for i, given in ipairs(t) do
    local what = ("multipart[%d]"):format(i)
    list[i] = part(what, check.table(what, given).name, given, NAMED)
  end
  return list
end

local function of_names(t)
  local names, list = {}, {}
  for name in pairs(t) do names[#names + 1] = clean("multipart: a name", name) end
  table.sort(names)
  for _, name in ipairs(names) do
    local value, what = t[name], "multipart." .. name
    local several = type(value) == "table" and value[1] ~= nil
    for _, v in ipairs(several and value or { value }) do list[#list + 1] = part(what, name, v, PART) end
  end
  return list
end

--- { name = value | { data = | path =, filename =, type = } | list of these }, names sorted; or a list of the latter,
--- each with its name. Files are read here.
---@param t table
---@return table[] parts { name, data, filename, type }
function multipart.parts(t)
  check.table("multipart", t)
  local list = t[1] ~= nil and of_list(t) or of_names(t)
  if not list[1] then check.fail("multipart: at least one part is needed", { argument = "multipart" }) end
  for _, p in ipairs(list) do
    if p.path then p.data = operators.get("file").read(p.path) end
  end
  return list
end

return multipart

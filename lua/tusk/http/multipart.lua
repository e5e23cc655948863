-- multipart.lua: the parts of a multipart/form-data body, checked.
local check = require "tusk.check"
local operators = require "tusk.operators"
local sending = require "tusk.http.sending"
local url = require "tusk.http.url"

local multipart = {}

local PART = { "data", "path", "stream", "length", "filename", "type" }
local WHOLE = 1024 * 1024 -- bytes of a file that is read at once; larger ones are sent while they are read
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

local CONTENTS = { "data", "path", "stream" }

local function check_contents(what, given)
  local n = 0
  for _, name in ipairs(CONTENTS) do n = n + (given[name] ~= nil and 1 or 0) end
  if n ~= 1 then check.fail(what .. ": one of data, path and stream is needed", { argument = "multipart" }) end
  if given.length ~= nil and given.stream == nil then
    check.fail(what .. ".length: it is known, but of a stream", { argument = "multipart" })
  end
end

-- { data = … }, { path = … } or { stream = … }, with filename and type if it is a file.
local function file_part(what, name, given)
  check_contents(what, given)
  local path = check.opt_string(what .. ".path", given.path)
  local filename = given.filename or path and path:match("([^/]*)$")
  if filename ~= nil then clean(what .. ".filename", filename) end
  local stream = given.stream ~= nil and sending.of(what .. ".stream", given.stream, given.length) or nil
  return {
    name = name, path = path, source = stream, data = given.data ~= nil and url.text_of(given.data, what .. ".data") or nil,
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

local function take_file(p)
  local file = operators.get("file")
  local meta = file.metadata(p.path)
  if meta and meta.type == "file" and meta.size > WHOLE then
    p.source = sending.file(p.path, meta.size)
  else
    p.data = file.read(p.path)
  end
end

--- { name = value | { data = | path = | stream =, filename =, type = } | list of these }, names sorted; or a list of the
--- latter, each with its name. Small files are read here.
---@param t table
---@return table[] parts { name, data | source, filename, type }
---@return tusk.http.Source[]|nil sources of those that have one
function multipart.parts(t)
  check.table("multipart", t)
  local list, sources = t[1] ~= nil and of_list(t) or of_names(t), {}
  if not list[1] then check.fail("multipart: at least one part is needed", { argument = "multipart" }) end
  for _, p in ipairs(list) do
    if p.path then take_file(p) end
    if p.source then
      p.source.part = p
      sources[#sources + 1] = p.source
    end
  end
  return list, sources[1] and sources or nil
end

return multipart

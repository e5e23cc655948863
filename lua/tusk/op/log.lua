-- @log.debug/info/warn/error(message, fields): one line each; never waits.
local array = require "tusk.array"
local check = require "tusk.check"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local operators = require "tusk.operators"
local secret = require "tusk.secret"

local log = {}

local LEVELS = { debug = 0, info = 1, warn = 2, error = 3 }
local COLORS = { debug = "2", info = "32", warn = "33", error = "31" }

--- How lines look, and the least level that is written: the command line sets it.
local style = require "tusk.log_style"

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function json_string(text)
  return '"' .. text:gsub('[%c"\\]', function(c)
    return ESCAPES[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

-- What @json can write as it is: tables that are data, and 64-bit integers.
local function is_data(v)
  return type(v) == "table" and (getmetatable(v) == nil or array.is(v)) or type(v) == "cdata"
end

local function json_value(v)
  if type(v) == "number" and v == v and v ~= math.huge and v ~= -math.huge then
    return v == math.floor(v) and math.abs(v) < 1e15 and ("%d"):format(v) or ("%.14g"):format(v)
  end
  if type(v) == "boolean" then return tostring(v) end
  if is_data(v) then
    local ok, text = pcall(function() return operators.get("json").encode(v) end)
    if ok then return text end
  end
  return json_string(tostring(v))
end

local function sorted(fields)
  local keys = {}
  for key in pairs(fields) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

local function context()
  local task = kernel.current()
  return task and errors.names[task], errors.here()
end

local function json_line(level, message, fields)
  local out = { ('{"time":"%s"'):format(style.time()), ('"level":"%s"'):format(level),
    '"msg":' .. json_string(message) }
  local task, site = context()
  if task then out[#out + 1] = '"task":' .. json_string(task) end
  if site then out[#out + 1] = '"site":' .. json_string(site.file .. ":" .. site.line) end
  for _, key in ipairs(sorted(fields)) do
    out[#out + 1] = json_string(tostring(key)) .. ":" .. json_value(fields[key])
  end
  return table.concat(out, ",") .. "}"
end

local function pretty_line(level, message, fields)
  local out = { style.clock(), ("\27[%sm%-5s\27[0m"):format(COLORS[level], level), message }
  for _, key in ipairs(sorted(fields)) do
    out[#out + 1] = ("\27[2m%s=\27[0m%s"):format(tostring(key), type(fields[key]) == "string" and fields[key]
      or json_value(fields[key]))
  end
  local task = context()
  if task then out[#out + 1] = ("\27[2m(%s)\27[0m"):format(task) end
  return table.concat(out, " ")
end

local function write(level, message, fields)
  if LEVELS[level] < style.level then return end
  if type(message) ~= "string" then message = tostring(message) end
  check.opt_table("fields", fields)
  local line = (style.pretty and pretty_line or json_line)(level, message, fields or {})
  kernel.log(LEVELS[level], secret.mask(line))
end

for level in pairs(LEVELS) do
  ---@param message any shown with tostring
  ---@param fields table|nil
  log[level] = function(message, fields)
    write(level, message, fields)
  end
end

return log

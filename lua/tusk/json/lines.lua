-- json/lines.lua: the values of JSON lines, one by one, whatever the lines come from.
local check = require "tusk.check"
local codec = require "tusk.json"
local errors = require "tusk.errors"
local Lines = require "tusk.lines"
local null = require "tusk.null"
local operators = require "tusk.operators"
local streamed = require "tusk.streamed"

local decode, find = codec.decode, string.find

local LINE_MAX = 16 * 1024 * 1024
local OPTIONS = { "depth", "nulls", "max", "on_error" }
local ON_ERROR = { "raise", "skip" }

-- __collects: it holds nothing open but its source, which sees to itself.
local Values = streamed.extend({ __name = "json.lines", __collects = true }, "an iterator over values")
Values.__index = Values

local function nothing() end

local function too_long(line, max)
  errors.raise("json.too_large", ("line %d is longer than %d bytes"):format(line, max), { line = line, limit = max })
end

-- The next line that is not blank, or nil at the end.
local function pull(self)
  repeat
    local line = self.source()
    if line == nil then return nil end
    self.number = self.number + 1
    if type(line) ~= "string" then
      check.fail(("source: line %d is a %s, not a string"):format(self.number, type(line)), { argument = "source" })
    end
    if #line > self.max then too_long(self.number, self.max) end
    if find(line, "%S") then return line end
  until false
end

local function value_of(self, line)
  local value = decode(line, self.depth, self.path or nil, self.nulls, self.number)
  if value == nil then return null end
  return value
end

-- The value of a line that may be wrong, or nil: then it is passed over.
local function try(self, line)
  local ok, value = pcall(value_of, self, line)
  if ok then return value end
  if not errors.is(value, "json") then error(value, 0) end
  self.on_error(value)
end

function Values:__call()
  local line = pull(self)
  if not self.on_error then
    if line then return value_of(self, line) end
  else
    while line do
      local value = try(self, line)
      if value ~= nil then return value end
      line = pull(self)
    end
  end
  self:close()
end

--- Ends the iteration, and closes what the lines come from. Again: no effect.
function Values:close()
  local source = self.source
  self.source = nothing
  if type(source) ~= "function" then source:close() end
end

local function lines_of_text(text, max)
  if find(text, "^[%w%s_./\\-]*%.%a[%w]*$") then
    check.fail(("source: lines expected, got %q; those of a file are @file.lines(path)"):format(text), { argument = "source" })
  end
  return Lines.new(function()
    local all = text
    text = nil
    return all
  end, nothing, max, too_long)
end

local function has_close(object)
  local ok, close = pcall(function() return object.close end)
  return ok and type(close) == "function"
end

-- A function, or something to be called that has close().
local function source_of(value, max)
  if type(value) == "string" then return lines_of_text(value, max) end
  if type(value) == "function" or check.is_callable(value) and has_close(value) then return value end
  return operators.get("stream")(value)
end

local function on_error_of(value)
  if value == nil or value == "raise" then return false end
  if value == "skip" then return nothing end
  if check.is_callable(value) then return value end
  check.fail(('on_error: "raise", "skip" or a function expected%s'):format((check.hint(tostring(value), ON_ERROR))),
    { argument = "on_error" })
end

---@class tusk.JsonLinesOptions
---@field depth integer|nil 64, at most 1000
---@field nulls boolean|nil null is tusk.null in objects too
---@field max number|string|nil the longest line; 16 MiB
---@field on_error "raise"|"skip"|fun(err: table)|nil a line is wrong: raise; or pass over it, having told the function

--- The values of lines.
---@param source any text, or an iterator over lines, or whatever @stream takes
---@param opts tusk.JsonLinesOptions|nil
---@return table values an iterator, with :close() and the methods of a stream
return function(source, opts)
  opts = check.options(opts, OPTIONS)
  local max = check.size("max", opts.max, LINE_MAX)
  local values = setmetatable({
    depth = codec.depth(opts.depth), nulls = check.opt_boolean("nulls", opts.nulls) or false, max = max,
    on_error = on_error_of(opts.on_error), number = 0, source = false, path = false,
  }, Values)
  values.source = source_of(source, max)
  values.path = type(source) == "table" and rawget(source, "path") or false
  return values
end

-- dotenv.lua: reads .env files. One NAME=value a line; nothing in a value is interpolated.
local errors = require "tusk.errors"

local dotenv = {}

local ESCAPES = { n = "\n", r = "\r", t = "\t", ["\\"] = "\\", ['"'] = '"', ["$"] = "$" }

local Reader = {}
Reader.__index = Reader

function Reader:fail(why, line)
  line = line or self.line
  errors.raise("config", ("%s:%d: %s"):format(self.name, line, why), { file = self.name, line = line })
end

function Reader:count(piece)
  for _ in piece:gmatch("\n") do self.line = self.line + 1 end
end

-- After a quoted value only a comment may follow.
function Reader:finish_line()
  local rest, after = self.text:match("^([^\n]*)\n?()", self.at)
  if not rest:find("^%s*$") and not rest:find("^%s+#") then self:fail("text after the closing quote") end
  self.at, self.line = after, self.line + 1
end

function Reader:single_quoted()
  local start = self.line
  local value, after = self.text:match("^'([^']*)'()", self.at)
  if not value then self:fail("the quote ' is not closed", start) end
  self:count(value)
  self.at = after
  self:finish_line()
  return value
end

function Reader:double_quoted()
  local start, out, at = self.line, {}, self.at + 1
  while true do
    local plain, mark, after = self.text:match('^([^"\\]*)(["\\])()', at)
    if not plain then self:fail('the quote " is not closed', start) end
    out[#out + 1] = plain
    self:count(plain)
    at = after
    if mark == '"' then break end
    local letter = self.text:sub(at, at)
    if not ESCAPES[letter] then self:fail(('unknown escape "\\%s"'):format(letter)) end
    out[#out + 1] = ESCAPES[letter]
    at = at + 1
  end
  self.at = at
  self:finish_line()
  return table.concat(out)
end

-- Without quotes a value ends at " #" or the end of the line; blanks around it do not count.
function Reader:bare()
  local rest, after = self.text:match("^([^\n]*)\n?()", self.at)
  self.at, self.line = after, self.line + 1
  rest = rest:gsub("^#.*$", ""):gsub("%s#.*$", "")
  return (rest:gsub("%s+$", ""))
end

function Reader:value()
  local first = self.text:sub(self.at, self.at)
  if first == "'" then return self:single_quoted() end
  if first == '"' then return self:double_quoted() end
  return self:bare()
end

function Reader:assignment(into)
  local name, after = self.text:match("^export[ \t]+([%w_.]+)[ \t]*=[ \t]*()", self.at)
  if not name then name, after = self.text:match("^([%w_.]+)[ \t]*=[ \t]*()", self.at) end
  if not name then self:fail("NAME=value was expected") end
  if name:find("^[%d.]") then self:fail(("%q is no name of a variable"):format(name)) end
  self.at = after
  into[name] = self:value()
end

--- The variables of a .env text.
---@param text string
---@param name string the file's name, for errors
---@return table<string, string> values raises kind "config", with the line
function dotenv.parse(text, name)
  text = text:gsub("^\239\187\191", ""):gsub("\r\n", "\n")
  local reader, into = setmetatable({ text = text, at = 1, line = 1, name = name or ".env" }, Reader), {}
  if text:find("\0", 1, true) then reader:fail("a zero byte") end
  while true do
    reader.at = reader.text:match("^[ \t]*()", reader.at)
    local comment, after = reader.text:match("^(#?[^\n]*)\n?()", reader.at)
    if reader.at > #reader.text then return into end
    if comment == "" or comment:sub(1, 1) == "#" then
      reader.at, reader.line = after, reader.line + 1
    else
      reader:assignment(into)
    end
  end
end

return dotenv

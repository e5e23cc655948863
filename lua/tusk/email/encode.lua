-- encode.lua: bodies of parts as lines that every server carries: 7bit, quoted-printable, base64.
local operators = require "tusk.operators"

local encode = {}

local LINE_MAX = 998 -- RFC 5322, 2.1.1
local LONG = 64 * 1024 -- what is longer is base64, which C encodes, piece by piece
local LINE = ("."):rep(76)

encode.PIECE = 57 * 1024 -- bytes encoded at a time: whole lines of base64

--- Every end of a line as CRLF, and one at the end.
function encode.lines(text)
  if text:find("\r", 1, true) then text = text:gsub("\r\n", "\n"):gsub("\r", "\n") end
  if text:sub(-1) ~= "\n" then text = text .. "\n" end
  return (text:gsub("\n", "\r\n"))
end

local function has_long_line(text)
  local at = 1
  while at <= #text do
    local last = text:find("\r\n", at, true)
    if last - at > LINE_MAX then return true end
    at = last + 2
  end
  return false
end

--- base64 in lines of 76 characters, each with its end.
---@param bytes string whole lines of it (multiples of 57), but for the last piece
function encode.base64(bytes)
  local out = operators.get("hash").base64(bytes):gsub(LINE, "%0\r\n")
  return (out == "" or out:sub(-1) == "\n") and out or out .. "\r\n"
end

--- How many bytes encode.base64 makes of n, however they are cut.
function encode.base64_size(n)
  local characters = math.ceil(n / 3) * 4
  return characters + math.ceil(characters / 76) * 2
end

local function escaped(c)
  return ("=%02X"):format(c:byte())
end

-- One line, without its end, in lines of 76 characters at most: a soft end is never within an escape.
local function quoted_line(line)
  line = line:gsub("[^\t\32-\60\62-\126]", escaped):gsub("[ \t]$", escaped)
  local out, from = {}, 1
  while #line - from >= 76 do
    local to = from + 74
    if line:sub(to, to) == "=" then to = to - 1 elseif line:sub(to - 1, to - 1) == "=" then to = to - 2 end
    out[#out + 1] = line:sub(from, to) .. "=\r\n"
    from = to + 1
  end
  return table.concat(out) .. line:sub(from)
end

-- RFC 2045, 6.7
local function quoted(text)
  local out = {}
  for line in text:gmatch("(.-)\r\n") do out[#out + 1] = quoted_line(line) .. "\r\n" end
  return table.concat(out)
end

--- A text as a body.
---@param text string UTF-8
---@return string|table body the whole, or { data } to be encoded as base64 while it is sent
---@return string how the Content-Transfer-Encoding
function encode.text(text)
  text = encode.lines(text)
  if #text > LONG then return { data = text:sub(1, -3) }, "base64" end -- the last end is that of the part
  if not text:find("[^\t\r\n\32-\126]") and not has_long_line(text) then return text, "7bit" end
  return quoted(text), "quoted-printable"
end

return encode

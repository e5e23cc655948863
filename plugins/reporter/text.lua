-- text.lua: text made fit for paper: valid UTF-8, wrapped, cut.
local text = {}

local REPLACEMENT = "\239\191\189"

-- The length of a valid UTF-8 sequence at i, or nil.
local function sequence(s, i)
  local a, b, c, d = s:byte(i, i + 3)
  local function follows(x, low, high) return x and x >= (low or 0x80) and x <= (high or 0xbf) end
  if a < 0x80 then return 1 end
  if a >= 0xc2 and a <= 0xdf then return follows(b) and 2 or nil end
  if a >= 0xe0 and a <= 0xef then
    local ok = follows(b, a == 0xe0 and 0xa0 or 0x80, a == 0xed and 0x9f or 0xbf) and follows(c)
    return ok and 3 or nil
  end
  if a >= 0xf0 and a <= 0xf4 then
    local ok = follows(b, a == 0xf0 and 0x90 or 0x80, a == 0xf4 and 0x8f or 0xbf) and follows(c) and follows(d)
    return ok and 4 or nil
  end
end

local function repaired(s)
  local out, i = {}, 1
  while i <= #s do
    local n = sequence(s, i)
    out[#out + 1] = n and s:sub(i, i + n - 1) or REPLACEMENT
    i = i + (n or 1)
  end
  return table.concat(out)
end

--- Valid UTF-8 without control characters; line ends are "\n".
---@param s string
---@return string
function text.clean(s)
  if s:find("[\128-\255]") then s = repaired(s) end
  if not s:find("[%z\1-\31\127]") then return s end
  return (s:gsub("\r\n?", "\n"):gsub("\t", " "):gsub("[%z\1-\9\11-\31\127]", ""))
end

local CHAR = "[%z\1-\127\194-\244][\128-\191]*"

-- Cuts a word that alone is wider than a line. -> what fits (at least a character), the rest
local function split_word(word, width, measure)
  local used, at = 0, 1
  for char in word:gmatch(CHAR) do
    local w = measure(char)
    if at > 1 and used + w > width then break end
    used, at = used + w, at + #char
  end
  return word:sub(1, at - 1), word:sub(at)
end

-- A word that alone is wider than a line: all of it but its last piece is added to lines. -> that, its width
local function put_long(lines, word, width, measure)
  local from, at, used = 1, 1, 0
  for char in word:gmatch(CHAR) do
    local w = measure(char)
    if at > from and used + w > width then
      lines[#lines + 1] = word:sub(from, at - 1)
      from, used = at, 0
    end
    used, at = used + w, at + #char
  end
  return word:sub(from), used
end

-- One paragraph, added to lines.
local function wrap_paragraph(lines, s, width, measure)
  local space, line, used = measure(" "), nil, 0
  for word in s:gmatch("[^ ]+") do
    local w = measure(word)
    if line and used + space + w <= width then
      line, used = line .. " " .. word, used + space + w
    else
      if line then lines[#lines + 1] = line end
      if w > width then word, w = put_long(lines, word, width, measure) end
      line, used = word, w
    end
  end
  lines[#lines + 1] = line or ""
end

--- Lines that are no wider than that.
---@param s string clean
---@param width number
---@param measure fun(s: string): number
---@return string[]
function text.wrap(s, width, measure)
  local lines = {}
  for paragraph in (s .. "\n"):gmatch("(.-)\n") do wrap_paragraph(lines, paragraph, width, measure) end
  return lines
end

--- One line, cut with "…" if it is wider than that.
function text.cut(s, width, measure)
  s = s:gsub("\n", " ")
  if measure(s) <= width then return s end
  local head = split_word(s, width - measure("…"), measure)
  return (head:gsub("%s+$", "")) .. "…"
end

return text

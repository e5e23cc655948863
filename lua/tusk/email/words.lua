-- words.lua: text in headers: encoded words (RFC 2047), parameters (RFC 2231), folded lines.
local check = require "tusk.check"
local core = require "tusk.core"
local operators = require "tusk.operators"

local words = {}

local LINE = 76 -- characters of a folded line
local PIECE = 39 -- bytes of an encoded word, which is 64 characters then: "Reply-To: " has room before it
local WORD_MAX = 900 -- of a word that cannot be folded; lines end at 998

local SLICE = 64 * 1024 -- bytes looked at before others have their turn

local SEQUENCES = { -- of UTF-8: RFC 3629, 4. None begins within another
  "[\194-\223][\128-\191]", "\224[\160-\191][\128-\191]", "[\225-\236\238-\239][\128-\191][\128-\191]",
  "\237[\128-\159][\128-\191]", "\240[\144-\191][\128-\191][\128-\191]",
  "[\241-\243][\128-\191][\128-\191][\128-\191]", "\244[\128-\143][\128-\191][\128-\191]",
}

-- Where a slice from there ends: not within a character.
local function slice_end(text, from, size)
  local to = math.min(from + size - 1, #text)
  for _ = 1, 3 do
    if to == #text or not text:find("^[\128-\191]", to + 1) then break end
    to = to - 1
  end
  return to
end

--- Is it UTF-8? Waits within very long ones.
function words.is_utf8(text)
  local from = 1
  while from <= #text do
    local to = slice_end(text, from, SLICE)
    local rest = text:sub(from, to)
    for _, sequence in ipairs(SEQUENCES) do
      if not rest:find("[\128-\255]") then break end
      rest = rest:gsub(sequence, ".")
    end
    if rest:find("[\128-\255]") then return false end
    from = to + 1
    if from <= #text then core.yield() end
  end
  return true
end

--- The text, if it may stand in a header: UTF-8 and no control characters, which could begin another header.
function words.check(what, text)
  check.string(what, text)
  if text:find("%c") then check.fail(what .. " contains a control character", { argument = what }) end
  if not words.is_utf8(text) then check.fail(what .. " is not UTF-8", { argument = what }) end
  return text
end

local function pieces(text)
  local list, from = {}, 1
  while from <= #text do
    local to = slice_end(text, from, PIECE)
    list[#list + 1] = text:sub(from, to)
    from = to + 1
  end
  return list
end

local function encoded(text)
  local base64, list = operators.get("hash").base64, pieces(text)
  for i, piece in ipairs(list) do list[i] = "=?UTF-8?B?" .. base64(piece) .. "?=" end
  return table.concat(list, " ")
end

local function needs_encoding(text)
  if text:find("[\128-\255]") or text:find("=?", 1, true) or text:find("^ ") or text:find(" $") then return true end
  for word in text:gmatch("[^ ]+") do
    if #word > WORD_MAX then return true end
  end
  return false
end

--- Text of a header that is for people, such as the subject.
function words.text(text)
  return needs_encoding(text) and encoded(text) or text
end

--- A name before an address.
function words.phrase(text)
  if needs_encoding(text) then return encoded(text) end
  if not text:find("[^%w !#$%%&'*+/=?^_`{|}~-]") then return text end
  return '"' .. text:gsub('[\\"]', "\\%0") .. '"'
end

--- A parameter of a header, such as a file's name.
function words.parameter(name, value)
  if not value:find("[\128-\255]") then return name .. '="' .. value:gsub('[\\"]', "\\%0") .. '"' end
  return name .. "*=UTF-8''" .. value:gsub("[^%w.!#$&+^_`{}~-]", function(c) return ("%%%02X"):format(c:byte()) end)
end

--- "Name: value" with an end, in lines of 76 characters where there are spaces.
function words.header(name, value)
  local lines, line = {}, name .. ":"
  for gap, word in (" " .. value):gmatch("( +)([^ ]+)") do
    if #line + #gap + #word > LINE and #line > #name + 1 then
      lines[#lines + 1], line = line, ""
    end
    line = line .. gap .. word
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\r\n") .. "\r\n"
end

return words

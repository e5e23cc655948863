-- pattern.lua: regular expressions of ECMA-262 (with the flag u), put into the words of PCRE2. What only
-- PCRE2 knows is refused, so that a schema means the same everywhere.
local regex = require "tusk.binding.regex"

local pattern = {}

local SPACES = [[\x09-\x0d\x20\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}]]
local ANY, NOT_SPACE = [=[[\x{0}-\x{10ffff}]]=], "[^" .. SPACES .. "]"
local DOT = [=[[^\n\r\x{2028}\x{2029}]]=]

local CONTROLS = { t = 0x09, n = 0x0a, v = 0x0b, f = 0x0c, r = 0x0d }
local CLASSES = { d = true, D = true, w = true, W = true, s = true, S = true }

-- The long names of general categories; PCRE2 knows the short ones.
local CATEGORIES = {
  Letter = "L", Cased_Letter = "L&", LC = "L&", Uppercase_Letter = "Lu", Lowercase_Letter = "Ll", Titlecase_Letter = "Lt",
  Modifier_Letter = "Lm", Other_Letter = "Lo", Mark = "M", Combining_Mark = "M", Nonspacing_Mark = "Mn",
  Spacing_Mark = "Mc", Enclosing_Mark = "Me", Number = "N", Decimal_Number = "Nd", digit = "Nd", Letter_Number = "Nl",
  Other_Number = "No", Punctuation = "P", punct = "P", Connector_Punctuation = "Pc", Dash_Punctuation = "Pd",
  Open_Punctuation = "Ps", Close_Punctuation = "Pe", Initial_Punctuation = "Pi", Final_Punctuation = "Pf",
  Other_Punctuation = "Po", Symbol = "S", Math_Symbol = "Sm", Currency_Symbol = "Sc", Modifier_Symbol = "Sk",
  Other_Symbol = "So", Separator = "Z", Space_Separator = "Zs", Line_Separator = "Zl", Paragraph_Separator = "Zp",
  Other = "C", Control = "Cc", cntrl = "Cc", Format = "Cf", Surrogate = "Cs", Private_Use = "Co", Unassigned = "Cn",
}

---@class tusk.validator.Pattern
---@field text string
---@field at integer the next byte
---@field groups integer
---@field highest integer the highest group referred to by number
---@field out string[]

local function refuse(p, what)
  error({ pattern = what, at = p.at }, 0)
end

local function take(p, what)
  local from, to = p.text:find(what, p.at)
  if from ~= p.at then return nil end
  p.at = to + 1
  return p.text:sub(from, to)
end

-- One character, however many bytes.
local function take_char(p)
  return take(p, "^[%z\1-\127\194-\244][\128-\191]*") or refuse(p, "is not UTF-8")
end

local function put(p, text)
  p.out[#p.out + 1] = text
end

local function hex(code)
  return ("\\x{%x}"):format(code)
end

-- After \u: four digits, a pair of surrogates, or digits in braces.
local function take_unicode(p)
  local digits = take(p, "^{%x+}")
  if digits then
    local code = tonumber(digits:sub(2, -2), 16)
    return code <= 0x10ffff and code or refuse(p, "names a character beyond U+10FFFF")
  end
  local code = tonumber(take(p, "^%x%x%x%x") or refuse(p, "has a \\u without four digits"), 16)
  if code < 0xd800 or code > 0xdfff then return code end
  local low = code < 0xdc00 and take(p, "^\\u[dD][c-fC-F]%x%x")
  if not low then refuse(p, "has half of a surrogate pair") end
  return 0x10000 + (code - 0xd800) * 1024 + tonumber(low:sub(3), 16) - 0xdc00
end

-- After a backslash: the code of the one character that is meant, or nil and its text.
local function take_code(p)
  local c = take_char(p)
  if CONTROLS[c] then return CONTROLS[c] end
  if c == "u" then return take_unicode(p) end
  if c == "x" then return tonumber(take(p, "^%x%x") or refuse(p, "has a \\x without two digits"), 16) end
  if c == "c" then return (take(p, "^%a") or refuse(p, "has a \\c without a letter")):byte() % 32 end
  if c == "0" and not p.text:find("^%d", p.at) then return 0 end
  if c:find("^%w") then
    p.at = p.at - 1
    refuse(p, ("has \\%s, which is no escape of ECMA-262"):format(c))
  end
  return nil, c
end

-- A character that stands for itself, inside of a class or not.
local function literal(c)
  return c:find("^[%w\128-\255]") and c or hex(c:byte())
end

local function take_property(p, negated)
  local name = take(p, "^{[%w_=]+}") or refuse(p, "has a \\p without a name in braces")
  name = name:sub(2, -2)
  name = name:match("^General_Category=(.*)$") or name:match("^gc=(.*)$") or name
  local script = name:match("^Script=(.*)$") or name:match("^sc=(.*)$")
  local wide = name:match("^Script_Extensions=(.*)$") or name:match("^scx=(.*)$")
  name = script and "sc:" .. script or wide and "scx:" .. wide or CATEGORIES[name] or name
  return ("\\%s{%s}"):format(negated and "P" or "p", name)
end

-- ---- classes: [a-z\d] ----

-- The next member: its code or nil, and how it is written.
local function take_member(p)
  if not take(p, "^\\") then
    local c = take_char(p)
    return c, literal(c)
  end
  local letter = p.text:sub(p.at, p.at)
  if CLASSES[letter] or letter == "p" or letter == "P" then
    p.at = p.at + 1
    if letter == "s" then return nil, SPACES end
    if letter == "S" then return nil, nil end
    return nil, CLASSES[letter] and "\\" .. letter or take_property(p, letter == "P")
  end
  if take(p, "^b") then return "\8", hex(8) end
  local code, c = take_code(p)
  return code or c, code and hex(code) or literal(c)
end

local function code_of(c)
  if type(c) == "number" then return c end
  local b = { c:byte(1, 4) }
  local code = b[1] < 0x80 and b[1] or b[1] < 0xe0 and b[1] % 32 or b[1] < 0xf0 and b[1] % 16 or b[1] % 8
  for i = 2, #b do code = code * 64 + b[i] % 64 end
  return code
end

local function take_range(p, first, written)
  if not first or p.text:find("^%-%]", p.at) or not take(p, "^%-") then return written end
  local last, last_written = take_member(p)
  if not last then return written .. "\\-" .. (last_written or refuse(p, "has a range that ends in a class")) end
  if code_of(last) < code_of(first) then refuse(p, "has a range that is upside down") end
  return written .. "-" .. last_written
end

-- After "[". \S cannot stand in a class of PCRE2's and mean what it does in ECMA-262.
local function take_class(p)
  local negated, members, not_space = take(p, "^%^"), {}, false
  while not take(p, "^%]") do
    if p.at > #p.text then refuse(p, "has a [ without its ]") end
    local first, written = take_member(p)
    if written then members[#members + 1] = take_range(p, first, written) else not_space = true end
  end
  members = table.concat(members)
  local either = members == "" and "(?!)" or "[" .. members .. "]"
  if not_space then either = "(?:" .. either .. "|" .. NOT_SPACE .. ")" end
  if not negated then return either end
  return not_space and "(?!" .. either .. ")" .. ANY or members == "" and ANY or "[^" .. members .. "]"
end

-- ---- the rest ----

local function take_escape(p)
  local letter = p.text:sub(p.at, p.at)
  if letter == "" then refuse(p, "ends in a backslash") end
  if letter == "s" or letter == "S" then
    p.at = p.at + 1
    return letter == "s" and "[" .. SPACES .. "]" or NOT_SPACE, true
  end
  if letter:find("[dDwW]") then return take(p, "^.") and "\\" .. letter, true end
  if letter == "b" or letter == "B" then return take(p, "^.") and "\\" .. letter, false end
  if take(p, "^[pP]") then return take_property(p, letter == "P"), true end
  if take(p, "^k") then
    local name = take(p, "^<[%a_$][%w_$]*>") or refuse(p, "has a \\k without a name")
    return "\\k" .. name, true
  end
  local number = take(p, "^[1-9]%d*")
  if number then
    p.highest = math.max(p.highest, tonumber(number))
    return ("\\g{%s}"):format(number), true
  end
  local code, c = take_code(p)
  return code and hex(code) or literal(c), true
end

local function take_group(p)
  local start = take(p, "^%?[:=!]") or take(p, "^%?<[=!]")
  if start then return "(" .. start end
  p.groups = p.groups + 1
  if not take(p, "^%?") then return "(" end
  local name = take(p, "^<[%a_][%w_]*>") or refuse(p, "has a (? of a kind that ECMA-262 does not know")
  return "(?" .. name
end

-- A quantifier behind an atom, if there is one.
local function take_quantifier(p)
  local text = take(p, "^[*+?]") or take(p, "^{%d+}") or take(p, "^{%d+,%d*}")
  return text and text .. (take(p, "^%?") or "")
end

-- Puts the next piece; whether a quantifier may follow.
local function piece(p)
  local c = take_char(p)
  if c == "\\" then
    local text, repeatable = take_escape(p)
    put(p, text)
    return repeatable
  end
  if c == "(" then
    p.open = p.open + 1
    put(p, take_group(p))
  elseif c == ")" then
    p.open = p.open - 1
    if p.open < 0 then refuse(p, "has a ) without its (") end
    put(p, ")")
    return true
  elseif c == "|" or c == "^" or c == "$" then put(p, c)
  else
    put(p, c == "." and DOT or c == "[" and take_class(p) or literal(c))
    return true
  end
  return false
end

local function translate(text)
  local p = { text = text, at = 1, out = {}, groups = 0, highest = 0, open = 0 }
  local repeatable = false
  while p.at <= #text do
    local quantifier = take_quantifier(p)
    if quantifier and not repeatable then refuse(p, ("has a %s with nothing to repeat"):format(quantifier)) end
    if quantifier then put(p, quantifier) end
    repeatable = not quantifier and piece(p)
  end
  if p.open > 0 then refuse(p, "has a ( without its )") end
  if p.highest > p.groups then refuse(p, ("refers to group %d, and has %d"):format(p.highest, p.groups)) end
  return table.concat(p.out)
end

--- The compiled pattern, or nil and what is wrong with it.
---@param text string
---@return userdata|nil regex for pattern.test
---@return string|nil why "has a ( without its )"
function pattern.compile(text)
  if #text > 16384 then return nil, "is longer than 16 KiB" end
  local ok, written = pcall(translate, text)
  if not ok then
    if type(written) ~= "table" then error(written, 0) end
    return nil, ("%s (at byte %d)"):format(written.pattern, math.min(written.at, #text))
  end
  local compiled, why = regex.compile(written)
  if not compiled then return nil, "is refused: " .. why end
  return compiled
end

--- Whether it occurs in a text; nil and "limit" (of steps) or "utf8" when that cannot be said.
pattern.test = regex.test

return pattern

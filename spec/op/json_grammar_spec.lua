-- @json.decode against the grammar of RFC 8259, kind by kind: what is to be accepted (y), what is to be refused (n),
-- and what the grammar leaves open (i), where docs/operators/json.md says what is done.
local ffi = require "ffi"
local null = require "tusk.null"
local array = require "tusk.array"

local HIGH, BOM = "\255", "\239\187\191"

-- Each y is a text and the value it stands for.
local y = {}

y.array = {
  ["empty"] = { "[]", {} },
  ["spaces inside"] = { "[ ]", {} },
  ["of an empty string"] = { '[""]', { "" } },
  ["ending with a newline"] = { "[\"a\"]\n", { "a" } },
  ["of false"] = { "[false]", { false } },
  ["of several types"] = { '[null, 1, "1", {}]', { null, 1, "1", {} } },
  ["of null"] = { "[null]", { null } },
  ["of several nulls"] = { "[1,null,null,null,2]", { 1, null, null, null, 2 } },
  ["with a newline and a space inside"] = { "[1\n ]", { 1 } },
  ["with a leading space"] = { " [1]", { 1 } },
  ["with a trailing space"] = { "[2] ", { 2 } },
  ["in arrays"] = { "[[],[[]]]", { {}, { {} } } },
  ["with blanks of each kind"] = { " \t\r\n[ \t\r\n1 \t\r\n, \t\r\n2 \t\r\n] \t\r\n", { 1, 2 } },
}

y.number = {
  ["with exponent"] = { "[123e65]", { 123e65 } },
  ["0e+1"] = { "[0e+1]", { 0 } },
  ["0e1"] = { "[0e1]", { 0 } },
  ["after a space"] = { "[ 4]", { 4 } },
  ["close to zero"] = { "[-0." .. ("0"):rep(76) .. "1]", { -1e-77 } },
  ["integer with exponent"] = { "[20e1]", { 200 } },
  ["minus zero"] = { "[-0]", { 0 } },
  ["negative"] = { "[-123]", { -123 } },
  ["minus one"] = { "[-1]", { -1 } },
  ["minus zero with a fraction"] = { "[-0.5]", { -0.5 } },
  ["capital E"] = { "[1E22]", { 1e22 } },
  ["capital E, negative exponent"] = { "[1E-2]", { 0.01 } },
  ["capital E, positive exponent"] = { "[1E+2]", { 100 } },
  ["fraction and exponent"] = { "[123.456e78]", { 123.456e78 } },
  ["negative exponent"] = { "[1e-2]", { 0.01 } },
  ["positive exponent"] = { "[1e+2]", { 100 } },
  ["zeros before the exponent's digits"] = { "[1e0002]", { 100 } },
  ["fraction"] = { "[123.456789]", { 123.456789 } },
  ["zeros that end a fraction"] = { "[1.500]", { 1.5 } },
  ["nothing but zero"] = { "0", 0 },
  ["the largest double"] = { "[1.7976931348623157e308]", { 1.7976931348623157e308 } },
  ["the smallest normal double"] = { "[2.2250738585072014e-308]", { 2.2250738585072014e-308 } },
  ["the smallest double"] = { "[5e-324]", { 5e-324 } },
  ["between two doubles, to the even one"] = { "[9007199254740993.0]", { 9007199254740992 } },
  ["a hair above the half"] = { "[9007199254740993.00000000000000000000000001]", { 9007199254740994 } },
  ["eight hundred digits"] = { "[0." .. ("3"):rep(800) .. "]", { 1 / 3 } },
}

y.object = {
  ["one field"] = { '{"asd":"sdf"}', { asd = "sdf" } },
  ["two fields"] = { '{"asd":"sdf", "dfg":"fgh"}', { asd = "sdf", dfg = "fgh" } },
  ["a name twice: the last counts"] = { '{"a":"b","a":"c"}', { a = "c" } },
  ["a name and a value twice"] = { '{"a":"b","a":"b"}', { a = "b" } },
  ["empty"] = { "{}", {} },
  ["an empty name"] = { '{"":0}', { [""] = 0 } },
  ["a zero byte in a name"] = { '{"foo\\u0000bar": 42}', { ["foo\0bar"] = 42 } },
  ["extreme numbers"] = { '{"min": -1.0e+28, "max": 1.0e+28}', { min = -1e28, max = 1e28 } },
  ["long names"] = { '{"' .. ("x"):rep(4000) .. '":[]}', { [("x"):rep(4000)] = {} } },
  ["names in escapes"] = { '{"t\\u0069tle":"\\u041f\\u043e"}', { title = "По" } },
  ["newlines"] = { '{\n"a": "b"\n}', { a = "b" } },
  ["numbers for names stay strings"] = { '{"1":1}', { ["1"] = 1 } },
}

y.string = {
  ["escapes of one, two and three bytes"] = { [["\u0060\u012a\u12AB"]], "`Īካ" },
  ["surrogate pair"] = { [["\uD801\udc37"]], "𐐷" },
  ["surrogate pairs, two"] = { [["\ud83d\ude39\ud83d\udc8d"]], "😹💍" },
  ["all short escapes"] = { [["\"\\\/\b\f\n\r\t"]], '"\\/\b\f\n\r\t' },
  ["backslash and escaped zero"] = { [["\\u0000"]], "\\u0000" },
  ["an escaped quote"] = { [["\""]], '"' },
  ["comment signs"] = { '"a/*b*/c/*d//e"', "a/*b*/c/*d//e" },
  ["a double backslash before a letter"] = { [["\\a"]], "\\a" },
  ["a double backslash before n"] = { [["\\n"]], "\\n" },
  ["an escaped control character"] = { [["\u0012"]], "\18" },
  ["an escaped non-character"] = { [["\uFFFF"]], "\239\191\191" },
  ["a non-character beyond the basic plane"] = { [["\uDBFF\uDFFE"]], "\244\143\191\190" },
  ["the last character of the basic plane, as it is"] = { '"\239\191\191"', "\239\191\191" },
  ["the last character of all"] = { '"\244\143\191\191"', "\244\143\191\191" },
  ["in an array"] = { '["asd"]', { "asd" } },
  ["in an array with a leading space"] = { '[ "asd"]', { "asd" } },
  ["zero, escaped"] = { [["\u0000"]], "\0" },
  ["one byte"] = { '"\127"', "\127" },
  ["two bytes"] = { '"ÿ"', "ÿ" },
  ["three bytes"] = { '"⍂㈴⍂"', "⍂㈴⍂" },
  ["four bytes"] = { '"𝄞"', "𝄞" },
  ["line and paragraph separators"] = { '"\226\128\168\226\128\169"', "\226\128\168\226\128\169" },
  ["a byte order mark inside"] = { '"' .. BOM .. '"', BOM },
  ["empty"] = { '""', "" },
  ["a space"] = { '" "', " " },
  ["hexadecimal digits of both cases"] = { [["\uaAbB"]], "ꪻ" },
  ["of 64 bytes and their neighbours"] = { '"' .. ("a"):rep(64) .. '\\n' .. ("b"):rep(63) .. '"', ("a"):rep(64) .. "\n" .. ("b"):rep(63) },
}

y.structure = {
  ["false alone"] = { "false", false },
  ["a number alone"] = { "42", 42 },
  ["a negative number alone"] = { "-0.1", -0.1 },
  ["a string alone"] = { '"asd"', "asd" },
  ["true alone"] = { "true", true },
  ["null alone"] = { "null", nil },
  ["ending with a newline"] = { '["a"]\n', { "a" } },
  ["blanks around"] = { " [] ", {} },
}

-- Each n is a text.
local n = {}

n.array = {
  ["one without a comma"] = "[1 true]", ["not UTF-8"] = "[a" .. HIGH .. "]", ["a colon for a comma"] = '["": 1]',
  ["a comma after it"] = '[""],', ["only a comma"] = "[,]", ["a comma and a number"] = "[,1]", ["two commas"] = "[1,,2]",
  ["two commas at the end"] = '["x",,]', ["closed twice"] = '["x"]]', ["a comma at the end"] = '["",]', ["not closed"] = '["x"',
  ["of nothing but a name"] = "[x", ["the inner one closed"] = "[3[4]]", ["not UTF-8 instead of a value"] = "[" .. HIGH .. "]",
  ["numbers and commas at the end"] = "[1,]", ["a newline instead of the end"] = '["a",\n4\n,1,', ["minus"] = "[-]",
  ["spaces and a comma"] = "[   , \"\"]", ["a tab and a feed as escapes"] = '["\\a"]', ["a form feed outside of strings"] = "[\f]",
  ["star"] = "[*]", ["opened twice, closed once"] = "[[1]", ["true cut short"] = "[ tru]", ["closed by the wrong bracket"] = '["x"}',
  ["begun by a comma"] = ",[1]", ["a vertical tab outside of strings"] = "[\v1]", ["opened only"] = "[", ["closed only"] = "]",
}

n.number = {
  ["++"] = "[++1234]", ["+1"] = "[+1]", ["+Inf"] = "[+Inf]", ["-01"] = "[-01]", ["-1.0."] = "[-1.0.]", ["-2."] = "[-2.]",
  ["-NaN"] = "[-NaN]", [".-1"] = "[.-1]", [".2e-3"] = "[.2e-3]", ["0.1.2"] = "[0.1.2]", ["0.3e"] = "[0.3e]", ["0.3e+"] = "[0.3e+]",
  ["0.e1"] = "[0.e1]", ["0E"] = "[0E]", ["0E+"] = "[0E+]", ["0e"] = "[0e]", ["1.0e"] = "[1.0e]", ["1.0e+"] = "[1.0e+]",
  ["1.0e-"] = "[1.0e-]", ["1 000"] = "[1 000.0]", ["1eE2"] = "[1eE2]", ["2.e3"] = "[2.e3]", ["2.e+3"] = "[2.e+3]", ["9.e"] = "[9.e+]",
  ["Inf"] = "[Inf]", ["NaN"] = "[NaN]", ["full-width digits"] = "[１]", ["with an addition"] = "[1+2]", ["hexadecimal"] = "[0x42]",
  ["hexadecimal without digits"] = "[0x]", ["Infinity"] = "[Infinity]", ["-Infinity"] = "[-Infinity]", ["not UTF-8 after"] = "[123" .. HIGH .. "]",
  ["not UTF-8 in the exponent"] = "[1e1" .. HIGH .. "]", ["not UTF-8 in an integer"] = "[0" .. HIGH .. "]", ["-x"] = "[-foo]", ["- 1"] = "[- 1]",
  ["-012"] = "[-012]", ["-.123"] = "[-.123]", ["-1x"] = "[-1x]", ["1ea"] = "[1ea]", ["1.a"] = "[1.a]", ["1.2a-3"] = "[1.2a-3]",
  ["1.8011670033376514H-308"] = "[1.8011670033376514H-308]", ["012"] = "[012]", ["underscores"] = "[1_000]", ["octal"] = "[0o17]",
  ["binary"] = "[0b1]", ["an ending letter"] = "[1L]", ["a comma in it"] = "[0,5,]", ["--1"] = "[--1]", ["1e1.5"] = "[1e1.5]", ["00"] = "00",
}

n.object = {
  ["a bad value"] = '["x", truth]', ["a name in brackets"] = '{[: "x"}\n', ["a comma for a colon"] = '{"x", null}', ["two colons"] = '{"x"::"b"}',
  ["a picture"] = "{🇨🇭}", ["rubbish at the end"] = '{"a":"a" 123}', ["a name in single quotes"] = "{key: 'value'}",
  ["a name that is not UTF-8"] = '{"\185":"0",}', ["no colon"] = '{"a" b}', ["no name"] = '{:"b"}', ["a value that is missing"] = '{"a" "b"}',
  ["only a colon"] = '{"a":', ["only a name"] = '{"a"', ["a number for a name"] = "{1:1}", ["a number for a name, with exponent"] = "{9999E9999:1}",
  ["null for a name"] = "{null:null,null:null}", ["commas at the end"] = '{"id":0,,,,,}', ["a comma at the end"] = '{"id":0,}',
  ["a comment after"] = '{"a":"b"}/**/', ["a comment in it"] = '{"a":/*comment*/"b"}', ["a comment that is open"] = '{"a":"b"}/**//', ["a line comment after"] = '{"a":"b"}//',
  ["a comment that is cut short"] = '{"a":"b"}/', ["two commas"] = '{"a":"b",,"c":"d"}', ["a name without quotes"] = '{a: "b"}',
  ["not closed"] = '{"a":"a', ["a name and no value"] = '{ "foo" : "bar", "a" }', ["something after"] = '{"a":"b"}#', ["opened only"] = "{",
  ["closed only"] = "}", ["closed by the wrong bracket"] = '{"a":1]', ["an array for a name"] = "{[]:1}", ["a comma first"] = '{,"a":1}',
}

n.string = {
  ["a space alone"] = " ", ["a surrogate and an escape cut short"] = [["\uD800\"]], ["a surrogate and u"] = [["\uD800\u"]],
  ["a surrogate and u1"] = [["\uD800\u1"]], ["a surrogate and u1x"] = [["\uD800\u1x"]], ["an accented letter without quotes"] = "[é]",
  ["a zero byte after a backslash"] = '"\\\0"', ["a backslash at the end"] = [["\"]], ["x escapes"] = [["\x00"]], ["three backslashes"] = [["\\\"]],
  ["a tab after a backslash"] = '"\\\t"', ["a picture after a backslash"] = '"\\🌀"', ["a hexadecimal escape that is short"] = [["\u00A"]],
  ["the second of a pair that is short"] = [["\uD834\uDd"]], ["a pair with something between"] = [["\uD800\uD800\x"]], ["an unknown escape"] = [["\a"]],
  ["an escape that is not UTF-8"] = '"\\u' .. HIGH .. '"', ["a backslash before what is not UTF-8"] = '"\\' .. HIGH .. '"', ["an escape alone"] = [[\u0020]],
  ["a quote alone"] = '"', ["single quotes"] = "'single quote'", ["no quotes at all"] = "abc", ["a string that is open"] = '"\\',
  ["a newline"] = '"new\nline"', ["a tab"] = '"\t"', ["a zero byte"] = '"a\0a"', ["a control character"] = '"\31"',
  ["capital U"] = [["\UA66D"]], ["something after"] = '""x', ["an octal escape"] = [["\012"]], ["a line feed after a backslash"] = '"\\\n"',
  ["an escape with a sign"] = [["\u-123"]], ["an escape with a space"] = [["\u 123"]], ["without its beginning"] = 'a"',
}

n.structure = {
  ["a hundred thousand open arrays"] = ("["):rep(100000), ["open objects, many"] = ('[{"":'):rep(50000), ["angle brackets"] = "<.>", ["angle and square ones"] = "[<null>]",
  ["letters"] = "asd", ["an array and rubbish"] = "[1]x", ["an array closed twice"] = "[1]]", ["true in capitals"] = "[True]", ["one true too long"] = "[truex]",
  ["capital letters"] = "TRUE", ["a close without an open"] = "1]", ["a comma for a bracket"] = '{"x": true,', ["two arrays"] = "[][]", ["an end bracket"] = "]",
  ["a mark cut short"] = "\239\187{}", ["not UTF-8"] = HIGH, ["nothing"] = "", ["a zero byte"] = "\0", ["a zero byte outside of strings"] = "[\0]",
  ["a zero byte after"] = "[1]\0", ["a number and rubbish"] = "2@", ["an object and a comma"] = "{},", ["an object closed by another"] = '{}}', ["open, and a string"] = '["a',
  ["open, and a comma"] = "[,", ["open object, and an array"] = "{[", ["open object, and a string"] = '{"a', ["open object, and a string in single quotes"] = "{'a'",
  ["open array, and an apostrophe"] = "['", ["open array, and an object"] = "[{", ["open twice"] = "[[", ["single star"] = "*", ["an object and a comment"] = '{"a":"b"}#{}',
  ["an escape outside of strings"] = '[\\u000A""]', ["not closed, one item"] = "[1", ["not closed, false cut short"] = "[ false, nul", ["not closed, null"] = "[null,", ["a no-break space"] = "[\194\160]",
  ["a word joiner"] = "[\226\129\160]", ["a mark inside"] = "[" .. BOM .. "]", ["two marks"] = BOM .. BOM .. "[]", ["UTF-16"] = "\255\254[\0]\0", ["UTF-16, the other way"] = "\0[\0]",
  ["a form feed"] = "\f[]", ["an ideographic space"] = "\227\128\128[]", ["only a mark"] = BOM, ["undefined"] = "undefined", ["a semicolon"] = "1;", ["braces, two"] = "{}{}",
}

-- The grammar leaves them open: a value, or the kind of the error.
local i = {
  { "a number too large for a double", "[123123e100000]", kind = "json.number" },
  { "a negative one", "[-1e+9999]", kind = "json.number" },
  { "a number too small for a double is 0", "[123.456e-789]", { 0 } },
  { "an exponent of many digits", "[0.4e00669999999999999999999999999999999999999999999999999999]", kind = "json.number" },
  { "an exponent of many digits, negative", "[1e-99999999999999999999999999]", { 0 } },
  { "an integer beyond 64 bits", "[100000000000000000000]", kind = "json.number" },
  { "a negative one", "[-9223372036854775809]", kind = "json.number" },
  { "the same with a fraction is a double", "[100000000000000000000.0]", { 1e20 } },
  { "the first of a pair alone", [["\uDADA"]], kind = "json.syntax" },
  { "the second of a pair alone", [["\uDFAA"]], kind = "json.syntax" },
  { "a pair the wrong way round", [["\uDd1e\uD834"]], kind = "json.syntax" },
  { "a first one and a letter", [["\uD800abc"]], kind = "json.syntax" },
  { "two first ones", [["\uD800\uD800"]], kind = "json.syntax" },
  { "a surrogate in UTF-8", '"\237\160\128"', kind = "json.syntax" },
  { "a byte that begins nothing", '"\128"', kind = "json.syntax" },
  { "a sequence that is cut short", '"\224\159"', kind = "json.syntax" },
  { "a sequence that is longer than it need be", '"\192\175"', kind = "json.syntax" },
  { "six bytes for nothing", '"\252\131\191\191\191\191"', kind = "json.syntax" },
  { "beyond the last character", '"\244\191\191\191"', kind = "json.syntax" },
  { "Latin-1", '"\233"', kind = "json.syntax" },
  { "a byte order mark before", BOM .. "{}", {} },
  { "500 arrays in one another", ("["):rep(500) .. ("]"):rep(500), kind = "json.depth" },
}

local KINDS = { "array", "number", "object", "string", "structure" }

local function sorted(cases)
  local names = {}
  for name in pairs(cases) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function refused(text)
  local v, e = @try(@json.decode, text)
  assert.is_nil(v, ("%q was accepted"):format(text:sub(1, 60)))
  assert.is_truthy(e, ("%q was accepted as nil"):format(text:sub(1, 60)))
  return e
end

for _, kind in ipairs(KINDS) do
  describe("JSON's grammar, kind " .. kind, function()
    for _, name in ipairs(sorted(y[kind])) do
      local text, value = y[kind][name][1], y[kind][name][2]
      it("accepts: " .. name, function()
        assert.same(value, @json.decode(text))
        if value ~= nil then assert.same(value, @json.decode(@json.encode(@json.decode(text)))) end
      end)
    end

    for _, name in ipairs(sorted(n[kind])) do
      it("refuses: " .. name, function()
        local text = n[kind][name]
        local e = refused(text)
        assert.truthy(e.kind == "json.syntax" or e.kind == "json.depth" and #text > 1000, e.kind)
        assert.is_true(e.line >= 1 and e.column >= 1 and e.offset >= 1 and e.offset <= #text + 1)
        assert.is_nil(e.message:find("simdjson", 1, true))
      end)
    end
  end)
end

describe("JSON's grammar, where it leaves the choice", function()
  for _, case in ipairs(i) do
    it((case.kind and "refuses: " or "accepts: ") .. case[1] .. " " .. case[2]:sub(1, 20):gsub("[%c\128-\255]", "?"), function()
      if case.kind then
        assert.equal(case.kind, refused(case[2]).kind)
      else
        assert.same(case[3], @json.decode(case[2]))
      end
    end)
  end

  it("tells an array from an object also when both are empty", function()
    assert.is_true(array.is(@json.decode "[]"))
    assert.is_false(array.is(@json.decode "{}"))
  end)

  it("keeps integers exact up to 64 bits, wherever they stand", function()
    for _, text in ipairs { "9223372036854775807", "-9223372036854775808", "18446744073709551615", "9007199254740993" } do
      for _, form in ipairs { "%s", "[%s]", '{"a":%s}', " %s " } do
        local v = @json.decode(form:format(text))
        if type(v) == "table" then v = v.a or v[1] end
        assert.equal("cdata", type(v))
        assert.equal(text, @json.encode(v))
      end
    end
    assert.is_true(ffi.istype("uint64_t", @json.decode "9223372036854775808"))
  end)
end)

-- Texts made by the grammar itself, at random.
describe("JSON's grammar at random", function()
  local make

  local function blank()
    local k = math.random(12)
    return k == 1 and " " or k == 2 and "\n\t" or k == 3 and "\r" or ""
  end

  local function digits() return (("%d"):rep(math.random(5)):gsub("%%d", function() return math.random(0, 9) end)) end

  local CHARACTERS = { "a", " ", "é", "⍂", "𝄞", "\\n", "\\u00e9", "\\ud83d\\ude39", "\\\\", '\\"', "\\/", "\127", "/", "{", "]" }

  local function make_string()
    local parts = {}
    for k = 1, math.random(0, 8) do parts[k] = CHARACTERS[math.random(#CHARACTERS)] end
    return '"' .. table.concat(parts) .. '"'
  end

  local function make_number()
    local whole = math.random(3) == 1 and "0" or math.random(1, 9) .. digits()
    local fraction = math.random(2) == 1 and "." .. digits() or ""
    local exponent = math.random(3) == 1 and ({ "e", "E" })[math.random(2)] .. ({ "", "+", "-" })[math.random(3)] .. math.random(0, 99) or ""
    return (math.random(3) == 1 and "-" or "") .. whole .. fraction .. exponent
  end

  local function make_list(open, close, item)
    local parts = {}
    for k = 1, math.random(0, 4) do parts[k] = blank() .. item() .. blank() end
    return open .. (parts[1] and table.concat(parts, ",") or blank()) .. close
  end

  function make(depth)
    local k = math.random(depth > 0 and 7 or 5)
    if k == 1 then return make_string() end
    if k == 2 then return make_number() end
    if k <= 5 then return ({ "true", "false", "null" })[k - 2] end
    if k == 6 then return make_list("[", "]", function() return make(depth - 1) end) end
    return make_list("{", "}", function() return make_string() .. blank() .. ":" .. blank() .. make(depth - 1) end)
  end

  it("accepts each, and what it writes of it means the same", function()
    math.randomseed(7)
    for _ = 1, 2000 do
      local text = blank() .. make(4) .. blank()
      local ok, value = pcall(@json.decode, text, { nulls = true })
      assert.is_true(ok, text)
      local written = @json.encode(value, { sort = true })
      assert.same(value, @json.decode(written, { nulls = true }))
      assert.equal(written, @json.encode(@json.decode(@json.encode(value, { pretty = true }), { nulls = true }), { sort = true }))
    end
  end)

  it("refuses each that is cut short", function()
    math.randomseed(8)
    for _ = 1, 500 do
      local text = "[" .. make(3) .. "]"
      local at = math.random(#text - 1)
      assert.matches("^json%.", refused(text:sub(1, at)).kind)
    end
  end)
end)

-- @json: text to values and back.
local array = require "tusk.array"
local ffi = require "ffi"
local null = require "tusk.null"

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

describe("@json.decode", function()
  it("reads objects, arrays, strings, numbers and booleans", function()
    assert.same({ a = { 1, -2.5, "x", true, false }, b = { c = "" } },
      @json.decode(' {"a": [1, -2.5e0, "x", true, false], "b": {"c": ""}} '))
  end)

  it("reads a value that is neither object nor array", function()
    assert.equal(1, @json.decode("1"))
    assert.equal("a", @json.decode('"a"'))
    assert.is_true(@json.decode("true"))
    assert.is_nil(@json.decode("null"))
  end)

  it("reads null as nil in objects and as tusk.null in arrays", function()
    local v = @json.decode('{"a": null, "b": [1, null, 3]}')
    assert.is_nil(v.a)
    assert.same({ 1, null, 3 }, v.b)
    assert.equal("null", tostring(v.b[2]))
  end)

  it("marks an empty array, so that it is written back as one", function()
    local v = @json.decode('{"a": [], "b": {}}')
    assert.is_true(array.is(v.a))
    assert.is_false(array.is(v.b))
    assert.equal('{"a":[],"b":{}}', @json.encode(v, { sort = true }))
  end)

  it("reads escapes and surrogate pairs, zero bytes too", function()
    assert.equal('"\\/\b\f\n\r\té😀\0', @json.decode([["\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\u0000"]]))
  end)

  it("reads integers up to 2^53 as numbers", function()
    assert.equal(2 ^ 53, @json.decode("9007199254740992"))
    assert.equal(-2 ^ 53, @json.decode("-9007199254740992"))
  end)

  it("reads larger integers exactly, as 64-bit cdata", function()
    for text, value in pairs {
      ["9007199254740993"] = 9007199254740993LL, ["-9007199254740993"] = -9007199254740993LL,
      ["9223372036854775807"] = 9223372036854775807LL, ["-9223372036854775808"] = -9223372036854775807LL - 1LL,
    } do
      local v = @json.decode(text)
      assert.is_true(ffi.istype("int64_t", v))
      assert.is_true(v == value)
    end
    local v = @json.decode("18446744073709551615")
    assert.is_true(ffi.istype("uint64_t", v))
    assert.is_true(v == 18446744073709551615ULL)
  end)

  it("raises json.number for an integer beyond 64 bits or a number beyond doubles", function()
    for _, text in ipairs { "18446744073709551616", "-9223372036854775809", "1e400" } do
      local e = failure(@json.decode, "[" .. text .. "]")
      assert.equal("json.number", e.kind)
      assert.equal(2, e.column)
    end
  end)

  it("keeps every null as tusk.null when asked to", function()
    local v = @json.decode('{"a": null, "b": [null, {"c": null}]}', { nulls = true })
    assert.same({ a = null, b = { null, { c = null } } }, v)
    assert.equal(null, @json.decode("null", { nulls = true }))
    assert.equal(null, @json.decode('{"a": 1, "a": null}', { nulls = true }).a)
    assert.is_nil(@json.decode('{"a": null}', { nulls = false }).a)
    assert.equal("argument", select(2, @try(@json.decode, "1", { nulls = 1 })).kind)
  end)

  it("takes the last of several fields of one name, also when it is null", function()
    assert.same({ a = 2 }, @json.decode('{"a": 1, "a": 2}'))
    assert.same({}, @json.decode('{"a": 1, "a": null}'))
  end)

  it("passes over a byte order mark", function()
    assert.same({ 1 }, @json.decode("\239\187\191[1]"))
  end)

  local faults = {
    { "", 1, 1 }, { "  \n ", 2, 2 }, { "{", 1, 2 }, { '{"a": 1,}', 1, 9 }, { "[1,]", 1, 4 }, { "[1 2]", 1, 4 },
    { '{"a" 1}', 1, 6 }, { "{a: 1}", 1, 2 }, { "{'a': 1}", 1, 2 }, { "[1]]", 1, 4 }, { "[1}", 1, 3 },
    { "nul", 1, 1 }, { "[True]", 1, 2 }, { "01", 1, 1 }, { "[1.]", 1, 4 }, { "[.5]", 1, 2 }, { "[+1]", 1, 2 },
    { "[1e]", 1, 4 }, { "[-]", 1, 3 }, { "NaN", 1, 1 }, { '["a', 1, 2 }, { '["a\nb"]', 1, 4 }, { '["\\x"]', 1, 3 },
    { '["\\u12g4"]', 1, 3 }, { '["\\ud800"]', 1, 3 }, { '["\\udc00"]', 1, 3 }, { '["\255"]', 1, 3 },
    { '["\192\128"]', 1, 3 }, { '["\237\160\128"]', 1, 3 }, { '["\244\144\128\128"]', 1, 3 },
    { '{\n  "é": 1,\n  "ü": x\n}', 3, 8 }, { "/* */ 1", 1, 1 }, { "[1] // x", 1, 5 },
  }
  for _, case in ipairs(faults) do
    it(("refuses %q at line %d, column %d"):format(case[1], case[2], case[3]), function()
      local e = failure(@json.decode, case[1])
      assert.equal("json.syntax", e.kind)
      assert.same({ case[2], case[3] }, { e.line, e.column })
      assert.truthy(e.message:find(("line %d, column %d: "):format(case[2], case[3]), 1, true))
    end)
  end

  it("tells the offset in bytes", function()
    local e = failure(@json.decode, "[\"éé\", x]")
    assert.same({ 10, 8 }, { e.offset, e.column })
  end)

  it("refuses what is nested deeper than 64, or than depth", function()
    local function nested(n) return ("["):rep(n) .. ("]"):rep(n) end
    assert.is_table(@json.decode(nested(64)))
    local e = failure(@json.decode, nested(65))
    assert.equal("json.depth", e.kind)
    assert.equal(65, e.column)
    assert.is_table(@json.decode(nested(1000), { depth = 1000 }))
    assert.equal("json.depth", failure(@json.decode, nested(1001), { depth = 1000 }).kind)
    assert.equal("json.depth", failure(@json.decode, ("["):rep(1000000)).kind)
    assert.equal("json.depth", failure(@json.decode, '{"a":[1]}', { depth = 1 }).kind)
  end)

  it("refuses misuse", function()
    assert.equal("argument", failure(@json.decode, 5).kind)
    assert.equal("argument", failure(@json.decode, "1", { depth = 1001 }).kind)
    assert.truthy(failure(@json.decode, "1", { dept = 1 }).message:find('did you mean "depth"', 1, true))
  end)

  it("never says of a damaged text anything but a value or an error with a place", function()
    math.randomseed(11)
    local text = '{"name": "é\\n\\u00e9", "list": [1, -2.5e+3, true, null, {"x": []}], "n": 9007199254740993}'
    for _ = 1, 4000 do
      local at = math.random(#text)
      local how = math.random(3)
      local damaged = text:sub(1, at - 1)
        .. (how == 1 and "" or how == 2 and string.char(math.random(0, 255)) or text:sub(at, at):rep(2))
        .. text:sub(at + 1)
      local ok, e = pcall(@json.decode, damaged)
      if not ok then
        assert.truthy(e.kind:find("^json%."), e.message)
        assert.truthy(e.line and e.column and e.offset <= #damaged + 1)
        assert.is_nil(e.message:find("simdjson", 1, true))
      end
    end
  end)
end)

describe("@json.encode", function()
  it("writes values without blanks", function()
    assert.equal('[1,"a",true,null,{"x":{}}]', @json.encode { 1, "a", true, null, { x = {} } })
    assert.equal("null", @json.encode(nil))
    assert.equal('{"":0}', @json.encode { [""] = 0 })
  end)

  it("writes an empty table as an object, a marked one as an array", function()
    assert.equal("{}", @json.encode {})
    assert.equal("[]", @json.encode(array {}))
  end)

  it("sorts fields and lays them out when asked to", function()
    assert.equal('{"B":1,"a":2,"aa":3}', @json.encode({ aa = 3, a = 2, B = 1 }, { sort = true }))
    assert.equal('{\n  "a": [\n    1,\n    {}\n  ],\n  "b": []\n}',
      @json.encode({ a = { 1, {} }, b = array {} }, { pretty = true, sort = true }))
  end)

  it("escapes what must be, and nothing else", function()
    assert.equal([["\"\\/\b\f\n\r\t\u0000\u001f]] .. "\127é" .. '"', @json.encode '"\\/\b\f\n\r\t\0\31\127é')
  end)

  it("writes integers plainly and doubles as short as they can be read back", function()
    for value, text in pairs {
      [0] = "0", [-7] = "-7", [1e15] = "1000000000000000", [2 ^ 53] = "9007199254740992",
      [0.1] = "0.1", [1 / 3] = "0.3333333333333333", [1e300] = "1e+300", [5e-324] = "5e-324",
      [2 ^ 60] = "1.152921504606847e+18",
    } do
      assert.equal(text, @json.encode(value))
    end
    assert.equal("-0.0", @json.encode(-0.0))
  end)

  it("writes any double so that the same one is read back", function()
    math.randomseed(3)
    for _ = 1, 20000 do
      local d = math.ldexp(math.random() - 0.5, math.random(-1073, 1024))
      assert.is_true(@json.decode(@json.encode(d)) == d)
    end
  end)

  it("writes 64-bit integers exactly", function()
    local text = "[-9223372036854775808,18446744073709551615,9007199254740993]"
    assert.equal(text, @json.encode(@json.decode(text)))
    assert.equal("7", @json.encode(7LL))
  end)

  local cyclic = { a = {} }
  cyclic.a[1] = cyclic
  local deep = {}
  for _ = 1, 64 do deep = { deep } end
  local refused = {
    ["not a number"] = { { x = 0 / 0 }, "value.x", "not a number" },
    ["infinity"] = { { 1, -1 / 0 }, "value[2]", "infinite" },
    ["a function"] = { { users = { { name = print } } }, "value.users[1].name", "a function" },
    ["userdata"] = { { ["a b"] = io.stdout }, 'value["a b"]', "a userdata" },
    ["other cdata"] = { { ffi.new("int[2]") }, "value[1]", "cdata" },
    ["mixed tables"] = { { t = { 1, x = 2 } }, "value.t", "both list items and named fields" },
    ["lists with holes"] = { { 1, nil, 3 }, "value", "holes" },
    ["other keys"] = { { [true] = 1 }, "value", "a key that is a boolean" },
    ["fractional keys"] = { { [1.5] = 1 }, "value", "the key 1.5" },
    ["cycles"] = { cyclic, "value.a[1]", "contains itself" },
    ["text that is not UTF-8"] = { { "\255" }, "value[1]", "not UTF-8" },
    ["keys that are not UTF-8"] = { { ["\255"] = 1 }, "value", "not UTF-8" },
    ["what is nested too deep"] = { deep, "value[1]", "nested deeper than 64" },
  }
  for name, case in pairs(refused) do
    it("refuses " .. name .. " and says where", function()
      local e = failure(@json.encode, case[1])
      assert.equal("json.value", e.kind)
      assert.truthy(e.message:find(case[3], 1, true), e.message)
      assert.equal(case[2], e.path:sub(1, #case[2]))
    end)
  end

  it("writes a table that occurs twice, but not in itself", function()
    local shared = { 1 }
    assert.equal("[[1],[1]]", @json.encode { shared, shared })
  end)

  it("works again after it has refused", function()
    failure(@json.encode, { f = print })
    failure(@json.decode, "[")
    assert.equal("[1]", @json.encode(@json.decode "[1]"))
  end)

  it("gives back large values as they were", function()
    local rows = {}
    for i = 1, 20000 do rows[i] = { id = i, name = "user " .. i, tags = { "a", i % 2 == 0 }, score = i / 8 } end
    assert.same(rows, @json.decode(@json.encode(rows)))
  end)

  it("refuses misuse", function()
    assert.equal("argument", failure(@json.encode, {}, { pretty = 1 }).kind)
    assert.truthy(failure(@json.encode, {}, { sorted = true }).message:find('did you mean "sort"', 1, true))
  end)
end)

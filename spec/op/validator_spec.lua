-- @validator: values against JSON Schema, defaults, failures, schemas that are wrong.
local tusk = require "tusk"

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

local function argument(text, fn, ...)
  local e = failure(fn, ...)
  assert.equal("argument", e.kind)
  assert.truthy(e.message:find(text, 1, true), e.message)
  return e
end

-- path keyword schema, of each failure
local function told(errors)
  local out = {}
  for i, f in ipairs(errors) do out[i] = ("%s %s %s"):format(f.path, f.keyword, f.schema) end
  return out
end

local USER = {
  type = "object", required = { "name", "email" }, additionalProperties = false,
  properties = {
    name = { type = "string", minLength = 1 }, email = { type = "string", pattern = "^[^@]+@[^@]+$" },
    age = { type = "integer", minimum = 0 }, role = { enum = { "admin", "user" }, default = "user" },
    tags = { type = "array", items = { type = "string" }, uniqueItems = true, default = {} },
  },
}

describe("@validator.validate", function()
  it("gives back the value itself when nothing was missing", function()
    local user = { name = "Ada", email = "a@b", role = "admin", tags = { "x" } }
    assert.equal(user, @validator.validate(user, USER))
    assert.equal("text", @validator.validate("text", { type = "string" }))
    assert.is_false(@validator.validate(false, { type = "boolean" }))
    assert.is_nil(@validator.validate(nil, { type = "null" }))
    assert.equal(tusk.null, @validator.validate(tusk.null, { type = "null" }))
  end)

  it("raises every failure: where in the value, where in the schema, which keyword, what", function()
    local e = failure(@validator.validate, { name = "", emial = "x", age = 1.5, tags = { "a", 1, "a" } }, USER)
    assert.equal("validation", e.kind)
    assert.is_true(e:is("validation"))
    assert.equal("validator.validate", e.op)
    assert.same({
      " required /required", "/age type /properties/age/type", "/name minLength /properties/name/minLength",
      "/tags/1 type /properties/tags/items/type", "/tags uniqueItems /properties/tags/uniqueItems",
      "/emial additionalProperties /additionalProperties",
    }, told(e.errors))
    assert.equal('the value must have the property "email"; /age must be an integer, is 1.5; '
      .. "/name must have at least 1 character, has 0; and 3 more", e.message)
    assert.equal("email", e.errors[1].property)
    assert.equal('is not allowed (did you mean "email"?)', e.errors[6].message)
  end)

  it("pointers escape ~ and /, indices count from 0", function()
    local schema = { properties = { ["a/b"] = { properties = { ["c~d"] = { items = { type = "integer" } } } } } }
    local _, errors = @validator.check({ ["a/b"] = { ["c~d"] = { 1, "x" } } }, schema)
    assert.same({ "/a~1b/c~0d/1 type /properties/a~1b/properties/c~0d/items/type" }, told(errors))
  end)

  it("through a $ref the place in the schema is where the keyword stands", function()
    local schema = { items = { ["$ref"] = "#/$defs/n" }, ["$defs"] = { n = { minimum = 3 } } }
    local _, errors = @validator.check({ 3, 1, 2 }, schema)
    assert.same({ "/1 minimum /$defs/n/minimum", "/2 minimum /$defs/n/minimum" }, told(errors))
  end)

  it("of alternatives it says what each lacks", function()
    local schema = { anyOf = { { required = { "a" } }, { properties = { b = { const = 1 } }, required = { "b" } } } }
    local _, errors = @validator.check({ b = 2 }, schema)
    assert.same({ " anyOf /anyOf" }, told(errors))
    assert.same({ " required /anyOf/0/required" }, told(errors[1].branches[1]))
    assert.same({ "/b const /anyOf/1/properties/b/const" }, told(errors[1].branches[2]))
    _, errors = @validator.check(5, { oneOf = { { type = "string" }, true, { minimum = 1 } } })
    assert.equal("must fit one alternative only, fits 1 and 2 (from 0)", errors[1].message)
  end)

  it("of names it says which", function()
    local _, errors = @validator.check({ ok = 1, ["no no"] = 2 }, { propertyNames = { pattern = "^%w*$" and "^\\w*$" } })
    assert.equal(1, #errors)
    assert.equal("no no", errors[1].property)
    assert.equal("/propertyNames/pattern", errors[1].schema)
  end)

  it("a thousand failures are enough", function()
    local list = {}
    for i = 1, 3000 do list[i] = "x" end
    local e = failure(@validator.validate, list, { items = { type = "integer" } })
    assert.equal(1000, #e.errors)
    assert.is_true(e.truncated)
  end)
end)

describe("@validator.check", function()
  it("is true, or false and the failures", function()
    assert.is_true(@validator.check({ name = "a", email = "b@c" }, USER))
    assert.is_nil((select(2, @validator.check(1, true))))
    local ok, errors = @validator.check({ name = "a" }, USER)
    assert.is_false(ok)
    assert.same({ " required /required" }, told(errors))
  end)
end)

describe("defaults", function()
  it("are put in where a property is missing; what was handed in stays as it was", function()
    local user = { name = "Ada", email = "a@b" }
    local filled = @validator.validate(user, USER)
    assert.same({ name = "Ada", email = "a@b", role = "user", tags = {} }, filled)
    assert.same({ name = "Ada", email = "a@b" }, user)
    table.insert(filled.tags, "x")
    assert.same({}, @validator.validate(user, USER).tags, "each gets its own")
  end)

  it("only the tables on the way to them are copied", function()
    local value = { a = { { x = 1 }, { x = 2, y = 3 } }, b = { 1 } }
    local filled = @validator.validate(value, { properties = { a = { items = { properties = { y = { default = 0 } } } } } })
    assert.same({ a = { { x = 1, y = 0 }, { x = 2, y = 3 } }, b = { 1 } }, filled)
    assert.is_nil(value.a[1].y)
    assert.equal(value.b, filled.b)
    assert.equal(value.a[2], filled.a[2])
    assert.not_equal(value.a, filled.a)
  end)

  it("come before everything else: a required one is never missing, a wrong one fails", function()
    assert.same({ a = 1 }, @validator.validate({}, { required = { "a" }, properties = { a = { default = 1 } } }))
    local _, errors = @validator.check({}, { properties = { a = { type = "string", default = 1 } } })
    assert.same({ "/a type /properties/a/type" }, told(errors))
  end)

  it("reach through every keyword that applies", function()
    local d = { properties = { d = { default = 1 } } }
    local function fills(schema, value, expected)
      assert.same(expected, @validator.validate(value, schema))
    end
    fills({ ["$ref"] = "#/$defs/d", ["$defs"] = { d = d } }, {}, { d = 1 })
    fills({ properties = { a = { ["$ref"] = "#/$defs/e" } }, ["$defs"] = { e = { default = 5 } } }, {}, { a = 5 })
    fills({ allOf = { d, { properties = { e = { default = 2 } } } } }, {}, { d = 1, e = 2 })
    fills({ anyOf = { { required = { "x" } }, d, { properties = { e = { default = 2 } } } } }, {}, { d = 1 })
    fills({ oneOf = { { properties = { k = { const = 1 } }, allOf = { d } }, { properties = { k = { const = 2 } } } } }, { k = 1 }, { k = 1, d = 1 })
    fills({ ["if"] = { required = { "x" } }, ["then"] = d, ["else"] = { properties = { e = { default = 2 } } } }, {}, { e = 2 })
    fills({ ["if"] = { required = { "x" } }, ["then"] = d }, { x = 0 }, { x = 0, d = 1 })
    fills({ dependentSchemas = { x = d, y = { properties = { e = { default = 2 } } } } }, { x = 0 }, { x = 0, d = 1 })
    fills({ additionalProperties = d, properties = { a = {} } }, { a = {}, b = {} }, { a = {}, b = { d = 1 } })
    fills({ patternProperties = { ["^b"] = d } }, { a = {}, b = {} }, { a = {}, b = { d = 1 } })
    fills({ prefixItems = { true, d }, items = { properties = { e = { default = 2 } } } }, { {}, {}, {} }, { {}, { d = 1 }, { e = 2 } })
    fills({ properties = { a = { default = {}, properties = { b = { default = { 1 } } } } } }, {}, { a = { b = { 1 } } })
    fills({ default = { x = 1 }, properties = { d = { default = 1 } } }, nil, { x = 1, d = 1 })
    fills({ properties = { c = { ["$ref"] = "#" }, d = { default = 1 } } }, { c = { c = {} } }, { d = 1, c = { d = 1, c = { d = 1 } } })
    fills('{"properties": {"a": {"default": null}, "b": {"default": []}}}', {}, { a = tusk.null, b = tusk.array {} })
  end)

  it("of the tree that others extend", function()
    local tree = { ["$id"] = "https://example.org/t", ["$dynamicAnchor"] = "node", properties = { kids = { items = { ["$dynamicRef"] = "#node" } } } }
    local own = { ["$id"] = "https://example.org/o", ["$dynamicAnchor"] = "node", ["$ref"] = "t", properties = { n = { default = 0 } } }
    assert.same({ n = 0, kids = { { n = 0, kids = { { n = 0 } } } } },
      @validator.validate({ kids = { { kids = { {} } } } }, own, { schemas = { ["https://example.org/t"] = tree } }))
  end)

  it("that fill each other without end are noticed", function()
    argument("schema: its defaults fill each other without end", @validator.validate, {},
      { properties = { a = { default = {}, ["$ref"] = "#" } } })
  end)

  it("are not from `not`, nor from alternatives that do not fit, nor when not wanted", function()
    local d = { properties = { d = { default = 1 } } }
    local value = { x = 1 }
    assert.equal(value, @validator.validate(value, { ["not"] = { properties = { d = { default = 1 } }, required = { "y" } } }))
    assert.equal(value, @validator.validate(value, { anyOf = { { allOf = { d }, required = { "y" } }, true } }))
    assert.equal(value, @validator.validate(value, d, { defaults = false }))
  end)
end)

describe("Lua values:", function()
  it("an empty table is an object, and a list where one is asked for; a marked one is a list", function()
    for _, schema in ipairs { { type = "array" }, { type = "object" }, { type = "array", allOf = { { maxItems = 0 } } }, { const = {} } } do
      assert.is_true(@validator.check({}, schema))
    end
    assert.is_false((@validator.check({}, { type = "array", minItems = 1 })))
    assert.is_false((@validator.check({}, { type = "array", allOf = { { minItems = 1 } } })))
    assert.is_false((@validator.check({}, { required = { "a" } })))
    assert.is_false((@validator.check(tusk.array {}, { type = "object" })))
    assert.is_true(@validator.check(tusk.array {}, { required = { "a" } }))
  end)

  it("nil and tusk.null are null", function()
    assert.is_true(@validator.check(nil, { type = "null" }))
    assert.is_true(@validator.check({ tusk.null }, { items = { enum = { tusk.null } } }))
    assert.is_true(@validator.check({ a = tusk.null }, { required = { "a" }, properties = { a = { type = { "string", "null" } } } }))
  end)

  it("64-bit integers are exact", function()
    assert.is_true(@validator.check(9007199254740993LL, { type = "integer", const = 9007199254740993ULL, multipleOf = 3 }))
    assert.is_false((@validator.check(-9007199254740993LL, { minimum = -9007199254740992 })))
  end)

  it("what JSON does not know is an argument error that says where", function()
    local everything = { items = { properties = { a = { type = "object" } } } }
    argument('value at /1/a: a table with both list items and named fields', @validator.validate, { {}, { a = { 1, x = 2 } } }, everything)
    argument("value at /0: a list with holes", @validator.validate, { { [1] = 1, [3] = 3 } }, everything)
    argument("value at /0/a: a function", @validator.validate, { { a = print } }, everything)
    argument("value: a number without a value (nan)", @validator.check, 0 / 0, { type = "number" })
    argument("value: a number without a value (inf)", @validator.check, math.huge, { minimum = 1 })
    argument("value: a table with a key that is a boolean", @validator.check, { [true] = 1 }, { type = "object" })
    argument("value: a thread", @validator.check, coroutine.create(print), { const = 1 })
    argument("value: a function", @validator.check, { { print } }, { const = { { 1 } } })
    argument("value: a function", @validator.check, { { print }, 1 }, { uniqueItems = true })
    argument("value: a function", @validator.check, print, { ["not"] = { type = "string" } })
    argument("value: a number without", @validator.check, 0 / 0, { anyOf = { { minimum = 1 }, true } })
  end)

  it("circles and great depth are noticed", function()
    local ring, deep = {}, {}
    ring.next = ring
    for _ = 1, 300 do deep = { next = deep } end
    local list = { properties = { next = { allOf = { { ["$ref"] = "#" } } } } }
    argument("value: contains itself", @validator.validate, ring, list)
    argument("value: is nested deeper than 256", @validator.validate, deep, list)
    argument("contains itself", @validator.validate, ring, { const = { next = 1 } })
    deep = {}
    for _ = 1, 250 do deep = { next = deep } end
    assert.is_true(@validator.check(deep, list))
    assert.is_true(@validator.check({}, list), "after an error all is as before")
    local wide = { anyOf = {} }
    for i = 1, 8 do wide.anyOf[i] = { properties = { next = { ["$ref"] = "#" } }, required = { "x" } } end
    local e = argument("value: contains itself", @validator.check, ring, wide) -- once is enough
    assert.equal("validator.check", e.op)
    assert.truthy(e.site)
  end)
end)

describe("schemas:", function()
  it("text, table, true and false", function()
    assert.is_true(@validator.check(1, '{"type": "integer"}'))
    assert.is_true(@validator.check(1, true))
    assert.is_false((@validator.check(1, "false")))
    for _, schema in ipairs { 5, print, "5", '"a"', "[]", "null", "{" } do
      assert.equal("argument", failure(@validator.check, 1, schema).kind)
    end
    argument("schema: a table, JSON text, true or false expected, got nil", @validator.check, 1)
    argument("invalid JSON at line 1, column 2", @validator.check, 1, "{")
  end)

  it("what is wrong with one is an argument error with a pointer", function()
    for text, schema in pairs {
      ['schema at /properties/a/minimum: must be a number, is "x"'] = { properties = { a = { minimum = "x" } } },
      ['schema at /type: there is no type "strin" (did you mean "string"?)'] = { type = "strin" },
      ['schema at /type/1: there is no type "int"'] = { type = { "null", "int" } },
      ["schema at /items/minLength: must be at least 0, is -1"] = { items = { minLength = -1 } },
      ["schema at /required: must be an array, is true"] = { required = true },
      ["schema at /required: must not have the same item twice"] = { required = { "a", "a" } },
      ["schema at /items: must be an object or true or false, is an array"] = { items = { true } },
      ["schema at /$defs/a~1b/allOf: must have at least 1 item"] = { ["$defs"] = { ["a/b"] = { allOf = tusk.array {} } } },
      ["schema at /const/x: holds a function"] = { const = { x = print } },
      ["schema at /properties: holds a table with both"] = { properties = { 1, a = true } },
      ['schema at /$defs/b: the anchor "x" is there twice'] = { ["$defs"] = { a = { ["$anchor"] = "x" }, b = { ["$anchor"] = "x" } } },
    } do
      argument(text, @validator.compile, schema)
    end
    local ring = { type = "object", properties = {} }
    ring.properties.me = ring
    argument("schema at /properties/me: contains itself; refer to it by $ref instead", @validator.compile, ring)
  end)

  it("a keyword that looks misspelt is refused in a table; `strict` decides otherwise", function()
    local e = argument('schema at /properties/a: unknown keyword "minLenght" (did you mean "minLength"?)',
      @validator.compile, { properties = { a = { minLenght = 2 } } })
    assert.equal("minLength", e.suggestion)
    argument('"dependencies" is of an earlier draft; in 2020-12 it is dependentRequired or dependentSchemas', @validator.compile, { dependencies = {} })
    for _, case in ipairs {
      { { minLenght = 2 }, false }, { '{"minLenght": 2}' }, { { ["x-mine"] = 1, example = 1 }, true }, { { whatever_else = 1 } },
      { { properties = { minLenght = true }, const = { minLenght = 1 } }, true },
    } do
      assert.is_true(@validator.check("a", case[1], { strict = case[2] }) ~= nil)
    end
    argument('unknown keyword "whatever_else"', @validator.compile, { whatever_else = 1 }, { strict = true })
    argument("did you mean", @validator.compile, '{"minLenght": 2}', { strict = true })
  end)

  it("one changed afterwards stays what it was", function()
    local schema = { type = "string", enum = { "a" } }
    assert.is_true(@validator.check("a", schema))
    schema.type, schema.enum[1] = "integer", "b"
    assert.is_true(@validator.check("a", schema))
  end)

  it("are let go with their tables; of texts so many are kept", function()
    local weak = setmetatable({}, { __mode = "k" })
    for i = 1, 50 do
      local schema = { const = i }
      weak[schema] = true
      @validator.check(i, schema)
    end
    for i = 1, 500 do assert.is_true(@validator.check(i, ('{"const": %d}'):format(i))) end
    collectgarbage()
    collectgarbage()
    local n = 0
    for _ in pairs(weak) do n = n + 1 end
    assert.is_true(n <= 1, n)
    assert.is_true(@validator.check(1, '{"const": 1}'))
  end)

  it("options count too when one is looked for", function()
    local schema, text = { format = "date" }, '{"format": "date"}'
    for _, s in ipairs { schema, text } do
      for _ = 1, 2 do
        assert.is_true(@validator.check("x", s))
        assert.is_false((@validator.check("x", s, { formats = true })))
        assert.is_true(@validator.check("x", s, { formats = false }))
        assert.is_false((@validator.check("x", s, { formats = { date = function() return false end } })))
      end
    end
  end)
end)

describe("@validator.compile", function()
  it("gives functions for one schema, called with dots", function()
    local user = @validator.compile(USER)
    assert.equal("user", user.validate({ name = "a", email = "b@c" }).role)
    assert.is_false((user.check({})))
    assert.equal("validation", failure(user.validate, {}).kind)
    argument("called with a colon", function() return user:check({}) end)
    argument('has no "chekc" (did you mean "check"?)', function() return user.chekc end)
  end)

  it("makes no garbage of a value that fits", function()
    local check = @validator.compile(USER).check
    local value = { name = "Ada", email = "a@b", role = "admin", tags = { "x", "y" }, age = 36 }
    for _ = 1, 300 do check(value) end
    collectgarbage()
    collectgarbage("stop")
    local grown = math.huge -- the least of some rounds: in one the compiler of LuaJIT may take memory of its own
    for _ = 1, 5 do
      local before = collectgarbage("count")
      for _ = 1, 1000 do check(value) end
      grown = math.min(grown, collectgarbage("count") - before)
    end
    collectgarbage("restart")
    assert.is_true(grown < 100, grown) -- KiB; one table each would be more
  end)

  it("serves two tasks at once, and a format that waits", function()
    local slow = @validator.compile({ items = { format = "slow" } }, { formats = { slow = function(s) @yield() return s == "ok" end } })
    local a, b = @all(@(slow.check({ "ok", "ok" })), @(slow.check({ "ok", "no" })))
    assert.is_true(a)
    assert.is_false(b)
  end)

  it("a format that fails leaves nothing behind", function()
    local picky = @validator.compile({ properties = { a = { format = "f" } }, unevaluatedProperties = false },
      { formats = { f = function(s) if s == "bad" then error("no", 0) end return true end } })
    assert.equal("no", (select(2, pcall(picky.check, { a = "bad" }))))
    assert.is_true(picky.check({ a = "good" }))
    assert.is_false((picky.check({ b = 1 })))
  end)
end)

it("@validator refuses misuse", function()
  argument('unknown option "format" (did you mean "formats"?)', @validator.validate, 1, {}, { format = true })
  argument("formats: table expected", @validator.check, 1, {}, { formats = "date" })
  argument("formats.x: function expected", @validator.check, 1, {}, { formats = { x = 1 } })
  argument("strict: boolean expected", @validator.compile, {}, { strict = 1 })
  argument("schemas: table expected", @validator.compile, {}, { schemas = "x" })
  argument("options: table expected", @validator.compile, {}, "x")
  argument("called with a colon; write @validator.validate(1, {…}) with a dot", function() return @validator:validate(1, {}) end)
end)

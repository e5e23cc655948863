-- @validator: what each keyword of JSON Schema 2020-12 lets pass, and what not. A row: the schema, a list of values
-- that fit, a list of those that do not, all as JSON.

local function check(row)
  local schema, fits, fails = unpack(row)
  for _, list in ipairs { { fits, true }, { fails, false } } do
    for _, value in ipairs(@json.decode(list[1], { nulls = true })) do
      local ok, errors = @validator.check(value, schema)
      local told = ("%s with %s"):format(schema, @json.encode(value))
      assert.equal(list[2], ok, told)
      assert.equal(not list[2], errors ~= nil and #errors > 0, told)
    end
  end
end

local function rows(name, list)
  it(name, function()
    for _, row in ipairs(list) do check(row) end
  end)
end

describe("@validator, any value:", function()
  rows("true and false", {
    { "true", '[1, null, "a", {}, []]', "[]" }, { "{}", '[1, null, "a", {}, []]', "[]" },
    { "false", "[]", '[1, null, "a", {"a": 1}, [1], false]' },
  })
  rows("type", {
    { '{"type": "integer"}', "[1, 1.0, -7, 1e3, 9007199254740993, 18446744073709551615]", '[1.5, "1", null, true, [1]]' },
    { '{"type": "number"}', "[1, 1.5, 9007199254740993]", '["1", null, [], {"a": 1}]' },
    { '{"type": "string"}', '["", "1"]', '[1, null, ["a"], false]' },
    { '{"type": "object"}', '[{"a": 1}]', '[[1], 1, "a", null]' },
    { '{"type": "array"}', '[[1], []]', '[{"a": 1}, 1, null]' },
    { '{"type": "boolean"}', "[true, false]", '[0, "", null, "true"]' },
    { '{"type": "null"}', "[null]", '[0, "", false, [1]]' },
    { '{"type": ["integer", "null"]}', "[1, null]", '[1.5, "", []]' },
    { '{"type": ["array", "object"]}', '[[1], {"a": 1}, [], {}]', '[1, null]' },
  })
  rows("enum", {
    { '{"enum": [1, "a", null, [1, {"b": 2}], false]}', '[1, 1.0, "a", null, [1, {"b": 2}], false]',
      '[2, "1", [1], [1, {"b": 3}], 0, true]' },
    { '{"enum": [{"a": 1, "b": [2]}, 9007199254740993]}', '[{"b": [2], "a": 1}, 9007199254740993]',
      '[{"a": 1}, {"a": 1, "b": [2], "c": 3}, 9007199254740992, 9007199254740994]' },
    { '{"enum": ["{1,}"]}', '["{1,}"]', "[[1]]" },
  })
  rows("const", {
    { '{"const": 2}', "[2, 2.0]", '["2", 3]' }, { '{"const": null}', "[null]", '[0, "", false]' },
    { '{"const": false}', "[false]", "[0, [false], null]" }, { '{"const": [false]}', "[[false]]", "[[0], [null], false, [false, false]]" },
    { '{"const": {"a": {"b": 1}}}', '[{"a": {"b": 1.0}}]', '[{"a": {"b": 2}}, {"a": {}}, {"a": {"b": 1}, "c": 1}]' },
    { '{"const": "a\\u0000b"}', '["a\\u0000b"]', '["a", "ab"]' },
  })
end)

describe("@validator, numbers:", function()
  rows("bounds", {
    { '{"minimum": 1.5}', '[1.5, 2, 9007199254740993, "1"]', "[1.4, 1, -9007199254740993]" },
    { '{"maximum": -2}', '[-2, -2.5, null]', "[-1.99, 0, 18446744073709551615]" },
    { '{"exclusiveMinimum": 0}', "[1e-9, 1]", "[0, -0.0, -1]" }, { '{"exclusiveMaximum": 3}', "[2.999]", "[3, 3.0, 4]" },
    { '{"minimum": 9007199254740993}', "[9007199254740993, 9007199254740994, 1e300]", "[9007199254740992, 0, -1]" },
    { '{"maximum": 18446744073709551615}', "[18446744073709551615, 1, -9223372036854775808]", "[18446744073709551616.0, 1e300]" },
    { '{"exclusiveMaximum": -9223372036854775807}', "[-9223372036854775808]", "[-9223372036854775807, 0.5]" },
    { '{"minimum": 1.5, "maximum": 9007199254740993.5}', "[9007199254740993]", "[9007199254741001]" },
  })
  rows("multipleOf, of decimals as they are written", {
    { '{"multipleOf": 2}', '[0, 4, -6, 9007199254740994, "1"]', "[1, 2.5, 9007199254740993]" },
    { '{"multipleOf": 0.01}', "[0.07, 4.35, 1.1, 19.99, 8, 1e20]", "[0.075, 1.001]" },
    { '{"multipleOf": 0.0001}', "[0.0075]", "[0.00751]" }, { '{"multipleOf": 1e-8}', "[12391239123]", "[]" },
    { '{"multipleOf": 0.5}', "[1e308, 4.5]", "[0.25]" }, { '{"multipleOf": 0.123456789}', "[0.246913578]", "[1e308]" },
    { '{"multipleOf": 1.5}', "[0, 4.5, -3]", "[35, 1]" },
  })
end)

describe("@validator, strings:", function()
  rows("lengths, in characters", {
    { '{"minLength": 2}', '["ab", "éü", "日本", "💩💩", 1]', '["a", "é", "💩", ""]' },
    { '{"maxLength": 2}', '["", "ab", "💩💩", [1, 2, 3]]', '["abc", "日本語"]' }, { '{"maxLength": 2.0}', '["ab"]', '["abc"]' },
  })
  rows("pattern, which may occur anywhere", {
    { '{"pattern": "a+b"}', '["ab", "xaaby", 1, null]', '["a", "b", ""]' }, { '{"pattern": "^a*$"}', '["", "aaa"]', '["aab", "a\\n"]' },
  })
  rows("format and content* are annotations", {
    { '{"format": "email"}', '["nonsense", 1]', "[]" },
    { '{"contentMediaType": "application/json", "contentEncoding": "base64", "contentSchema": {"type": "object"}}', '["{", 1]', "[]" },
  })
end)

describe("@validator, arrays:", function()
  rows("how many", {
    { '{"minItems": 1}', '[[1], "", {"a": 1}]', "[[]]" }, { '{"maxItems": 2}', "[[], [1, 2]]", "[[1, 2, 3]]" },
  })
  rows("items and prefixItems", {
    { '{"items": {"type": "integer"}}', '[[], [1, 2], {"0": "a"}]', '[["a"], [1, null]]' }, { '{"items": false}', '[[], 1]', "[[1]]" },
    { '{"prefixItems": [{"type": "integer"}, {"type": "string"}]}', '[[], [1], [1, "a"], [1, "a", null]]', '[["a"], [1, 1]]' },
    { '{"prefixItems": [{}, {"type": "string"}], "items": false}', '[[], [1], [1, "a"]]', '[[1, 1], [1, "a", 2]]' },
    { '{"prefixItems": [true, false]}', "[[], [1]]", "[[1, 2]]" },
    { '{"allOf": [{"prefixItems": [{"minimum": 3}]}], "items": {"minimum": 5}}', "[[5, 6]]", "[[3, 5], [2]]" },
    { '{"items": {"items": {"items": {"type": "integer"}}}}', "[[[[1], [2, 3]], []]]", '[[[["a"]]], [[1, ["b"], [["c"]]]]]' },
  })
  rows("contains, minContains, maxContains", {
    { '{"contains": {"minimum": 5}}', '[[1, 5], [7], {"a": 1}, 1]', "[[], [1, 2]]" }, { '{"contains": false}', '["a"]', "[[], [1]]" },
    { '{"contains": {"const": 1}, "minContains": 2}', "[[1, 2, 1]]", "[[1], [], [2, 2]]" },
    { '{"contains": {"const": 1}, "minContains": 0}', "[[], [2]]", "[]" },
    { '{"contains": {"const": 1}, "maxContains": 1}', "[[1, 2]]", "[[], [1, 1]]" },
    { '{"contains": {"const": 1}, "minContains": 3, "maxContains": 1}', "[]", "[[], [1], [1, 1], [1, 1, 1]]" },
    { '{"contains": {"const": 1}, "minContains": 0, "maxContains": 1}', "[[], [1]]", "[[1, 1]]" },
    { '{"minContains": 2, "maxContains": 0}', "[[1], []]", "[]" },
    { '{"items": {"multipleOf": 2}, "contains": {"multipleOf": 3}}', "[[6, 12]]", "[[2, 4], [3, 9], [1]]" },
  })
  rows("uniqueItems", {
    { '{"uniqueItems": true}', '[[], [1, "1", true, [1], null], [{"a": 1}, {"a": 2}], [[1, 2], [2, 1]], [0, false], ["a", ["a"]], {"a": 1}]',
      '[[1, 1.0], ["a", "b", "a"], [{"a": 1, "b": 2}, {"b": 2, "a": 1}, 3], [[[1]], [[1]], 1], [null, 1, null]]' },
    { '{"uniqueItems": true}', "[[9007199254740993, 9007199254740994, 9007199254740992]]",
      "[[9007199254740993, 1, 9007199254740993], [[9007199254740993], 1, [9007199254740993]]]" },
    { '{"uniqueItems": false}', "[[1, 1]]", "[]" },
  })
end)

describe("@validator, objects:", function()
  rows("how many", {
    { '{"minProperties": 1}', '[{"a": null}, [1], ""]', "[{}]" }, { '{"maxProperties": 1}', '[{}, {"a": 1}]', '[{"a": 1, "b": 2}]' },
  })
  rows("properties, patternProperties, additionalProperties", {
    { '{"properties": {"a": {"type": "integer"}, "b": false}}', '[{}, {"a": 1}, {"c": 2}, [1], null]', '[{"a": "1"}, {"b": 1}]' },
    { '{"patternProperties": {"^n": {"type": "integer"}, "s$": {"minimum": 3}}}', '[{"n": 1, "x": "y"}, {"ns": 3}]', '[{"n": "1"}, {"ns": 2}, {"ns": "4"}]' },
    { '{"properties": {"a": {}}, "patternProperties": {"^x": {}}, "additionalProperties": false}', '[{"a": 1, "x1": 2}, {}]', '[{"b": 1}, {"ax": 1}]' },
    { '{"properties": {"a": {}}, "additionalProperties": {"type": "integer"}}', '[{"a": "s", "b": 2}]', '[{"a": "s", "b": "t"}]' },
    { '{"allOf": [{"properties": {"a": {}}}], "additionalProperties": {"type": "integer"}}', '[{"a": 1}]', '[{"a": "s"}]' },
    { '{"properties": {"a\\nb": {"type": "integer"}, "": {"type": "integer"}, "__index": {"type": "integer"}, "n": {"type": "integer"}}}',
      '[{"a\\nb": 1, "": 2, "__index": 3}]', '[{"a\\nb": "1"}, {"": null}, {"__index": ""}, {"n": "1"}]' },
    { '{"properties": {"a": {"type": "null"}}, "required": ["a"]}', '[{"a": null}]', '[{}, {"a": 1}]' },
  })
  rows("propertyNames", {
    { '{"propertyNames": {"maxLength": 2}}', '[{}, {"ab": 1}, ["abc"], "abc"]', '[{"abc": 1}]' }, { '{"propertyNames": false}', "[{}, 1]", '[{"a": 1}]' },
    { '{"propertyNames": {"pattern": "^a+$"}}', '[{"aa": 1}]', '[{"aaA": 1}]' },
  })
  rows("required, dependentRequired, dependentSchemas", {
    { '{"required": ["a", "b"]}', '[{"a": 1, "b": 2, "c": 3}, [1], ""]', '[{"a": 1}, {}]' }, { '{"required": []}', "[{}]", "[]" },
    { '{"dependentRequired": {"a": ["b", "c"], "x": []}}', '[{}, {"b": 1}, {"a": 1, "b": 1, "c": 1}, {"x": 1}]', '[{"a": 1}, {"a": 1, "b": 1}]' },
    { '{"dependentSchemas": {"a": {"required": ["b"], "properties": {"a": {"type": "integer"}}}, "n": false}}',
      '[{}, {"a": 1, "b": 1}, ["a"]]', '[{"a": 1}, {"a": "1", "b": 1}, {"n": 1}]' },
  })
end)

describe("@validator, schemas within schemas:", function()
  rows("allOf, anyOf, oneOf, not", {
    { '{"allOf": [{"minimum": 1}, {"maximum": 3}], "multipleOf": 2}', '[2, "a"]', "[0, 3, 4]" }, { '{"allOf": [true, false]}', "[]", "[1]" },
    { '{"anyOf": [{"type": "integer"}, {"minimum": 2}]}', '[1, 2.5, "a"]', "[1.5]" }, { '{"anyOf": [false, false]}', "[]", "[1, null]" },
    { '{"oneOf": [{"type": "integer"}, {"minimum": 2}]}', "[1, 2.5]", "[1.5, 3]" }, { '{"oneOf": [true, true, false]}', "[]", "[1]" },
    { '{"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}', '[{"a": 1}, {"b": 1}]', '[{}, {"a": 1, "b": 1}]' },
    { '{"not": {"type": ["integer", "boolean"]}}', '["a", 1.5]', "[1, true]" }, { '{"not": {"not": {}}}', "[1]", "[]" },
    { '{"not": {"properties": {"a": {"type": "string"}}}}', '[{"a": 1}]', '[{"a": "s"}, {}, 1]' },
  })
  rows("if, then, else", {
    { '{"if": {"minimum": 5}, "then": {"multipleOf": 2}, "else": {"multipleOf": 3}}', '[6, 3, "a"]', "[7, 4]" },
    { '{"if": false, "then": {"const": 1}, "else": {"const": 2}}', "[2]", "[1]" }, { '{"if": {"const": 1}}', "[1, 2]", "[]" },
    { '{"then": false, "else": false}', "[1]", "[]" }, { '{"if": true, "then": {"const": 1}}', "[1]", "[2]" },
    { '{"allOf": [{"if": {"minimum": 0}}, {"then": {"const": 1}}, {"else": false}]}', "[5, -5]", "[]" },
  })
end)

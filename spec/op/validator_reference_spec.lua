-- @validator: $ref, $id, $anchor, $dynamicRef, unevaluated*, the meta-schema.

local function verdicts(schema, fits, fails, opts)
  for _, value in ipairs(@json.decode(fits, { nulls = true })) do
    local ok, errors = @validator.check(value, schema, opts)
    assert.is_true(ok, errors and @json.encode { value, errors })
  end
  for _, value in ipairs(@json.decode(fails, { nulls = true })) do
    assert.is_false((@validator.check(value, schema, opts)), @json.encode(value))
  end
end

describe("@validator, references:", function()
  it("a pointer, with its escapes, beside other keywords", function()
    verdicts([[{"properties": {
      "tilde": {"$ref": "#/$defs/a~0b"}, "slash": {"$ref": "#/$defs/c~1d"}, "percent": {"$ref": "#/$defs/e%25f"},
      "quote": {"$ref": "#/$defs/g%22h"}, "both": {"$ref": "#/$defs/a~0b", "maximum": 3}, "first": {"$ref": "#/$defs/list/prefixItems/1"}},
      "$defs": {"a~b": {"type": "integer"}, "c/d": {"type": "integer"}, "e%f": {"type": "integer"}, "g\"h": {"type": "integer"},
        "list": {"prefixItems": [true, {"type": "integer"}]}}}]],
      '[{"tilde": 1, "slash": 1, "percent": 1, "quote": 1, "both": 3, "first": 1}]',
      '[{"tilde": "1"}, {"slash": "1"}, {"percent": "1"}, {"quote": "1"}, {"both": 4}, {"both": "1"}, {"first": ""}]')
  end)

  it("the root: a tree of any depth", function()
    verdicts('{"properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#"}}}, "required": ["value"]}',
      '[{"value": 1}, {"value": 1, "children": [{"value": 2, "children": [{"value": 3}]}]}]',
      '[{"value": 1, "children": [{"value": 2, "children": [{"value": "3"}]}]}, {"value": 1, "children": [{}]}]')
  end)

  it("properties that are named $ref, $id or $defs are no keywords", function()
    verdicts('{"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}, "enum": [{"$ref": "x"}, {"$id": "y"}]}',
      '[{"$ref": "x"}, {"$id": "y"}]', '[{"$ref": 1}, {"$id": "z"}]')
    verdicts('{"const": {"$id": "#no", "$ref": "nowhere"}}', '[{"$ref": "nowhere", "$id": "#no"}]', "[1]")
  end)

  it("to what is in a keyword nobody knows", function()
    verdicts('{"$ref": "#/things/0/one", "things": [{"one": {"type": "integer"}}]}', "[1]", '["a"]')
  end)

  it("$anchor and $id, relative to the $id around them", function()
    verdicts([[{"$id": "https://example.org/schemas/root.json", "properties": {
        "a": {"$ref": "#whole"}, "b": {"$ref": "sub/item.json"}, "c": {"$ref": "sub/item.json#small"},
        "d": {"$ref": "https://example.org/schemas/sub/item.json#/$defs/small"}, "e": {"$ref": "/schemas/other"}},
      "$defs": {"x": {"$anchor": "whole", "type": "integer"},
        "y": {"$id": "sub/item.json", "type": "string", "$ref": "../other", "$defs": {"small": {"$anchor": "small", "maxLength": 1}}},
        "z": {"$id": "other", "maxLength": 3}}}]],
      '[{"a": 1, "b": "abc", "c": "a", "d": "a", "e": "abc"}, {"c": 1}]',
      '[{"a": "1"}, {"b": 1}, {"b": "abcd"}, {"c": "ab"}, {"d": "ab"}, {"e": "abcd"}]')
  end)

  it("a URN, and an anchor in it", function()
    verdicts([[{"$id": "urn:uuid:deadbeef-1234-00ff-ff00-4321feebdaed", "properties": {"a": {"$ref": "#/$defs/i"},
      "b": {"$ref": "urn:uuid:deadbeef-1234-00ff-ff00-4321feebdaed#i"}}, "$defs": {"i": {"$anchor": "i", "type": "integer"}}}]],
      '[{"a": 1, "b": 2}]', '[{"a": "1"}, {"b": "1"}]')
  end)

  it("other schemas, handed in by their URIs; they may refer to each other", function()
    local schemas = {
      ["https://example.org/name"] = { type = "string", ["$ref"] = "limits#short" },
      ["https://example.org/limits"] = '{"$defs": {"s": {"$anchor": "short", "maxLength": 3}}}',
      other = { ["$id"] = "https://example.org/by-id", type = "integer" },
    }
    verdicts({ properties = { a = { ["$ref"] = "https://example.org/name" }, b = { ["$ref"] = "https://example.org/by-id" },
      c = { ["$ref"] = "other" } } },
      '[{"a": "abc", "b": 1, "c": 2}]', '[{"a": "abcd"}, {"a": 1}, {"b": "1"}, {"c": "1"}]', { schemas = schemas })
    local _, e = @validator.check({ a = "abcd" }, { properties = { a = { ["$ref"] = "https://example.org/name" } } }, { schemas = schemas })
    assert.equal("https://example.org/limits#/$defs/s/maxLength", e[1].schema)
  end)

  it("nothing is fetched: an unknown URI is an argument error that says what to do", function()
    local _, e = @try(@validator.compile, { properties = { a = { ["$ref"] = "https://example.org/x#y" } } })
    assert.equal("argument", e.kind)
    assert.truthy(e.message:find('schema at /properties/a/$ref: there is no schema "https://example.org/x" here', 1, true), e.message)
    assert.truthy(e.message:find("schemas = ", 1, true))
  end)

  it("references that lead nowhere", function()
    for _, ref in ipairs { "#/$defs/none", "#none", "#/type", "#/required/0/x" } do
      local _, e = @try(@validator.compile, { ["$ref"] = ref, type = "object", required = { "a" } })
      assert.equal("argument", e.kind)
      assert.truthy(e.message:find("leads to", 1, true), e.message)
    end
  end)

  it("a reference to itself ends", function()
    for _, schema in ipairs { { ["$ref"] = "#" }, { allOf = { { ["$ref"] = "#/$defs/a" } }, ["$defs"] = { a = { ["$ref"] = "#" } } } } do
      local _, e = @try(@validator.validate, 1, schema)
      assert.equal("argument", e.kind)
      assert.truthy(e.message:find("references within each other", 1, true), e.message)
    end
  end)
end)

local TREE = [[{"$id": "https://example.org/tree", "$dynamicAnchor": "node", "type": "object",
  "properties": {"data": true, "children": {"type": "array", "items": {"$dynamicRef": "#node"}}}}]]

describe("@validator, $dynamicRef:", function()
  it("a tree that others make stricter, at every depth", function()
    local strict = { ["$id"] = "https://example.org/strict-tree", ["$dynamicAnchor"] = "node", ["$ref"] = "tree", unevaluatedProperties = false }
    local opts = { schemas = { ["https://example.org/tree"] = TREE } }
    verdicts(TREE, '[{"children": [{"daat": 1}]}]', '[{"children": [1]}]')
    verdicts(strict, '[{"children": [{"data": 1, "children": []}]}]', '[{"daat": 1}, {"children": [{"daat": 1}]}, {"children": [{"children": [{"x": 1}]}]}]', opts)
  end)

  it("without a dynamic anchor where it leads it is a $ref", function()
    verdicts([[{"$id": "https://example.org/a", "$ref": "b", "$defs": {"over": {"$dynamicAnchor": "x", "type": "string"},
      "b": {"$id": "b", "$dynamicRef": "#x", "$defs": {"own": {"$anchor": "x", "type": "integer"}}}}}]], "[1]", '["a"]')
  end)

  it("the outermost anchor decides, and a $ref to one is not dynamic", function()
    local list = [["list": {"$id": "list", "type": "array", "items": {"%s": "#item"}, "$defs": {"any": {"$dynamicAnchor": "item"}}}]]
    local root = [[{"$id": "https://example.org/root", "$ref": "list", "$defs": {"item": {"$dynamicAnchor": "item", "type": "string"}, %s}}]]
    verdicts(root:format(list:format("$dynamicRef")), '[["a"]]', "[[1]]")
    verdicts(root:format(list:format("$ref")), '[["a"], [1]]', "[1]")
  end)

  it("what was left behind is out of scope again", function()
    verdicts([[{"$id": "https://example.org/main", "if": {"$id": "first", "$defs": {"t": {"$dynamicAnchor": "thing", "type": "number"}}},
      "then": {"$id": "second", "$ref": "inner", "$defs": {"t": {"$dynamicAnchor": "thing", "type": "null"},
        "inner": {"$id": "inner", "$dynamicRef": "#thing", "$defs": {"t": {"$dynamicAnchor": "thing", "type": "string"}}}}}}]],
      "[null]", '["a", 1]')
  end)
end)

describe("@validator, unevaluated:", function()
  it("properties, through everything that is about the same object", function()
    verdicts([[{"properties": {"a": true}, "allOf": [{"properties": {"b": true}}, {"$ref": "#/$defs/c"}], "$defs": {"c": {"patternProperties": {"^c": true}}},
      "anyOf": [{"properties": {"d": {"const": 1}}, "required": ["d"]}, {"properties": {"e": {"const": 1}}, "required": ["e"]}, true],
      "if": {"properties": {"f": {"const": 1}}, "required": ["f"]}, "then": {"properties": {"g": true}}, "else": {"properties": {"h": true}},
      "dependentSchemas": {"a": {"properties": {"i": true}}}, "not": {"not": {"properties": {"n": true}}}, "unevaluatedProperties": false}]],
      '[{"a": 1, "b": 2, "cc": 3}, {"d": 1, "e": 1}, {"f": 1, "g": 2}, {"h": 1}, {"a": 1, "i": 1}, {}]',
      '[{"x": 1}, {"d": 2}, {"f": 1, "h": 1}, {"g": 1}, {"f": 2}, {"i": 1}, {"n": 1}]')
  end)

  it("properties that must fit a schema, or that additionalProperties has seen", function()
    verdicts('{"properties": {"a": true}, "unevaluatedProperties": {"type": "integer"}}', '[{"a": "s", "b": 1}, [1]]', '[{"b": "s"}]')
    verdicts('{"allOf": [{"additionalProperties": true}], "unevaluatedProperties": false}', '[{"a": 1}]', "[]")
    verdicts('{"allOf": [{"unevaluatedProperties": true}], "unevaluatedProperties": false}', '[{"a": 1}]', "[]")
  end)

  it("a nested one does not see what is outside of it", function()
    verdicts('{"properties": {"a": true}, "allOf": [{"unevaluatedProperties": false}]}', "[{}]", '[{"a": 1}]')
    verdicts('{"properties": {"in": {"properties": {"a": true}, "unevaluatedProperties": false}}, "unevaluatedProperties": false}',
      '[{"in": {"a": 1}}]', '[{"in": {"b": 1}}, {"a": 1}]')
    verdicts('{"properties": {"in": {"properties": {"a": true}}}, "unevaluatedProperties": false}', '[{"in": {"b": 1}}]', '[{"a": 1}]')
  end)

  it("items", function()
    verdicts('{"prefixItems": [true], "unevaluatedItems": false}', '[[], [1], {"a": 1}]', "[[1, 2]]")
    verdicts('{"prefixItems": [true], "allOf": [{"prefixItems": [true, {"type": "integer"}]}], "unevaluatedItems": false}', "[[1, 2]]", '[[1, "a"], [1, 2, 3]]')
    verdicts('{"contains": {"type": "string"}, "unevaluatedItems": {"type": "integer"}}', '[["a", 1], [1, "a", 2, "b"]]', '[["a", null], [1]]')
    verdicts('{"allOf": [{"items": true}], "unevaluatedItems": false}', "[[1, 2]]", "[]")
    verdicts('{"anyOf": [{"prefixItems": [true, {"const": 2}]}, {"prefixItems": [true, true, {"const": 3}]}], "unevaluatedItems": false}',
      "[[1], [1, 2], [1, 0, 3], [1, 2, 3]]", "[[1, 0, 0], [1, 2, 3, 4]]")
    verdicts('{"if": {"prefixItems": [{"const": 1}]}, "then": {"prefixItems": [true, true]}, "unevaluatedItems": false}', "[[1, 2], []]", "[[2], [1, 2, 3]]")
  end)

  it("oneOf that fails leaves nothing seen", function()
    verdicts([[{"oneOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": true}, "required": ["b"]}],
      "unevaluatedProperties": false}]], '[{"a": "s"}, {"b": 1}]', '[{"a": "s", "c": 1}, {"a": "s", "b": 1}, {"a": 1, "b": 1}]')
  end)
end)

describe("@validator, the meta-schema:", function()
  it("is built in, and fits itself", function()
    local meta = { ["$ref"] = "https://json-schema.org/draft/2020-12/schema" }
    verdicts(meta, '[true, {"type": "integer"}, {"$defs": {"a": {"minLength": 1}}}, {"unknown": 1}]',
      '[1, {"type": "int"}, {"minLength": -1}, {"$defs": {"a": {"minLength": 1.5}}}, {"allOf": []}, {"items": [true]}, {"required": ["a", "a"]}, {"multipleOf": 0}]')
  end)

  it("one that leaves vocabularies out turns their keywords off", function()
    local own = { ["$id"] = "https://example.org/meta", ["$vocabulary"] = {
      ["https://json-schema.org/draft/2020-12/vocab/core"] = true, ["https://json-schema.org/draft/2020-12/vocab/applicator"] = true } }
    verdicts('{"$schema": "https://example.org/meta", "properties": {"a": {"minimum": 10}, "no": false}}', '[{"a": 1}]', '[{"no": 1}]',
      { schemas = { ["https://example.org/meta"] = own } })
    own = { ["$vocabulary"] = { ["https://example.org/vocab"] = true } }
    local _, e = @try(@validator.compile, { ["$schema"] = "https://example.org/meta" }, { schemas = { ["https://example.org/meta"] = own } })
    assert.truthy(e.message:find("requires the vocabulary", 1, true), e.message)
  end)

  it("another draft is refused", function()
    local _, e = @try(@validator.compile, { ["$schema"] = "http://json-schema.org/draft-07/schema#" })
    assert.equal("argument", e.kind)
    assert.truthy(e.message:find("this is for 2020-12", 1, true), e.message)
  end)
end)

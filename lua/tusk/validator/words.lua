-- words.lua: the keywords of JSON Schema 2020-12, which of them have schemas inside, and their vocabularies.
local words = {}

--- Where schemas are: in the keyword itself, in a list, in a table of names.
words.SCHEMA = {
  "additionalProperties", "propertyNames", "items", "contains", "if", "then", "else", "not", "unevaluatedItems",
  "unevaluatedProperties", "contentSchema",
}
words.LIST = { "prefixItems", "allOf", "anyOf", "oneOf" }
words.NAMED = { "$defs", "definitions", "properties", "patternProperties", "dependentSchemas" }

local HOME = "https://json-schema.org/draft/2020-12/"

--- The vocabularies and what belongs to each.
words.VOCABULARIES = {
  [HOME .. "vocab/core"] = {
    "$id", "$schema", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary", "$comment", "$defs",
  },
  [HOME .. "vocab/applicator"] = {
    "prefixItems", "items", "contains", "additionalProperties", "properties", "patternProperties", "dependentSchemas",
    "propertyNames", "if", "then", "else", "allOf", "anyOf", "oneOf", "not",
  },
  [HOME .. "vocab/unevaluated"] = { "unevaluatedItems", "unevaluatedProperties" },
  [HOME .. "vocab/validation"] = {
    "type", "const", "enum", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
    "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains", "maxProperties",
    "minProperties", "required", "dependentRequired",
  },
  [HOME .. "vocab/meta-data"] = {
    "title", "description", "default", "deprecated", "readOnly", "writeOnly", "examples",
  },
  [HOME .. "vocab/format-annotation"] = { "format" },
  [HOME .. "vocab/format-assertion"] = { "format" },
  [HOME .. "vocab/content"] = { "contentEncoding", "contentMediaType", "contentSchema" },
}

--- Every keyword, sorted.
words.ALL = {}
--- keyword → true
words.KNOWN = {}
for _, list in pairs(words.VOCABULARIES) do
  for _, word in ipairs(list) do
    if not words.KNOWN[word] then words.ALL[#words.ALL + 1] = word end
    words.KNOWN[word] = true
  end
end
table.sort(words.ALL)

--- Of earlier drafts: what to write now.
words.REPLACED = {
  additionalItems = "items (and prefixItems for what items was)", dependencies = "dependentRequired or dependentSchemas",
  ["$recursiveRef"] = "$dynamicRef", ["$recursiveAnchor"] = "$dynamicAnchor", id = "$id", divisibleBy = "multipleOf",
  disallow = "not", extends = "allOf",
}
--- What others have added, and nobody has misspelt.
words.FOREIGN = { definitions = true, example = true, nullable = true, discriminator = true, xml = true, externalDocs = true }

words.META = HOME .. "schema"
words.HOME = HOME

return words

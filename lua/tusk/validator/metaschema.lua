-- metaschema.lua: the schema of schemas, 2020-12, and its vocabularies, as json-schema.org publishes them.
local words = require "tusk.validator.words"

local HOME, META = words.HOME, { ["$dynamicRef"] = "#meta" }

local function named(value) return { type = "object", additionalProperties = value } end
local function ref(name) return { ["$ref"] = "#/$defs/" .. name } end

local function vocabulary(name, properties, defs)
  return {
    ["$schema"] = words.META, ["$id"] = HOME .. "meta/" .. name, ["$dynamicAnchor"] = "meta",
    ["$vocabulary"] = { [HOME .. "vocab/" .. name] = true },
    type = { "object", "boolean" }, properties = properties, ["$defs"] = defs,
  }
end

local STRING, NUMBER, BOOLEAN, ANYTHING = { type = "string" }, { type = "number" }, { type = "boolean" }, true
local COUNT, SCHEMAS, STRINGS = ref "nonNegativeInteger", ref "schemaArray", ref "stringArray"

local core = vocabulary("core", {
  ["$id"] = { ["$ref"] = "#/$defs/uriReferenceString", pattern = "^[^#]*#?$" },
  ["$schema"] = ref "uriString",
  ["$ref"] = ref "uriReferenceString", ["$anchor"] = ref "anchorString",
  ["$dynamicRef"] = ref "uriReferenceString", ["$dynamicAnchor"] = ref "anchorString",
  ["$vocabulary"] = { type = "object", propertyNames = ref "uriString", additionalProperties = BOOLEAN },
  ["$comment"] = STRING, ["$defs"] = named(META),
}, {
  anchorString = { type = "string", pattern = "^[A-Za-z_][-A-Za-z0-9._]*$" },
  uriString = { type = "string", format = "uri" },
  uriReferenceString = { type = "string", format = "uri-reference" },
})

local applicator = vocabulary("applicator", {
  prefixItems = SCHEMAS, items = META, contains = META, additionalProperties = META, properties = named(META),
  patternProperties = { type = "object", additionalProperties = META, propertyNames = { format = "regex" } },
  dependentSchemas = named(META), propertyNames = META, ["if"] = META, ["then"] = META, ["else"] = META,
  allOf = SCHEMAS, anyOf = SCHEMAS, oneOf = SCHEMAS, ["not"] = META,
}, { schemaArray = { type = "array", minItems = 1, items = META } })

local unevaluated = vocabulary("unevaluated", { unevaluatedItems = META, unevaluatedProperties = META })

local validation = vocabulary("validation", {
  type = { anyOf = {
    ref "simpleTypes", { type = "array", items = ref "simpleTypes", minItems = 1, uniqueItems = true },
  } },
  const = ANYTHING, enum = { type = "array", items = ANYTHING },
  multipleOf = { type = "number", exclusiveMinimum = 0 },
  maximum = NUMBER, exclusiveMaximum = NUMBER, minimum = NUMBER, exclusiveMinimum = NUMBER,
  maxLength = COUNT, minLength = COUNT, pattern = { type = "string", format = "regex" },
  maxItems = COUNT, minItems = COUNT, uniqueItems = BOOLEAN, maxContains = COUNT, minContains = COUNT,
  maxProperties = COUNT, minProperties = COUNT, required = STRINGS, dependentRequired = named(STRINGS),
}, {
  nonNegativeInteger = { type = "integer", minimum = 0 },
  simpleTypes = { enum = { "array", "boolean", "integer", "null", "number", "object", "string" } },
  stringArray = { type = "array", items = STRING, uniqueItems = true },
})

local meta_data = vocabulary("meta-data", {
  title = STRING, description = STRING, default = ANYTHING, deprecated = BOOLEAN, readOnly = BOOLEAN,
  writeOnly = BOOLEAN, examples = { type = "array", items = ANYTHING },
})

local format = vocabulary("format-annotation", { format = STRING })

local content = vocabulary("content", { contentEncoding = STRING, contentMediaType = STRING, contentSchema = META })

local LISTED = { "core", "applicator", "unevaluated", "validation", "meta-data", "format-annotation", "content" }

local root = {
  ["$schema"] = words.META, ["$id"] = words.META, ["$dynamicAnchor"] = "meta", ["$vocabulary"] = {}, allOf = {},
  type = { "object", "boolean" },
  properties = {
    definitions = { type = "object", additionalProperties = META, deprecated = true },
    dependencies = {
      type = "object", additionalProperties = { anyOf = { META, { ["$ref"] = "meta/validation#/$defs/stringArray" } } },
      deprecated = true,
    },
    ["$recursiveAnchor"] = { ["$ref"] = "meta/core#/$defs/anchorString", deprecated = true },
    ["$recursiveRef"] = { ["$ref"] = "meta/core#/$defs/uriReferenceString", deprecated = true },
  },
}
for i, name in ipairs(LISTED) do
  root["$vocabulary"][HOME .. "vocab/" .. name] = true
  root.allOf[i] = { ["$ref"] = "meta/" .. name }
end

--- URI → schema
return {
  [words.META] = root,
  [HOME .. "meta/core"] = core, [HOME .. "meta/applicator"] = applicator, [HOME .. "meta/unevaluated"] = unevaluated,
  [HOME .. "meta/validation"] = validation, [HOME .. "meta/meta-data"] = meta_data,
  [HOME .. "meta/format-annotation"] = format, [HOME .. "meta/content"] = content,
}

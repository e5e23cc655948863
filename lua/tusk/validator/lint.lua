-- lint.lua: what a schema most likely was not meant to say: misspelt keywords and types, words of
-- earlier drafts; patterns that are none.
local check = require "tusk.check"
local document = require "tusk.validator.document"
local pattern = require "tusk.validator.pattern"
local values = require "tusk.validator.values"
local words = require "tusk.validator.words"

local lint = {}

local TYPES = { "array", "boolean", "integer", "null", "number", "object", "string" }

local function refuse_type(where, name)
  for _, known in ipairs(TYPES) do
    if name == known then return end
  end
  local hint, near = check.hint(tostring(name), TYPES)
  document.refuse(where, ("there is no type %s%s"):format(values.shown(name), hint), { suggestion = near })
end

local function check_type(where, given)
  if type(given) == "string" then refuse_type(where, given) end
  if type(given) ~= "table" then return end
  for i, name in ipairs(given) do refuse_type(("%s/%d"):format(where, i - 1), name) end
end

local function refuse_pattern(where, source)
  local regex, why
  if type(source) == "string" then regex, why = pattern.compile(source) end
  if why and not regex then document.refuse(where, ("the pattern %q %s"):format(source, why)) end
end

local function check_patterns(where, schema)
  refuse_pattern(where .. "/pattern", schema.pattern)
  local named = schema.patternProperties
  for source in next, type(named) == "table" and named or {} do
    refuse_pattern(where .. "/patternProperties", source)
  end
end

-- nil unless the word is to be refused: why, and the word that was meant.
local function complaint(word, strict)
  if words.KNOWN[word] or words.FOREIGN[word] or word:find("^x%-") then return nil end
  local instead = words.REPLACED[word]
  if instead then return ("%q is of an earlier draft; in 2020-12 it is %s"):format(word, instead) end
  local hint, near = check.hint(word, words.ALL)
  if strict or near then return ("unknown keyword %q%s"):format(word, hint), near end
end

--- Raises kind `argument` for what looks wrong in a subschema.
---@param schema table
---@param where string its pointer
---@param strict boolean|nil true: every unknown keyword; nil: those that resemble one; false: none
function lint.check(schema, where, strict)
  check_type(where .. "/type", schema.type)
  check_patterns(where, schema)
  if strict == false then return end
  for _, word in ipairs(values.sorted_keys(schema)) do
    local why, near = complaint(word, strict)
    if why then document.refuse(where, why, { suggestion = near }) end
  end
end

return lint

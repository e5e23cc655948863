-- assertions.lua: the keywords that say something about a value itself. Each is { kinds it is for, make(c, argument, at) →
-- check }, where `at` is the keyword's place in the schema.
local null = require "tusk.null"
local pattern = require "tusk.validator.pattern"
local state = require "tusk.validator.state"
local values = require "tusk.validator.values"

local fail, shown = state.fail, values.shown
local compare, length, next = values.compare, values.length, next
local rawget, type = rawget, type

local assertions = {}

local function add(word, kinds, make)
  assertions[word] = { kinds = kinds, make = make }
end

-- ---- numbers ----

local function bound(word, text, holds)
  add(word, { "number" }, function(_, limit, at)
    local message = text .. " " .. shown(limit) .. ", is "
    return function(v, st)
      if holds(compare(v, limit)) then return true end
      return st.errors and fail(st, at, word, message .. shown(v))
    end
  end)
end
bound("minimum", "must be at least", function(c) return c >= 0 end)
bound("maximum", "must be at most", function(c) return c <= 0 end)
bound("exclusiveMinimum", "must be more than", function(c) return c > 0 end)
bound("exclusiveMaximum", "must be less than", function(c) return c < 0 end)

add("multipleOf", { "number" }, function(_, of, at)
  return function(v, st)
    if values.is_multiple(v, of) then return true end
    return st.errors and fail(st, at, "multipleOf", ("must be a multiple of %s, is %s"):format(shown(of), shown(v)))
  end
end)

-- ---- strings ----

-- "1 item", "2 items"
local function several(n, what)
  return ("%s %s"):format(shown(n), n == 1 and what or what == "property" and "properties" or what .. "s")
end

add("minLength", { "string" }, function(_, least, at)
  return function(v, st)
    if #v >= least and (#v >= 4 * least or length(v) >= least) then return true end
    return st.errors and fail(st, at, "minLength",
      ("must have at least %s, has %d"):format(several(least, "character"), length(v)))
  end
end)

add("maxLength", { "string" }, function(_, most, at)
  return function(v, st)
    if #v <= most or length(v) <= most then return true end
    return st.errors and fail(st, at, "maxLength",
      ("must have at most %s, has %d"):format(several(most, "character"), length(v)))
  end
end)

local CANNOT = {
  limit = "could not be matched with the pattern %q: it takes too many steps for this text",
  utf8 = "must be UTF-8",
}

--- Whether a text has what a pattern looks for. A text that takes too long settles the whole validation: it fails,
--- whatever was made of this answer.
function assertions.matches(regex, text, st, source, at, word)
  if st.given_up then return false end
  local found, why = pattern.test(regex, text)
  if found == nil and why == "limit" then
    local message = CANNOT.limit:format(source)
    st.given_up = { path = state.pointer(st), schema = at, keyword = word, message = message }
  end
  return found, why
end

add("pattern", { "string" }, function(c, source, at)
  local regex = c:pattern(source, at)
  return function(v, st)
    local found, why = assertions.matches(regex, v, st, source, at, "pattern")
    if found then return true end
    if not st.errors or why == "limit" then return false end
    return fail(st, at, "pattern", why and CANNOT[why] or ("must match the pattern %q, is %s"):format(source, shown(v)))
  end
end)

add("format", { "string" }, function(c, name, at, unit)
  local holds = c:format(name, at, unit)
  return holds and function(v, st)
    if holds(v) then return true end
    return st.errors and fail(st, at, "format", ("must be a valid %s, is %s"):format(name, shown(v)))
  end
end)

-- ---- arrays ----

add("minItems", { "array" }, function(_, least, at)
  return function(v, st)
    if #v >= least then return true end
    return st.errors and fail(st, at, "minItems", ("must have at least %s, has %d"):format(several(least, "item"), #v))
  end
end)

add("maxItems", { "array" }, function(_, most, at)
  return function(v, st)
    if #v <= most then return true end
    return st.errors and fail(st, at, "maxItems", ("must have at most %s, has %d"):format(several(most, "item"), #v))
  end
end)

-- The first two that are the same, as indices from 1.
local function twins(list)
  if #list < 2 then return nil end
  if #list == 2 then return values.equal(list[1], list[2]) and 1 or nil, 2 end
  local met = {}
  for i = 1, #list do
    local key = values.identity(list[i])
    if met[key] then return met[key], i end
    met[key] = i
  end
end

-- JSON within JSON, to the bottom: what is compared whole may hold what JSON does not know, and circles.
local function is_whole(v, st, depth)
  local kind, why = values.kind(v)
  if not kind then return state.refuse(st, why) end
  if type(v) ~= "table" then return true end
  if depth > 256 then return state.refuse(st, "a table that contains itself, or is nested deeper than 256") end
  for _, item in next, v do
    if not is_whole(item, st, depth + 1) then return false end
  end
  return true
end

add("uniqueItems", { "array" }, function(_, wanted, at)
  return wanted and function(v, st)
    if not is_whole(v, st, 0) then return false end
    local first, second = twins(v)
    if not first then return true end
    return st.errors and fail(st, at, "uniqueItems",
      ("must not have the same item twice, has it at %d and %d"):format(first - 1, second - 1))
  end or nil
end)

-- ---- objects ----

local function count(v)
  local n = 0
  for _ in next, v do n = n + 1 end
  return n
end

add("minProperties", { "object" }, function(_, least, at)
  return function(v, st)
    local n = count(v)
    if n >= least then return true end
    return st.errors and fail(st, at, "minProperties",
      ("must have at least %s, has %d"):format(several(least, "property"), n))
  end
end)

add("maxProperties", { "object" }, function(_, most, at)
  return function(v, st)
    local n = count(v)
    if n <= most then return true end
    return st.errors and fail(st, at, "maxProperties",
      ("must have at most %s, has %d"):format(several(most, "property"), n))
  end
end)

-- Are all there? Each that is not is a failure.
local function all_there(names, v, st, at, word, because)
  local ok = true
  for i = 1, #names do
    if rawget(v, names[i]) == nil then
      ok = false
      if not st.errors then return false end
      fail(st, at, word, ("must have the property %q%s"):format(names[i], because), { property = names[i] })
    end
  end
  return ok
end

add("required", { "object" }, function(_, names, at)
  return function(v, st) return all_there(names, v, st, at, "required", "") end
end)

add("dependentRequired", { "object" }, function(_, needs, at)
  local names = values.sorted_keys(needs)
  return function(v, st)
    local ok = true
    for i = 1, #names do
      local name = names[i]
      if rawget(v, name) ~= nil and not all_there(needs[name], v, st, at, "dependentRequired",
        st.errors and (" because it has %q"):format(name)) then
        ok = false
        if not st.errors then return false end
      end
    end
    return ok
  end
end)

-- ---- anything ----

local function constant(v)
  return type(v) == "table" and (values.table_kind(v) == "array" and "the array of the schema" or "the object of the schema")
    or shown(v)
end

add("const", values.KINDS, function(_, wanted, at)
  local scalar = type(wanted) ~= "table"
  return function(v, st)
    if not scalar and type(v) == "table" and not is_whole(v, st, 0) then return false end
    if v == wanted or values.equal(v, wanted) then return true end
    return st.errors and fail(st, at, "const", ("must be %s, is %s"):format(constant(wanted), shown(v)))
  end
end)

add("enum", values.KINDS, function(_, list, at)
  local strings, others, texts = {}, {}, {}
  for i, choice in ipairs(list) do
    if type(choice) == "string" then strings[choice] = true else others[values.identity(choice)] = true end
    texts[i] = i <= 20 and constant(choice) or nil
  end
  local message = "must be one of " .. table.concat(texts, ", ") .. (#list > 20 and ", …" or "") .. ", is "
  return function(v, st)
    if type(v) == "table" and not is_whole(v, st, 0) then return false end
    if type(v) == "string" then
      if strings[v] then return true end
    elseif others[v == nil and null or values.identity(v)] then return true end
    return st.errors and fail(st, at, "enum", message .. shown(v))
  end
end)

return assertions

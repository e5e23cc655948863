-- members.lua: the keywords that apply schemas to what is in the value: properties and items.
local assertions = require "tusk.validator.assertions"
local check = require "tusk.check"
local state = require "tusk.validator.state"
local values = require "tusk.validator.values"

local fail, descend, mark, ALL = state.fail, state.descend, state.mark, state.ALL
local next, rawget = next, rawget

local members = {}

local function add(word, kind, make)
  members[word] = { kinds = { kind }, make = make }
end

-- step(key, value, state) for every property: in the order of the names when failures are noted.
local function over(v, st, step)
  if not st.errors then
    for key, item in next, v do
      if not step(key, item, st) then return false end
    end
    return true
  end
  local ok = true
  for _, key in ipairs(values.sorted_keys(v)) do
    if not step(key, v[key], st) then ok = false end
  end
  return ok
end

local function mark_all(_, st)
  if st.seen then mark(st.seen, ALL) end
  return true
end

-- ---- objects ----

add("properties", "object", function(c, named, _, unit)
  local names, runs, units = values.sorted_keys(named), {}, {}
  for i, name in ipairs(names) do
    units[i] = c:child(unit, "properties", name)
    runs[i] = units[i].run
  end
  c:also_fills(unit, "properties", units, names)
  local n = #names
  return function(v, st)
    local ok = true
    for i = 1, n do
      local name = names[i]
      local item = rawget(v, name)
      if item ~= nil then
        if st.seen then mark(st.seen, name) end
        if not descend(runs[i], item, name, st) then
          ok = false
          if not st.errors then return false end
        end
      end
    end
    return ok
  end
end)

-- { regex, run, source }, … in the order of the patterns
local function patterns_of(c, unit)
  local list, units = {}, {}
  for i, source in ipairs(values.sorted_keys(unit.schema.patternProperties or {})) do
    local at = c:at(unit, "patternProperties", source)
    units[i] = c:child(unit, "patternProperties", source)
    local regex = c:pattern(source, at)
    list[i] = {
      run = units[i].run,
      matches = function(key, st) return (assertions.matches(regex, key, st, source, at, "patternProperties")) end,
    }
  end
  return list, units
end

add("patternProperties", "object", function(c, _, _, unit)
  local list, units = patterns_of(c, unit)
  c:also_fills(unit, "patterns", units, list)
  local function step(key, item, st)
    local ok = true
    for i = 1, #list do
      local p = list[i]
      if p.matches(key, st) then
        if st.seen then mark(st.seen, key) end
        ok = descend(p.run, item, key, st) and ok
      end
    end
    return ok and not st.given_up
  end
  return function(v, st) return over(v, st, step) end
end)

-- Is a property neither among `properties` nor like a pattern?
local function additional(c, unit)
  local named, list = unit.schema.properties or {}, c:enabled(unit, "patternProperties") and patterns_of(c, unit) or {}
  if not c:enabled(unit, "properties") then named = {} end
  local known = {}
  for name in next, named do known[name] = true end
  return function(key, st)
    if known[key] then return false end
    for i = 1, #list do
      if list[i].matches(key, st) then return false end
    end
    return true
  end, values.sorted_keys(named)
end

-- What to say of a property that nothing allows.
local function unwanted(at, word, names)
  return function(key, st)
    st.n = st.n + 1
    st.path[st.n] = key
    local hint = type(key) == "string" and check.hint(key, names) or ""
    fail(st, at, word, (type(key) == "string" and "is not allowed" or "is one item too many") .. hint)
    st.n = st.n - 1
    return false
  end
end

add("additionalProperties", "object", function(c, schema, at, unit)
  local is_additional, names = additional(c, unit)
  local target = c:child(unit, "additionalProperties")
  if schema == true then return mark_all end
  c:also_fills(unit, "additional", { target }, is_additional)
  local run, refuse = target.run, unwanted(at, "additionalProperties", names)
  local function step(key, item, st)
    if not is_additional(key, st) then return true end
    if schema == false then return st.errors and refuse(key, st) end
    return descend(run, item, key, st)
  end
  return function(v, st)
    mark_all(v, st)
    return over(v, st, step)
  end
end)

add("propertyNames", "object", function(c, _, at, unit)
  local run = c:child(unit, "propertyNames").run
  local function step(key, _, st)
    local seen, errors = st.seen, st.errors
    st.seen, st.errors = false, false
    local ok = run(key, st)
    st.seen, st.errors = seen, errors
    if ok or not errors then return ok end
    local _, why = state.apart(run, key, st)
    for _, failure in ipairs(why) do
      fail(st, failure.schema, failure.keyword, ("the name %q %s"):format(key, failure.message), { property = key })
    end
    return #why == 0 and fail(st, at, "propertyNames", ("the name %q is not allowed"):format(key)) or false
  end
  return function(v, st) return over(v, st, step) end
end)

-- ---- arrays ----

add("prefixItems", "array", function(c, list, _, unit)
  local runs, units = {}, {}
  for i = 1, #list do
    units[i] = c:child(unit, "prefixItems", i)
    runs[i] = units[i].run
  end
  c:also_fills(unit, "prefix", units)
  return function(v, st)
    local ok = true
    for i = 1, math.min(#runs, #v) do
      if st.seen then mark(st.seen, i - 1) end
      if not descend(runs[i], v[i], i - 1, st) then
        ok = false
        if not st.errors then return false end
      end
    end
    return ok
  end
end)

add("items", "array", function(c, schema, at, unit)
  local target = c:child(unit, "items")
  local before = c:enabled(unit, "prefixItems") and #(unit.schema.prefixItems or {}) or 0
  c:also_fills(unit, "items", { target }, before)
  local run, refuse = target.run, unwanted(at, "items", {})
  return function(v, st)
    local ok = true
    mark_all(v, st)
    for i = before + 1, #v do
      local holds = schema ~= false and descend(run, v[i], i - 1, st)
      if not holds then
        if not st.errors then return false end
        if schema == false then refuse(i - 1, st) end
        ok = false
      end
    end
    return ok
  end
end)

local function contains_text(least, most, n)
  if n < least then return ("must contain %s item%s that fit `contains`, has %d"):format(values.shown(least),
    least == 1 and "" or "s", n) end
  return ("must contain at most %s item%s that fit `contains`, has %d"):format(values.shown(most), most == 1 and "" or "s", n)
end

add("contains", "array", function(c, _, _, unit)
  local run, schema = c:child(unit, "contains").run, unit.schema
  local least = c:enabled(unit, "minContains") and schema.minContains or 1
  local most = c:enabled(unit, "maxContains") and schema.maxContains or math.huge
  local low, high = schema.minContains and "minContains" or "contains", "maxContains"
  return function(v, st)
    local n, errors, seen = 0, st.errors, st.seen
    st.errors = false
    for i = 1, #v do
      if descend(run, v[i], i - 1, st) then
        n = n + 1
        if seen then mark(seen, i - 1) end
        if n >= least and most == math.huge and not seen then break end
      end
    end
    st.errors = errors
    if n >= least and n <= most then return true end
    local word = n < least and low or high
    return errors and fail(st, c:at(unit, word), word, contains_text(least, most, n))
  end
end)

-- ---- what nobody has looked at ----

local function unevaluated(word, kind, each)
  add(word, kind, function(c, schema, at, unit)
    local target = c:child(unit, word)
    local run, refuse = target.run, unwanted(at, word, kind == "object" and values.sorted_keys(unit.schema.properties or {}) or {})
    local function step(key, item, st)
      local seen = st.seen
      if seen.keys[key] then return true end
      if schema == false then return st.errors and refuse(key, st) end
      return descend(run, item, key, st)
    end
    return function(v, st)
      if st.seen.keys[ALL] then return true end
      local ok = each(v, st, step)
      mark(st.seen, ALL)
      return ok
    end
  end)
  members[word].last = true
end

unevaluated("unevaluatedProperties", "object", over)
unevaluated("unevaluatedItems", "array", function(v, st, step)
  local ok = true
  for i = 1, #v do
    if not step(i - 1, v[i], st) then
      ok = false
      if not st.errors then return false end
    end
  end
  return ok
end)

return members

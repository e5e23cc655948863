-- applicators.lua: the keywords that apply schemas to the value where it is. As in assertions.lua: { kinds, make(c, argument,
-- at, unit) → check }. What they look at is marked when somebody asks (state.seen).
local state = require "tusk.validator.state"
local values = require "tusk.validator.values"

local fail, quiet = state.fail, state.quiet
local rawget = rawget

local applicators = {}

local function add(word, make)
  applicators[word] = { kinds = values.KINDS, make = make }
end

local function each(c, unit, word, list)
  local runs, units = {}, {}
  for i = 1, #list do
    units[i] = c:child(unit, word, i)
    runs[i] = units[i].run
  end
  return runs, units
end

add("allOf", function(c, list, _, unit)
  local runs, units = each(c, unit, "allOf", list)
  c:also_fills(unit, "always", units)
  return c.all(runs)
end)

-- The failures of each alternative; the nearest is the one that fails at the fewest places.
local function branches_of(runs, v, st)
  local branches = {}
  for i = 1, #runs do
    local _, own = state.apart(runs[i], v, st)
    branches[i] = own
  end
  return branches
end

add("anyOf", function(c, list, at, unit)
  local runs, units = each(c, unit, "anyOf", list)
  c:also_fills(unit, "first", units)
  return function(v, st)
    local ok = false
    for i = 1, #runs do
      if quiet(runs[i], v, st) then
        ok = true
        if not st.seen then return true end
      end
    end
    if ok or not st.errors then return ok end
    return fail(st, at, "anyOf", ("must fit one of %d alternatives, fits none"):format(#runs),
      { branches = branches_of(runs, v, st) })
  end
end)

local function which(list)
  return #list == 2 and ("%d and %d"):format(list[1], list[2]) or table.concat(list, ", ")
end

add("oneOf", function(c, list, at, unit)
  local runs, units = each(c, unit, "oneOf", list)
  c:also_fills(unit, "first", units)
  return function(v, st)
    local fits, first = 0, nil
    for i = 1, #runs do
      if quiet(runs[i], v, st) then
        fits = fits + 1
        if fits == 2 then
          if not st.errors then return false end
          return fail(st, at, "oneOf", ("must fit one alternative only, fits %s (from 0)"):format(which { first, i - 1 }))
        end
        first = i - 1
      end
    end
    if fits == 1 or not st.errors then return fits == 1 end
    return fail(st, at, "oneOf", ("must fit one of %d alternatives, fits none"):format(#runs),
      { branches = branches_of(runs, v, st) })
  end
end)

add("not", function(c, _, at, unit)
  local run = c:child(unit, "not").run
  return function(v, st)
    local seen = st.seen
    local n = seen and seen.n
    if not quiet(run, v, st) then return true end
    if seen then state.unmark(seen, n) end
    return st.errors and fail(st, at, "not", "must not fit the schema in `not`, and does")
  end
end)

add("if", function(c, _, _, unit)
  local condition = c:child(unit, "if")
  local yes = unit.schema["then"] ~= nil and c:child(unit, "then")
  local no = unit.schema["else"] ~= nil and c:child(unit, "else")
  c:also_fills(unit, "if", { condition, yes, no })
  local run, run_yes, run_no = condition.run, yes and yes.run, no and no.run
  return function(v, st)
    local branch = run_no
    if quiet(run, v, st) then branch = run_yes end
    return not branch or branch(v, st)
  end
end)

add("dependentSchemas", function(c, named, _, unit)
  local names, runs, units = values.sorted_keys(named), {}, {}
  for i, name in ipairs(names) do
    units[i] = c:child(unit, "dependentSchemas", name)
    runs[i] = units[i].run
  end
  c:also_fills(unit, "dependent", units, names)
  return function(v, st)
    local ok = true
    for i = 1, #runs do
      if rawget(v, names[i]) ~= nil and not runs[i](v, st) then
        ok = false
        if not st.errors then return false end
      end
    end
    return ok
  end
end)
applicators.dependentSchemas.kinds = { "object" }

-- ---- references ----

-- How many schemas deep a unit stands, from the root or its definition.
local function weight_of(unit)
  local _, tokens = unit.place.pointer:gsub("^/%$defs/[^/]*", ""):gsub("/", "")
  return 1 + math.floor(tokens / 2)
end

add("$ref", function(c, reference, at, unit)
  local target = c:target(unit, reference, at)
  c:also_fills(unit, "always", { target })
  local resource, weight = c.dynamic and target.place.resource, weight_of(unit)
  return function(v, st) return state.follow(target.run, v, st, resource, weight) end
end)

-- The outermost resource entered that has the anchor decides.
local function outermost(c, name, target)
  local units = c.anchored
  return function(st)
    local scope = st.scope
    for i = 1, st.nscope do
      local schema = scope[i].dynamic[name]
      if schema then return units[schema] end
    end
    return target
  end
end

add("$dynamicRef", function(c, reference, at, unit)
  local target, fragment = c:target(unit, reference, at)
  local name, weight = fragment or "", weight_of(unit)
  if type(target.schema) ~= "table" or target.schema["$dynamicAnchor"] ~= name then
    c:also_fills(unit, "always", { target })
    local resource = target.place.resource
    return function(v, st) return state.follow(target.run, v, st, resource, weight) end
  end
  c:anchor_all()
  local find = outermost(c, name, target)
  c:also_fills(unit, "dynamic", { target }, find)
  return function(v, st)
    local found = find(st)
    return state.follow(found.run, v, st, found.place.resource, weight)
  end
end)

return applicators

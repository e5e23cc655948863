-- check.lua: what operators say to a caller's mistake; durations and sizes.
local errors = require "tusk.errors"

local check = {}

local function shown(v)
  if type(v) == "string" then
    return (("%q"):format(v:sub(1, 40)):gsub("\\\n", "\\n")) .. (#v > 40 and "…" or "")
  end
  return type(v) == "table" and "a table" or tostring(v)
end

--- Raises kind `argument` at the caller's line.
function check.fail(message, fields)
  errors.raise("argument", message, fields)
end

-- Damerau–Levenshtein distance (optimal string alignment), rows only.
local function distance(a, b)
  local before, last = {}, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      local d = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        d = math.min(d, before[j - 2] + 1)
      end
      row[j] = d
    end
    before, last = last, row
  end
  return last[#b]
end

--- The entry of the list that the word was probably meant to be, or nil.
---@param word string
---@param list string[]
function check.nearest(word, list)
  local best, least = nil, math.max(1, math.floor(#word / 3)) + 0.5
  word = tostring(word):lower()
  for _, candidate in ipairs(list) do
    local c = tostring(candidate):lower()
    local d = math.abs(#c - #word) < least and distance(word, c) or math.huge
    if d < least and d < #word then best, least = candidate, d end
  end
  return best
end

--- " (did you mean …?)" or "".
function check.hint(word, list)
  local near = check.nearest(word, list)
  return near and (' (did you mean "%s"?)'):format(near) or "", near
end

-- `nil`, `string "x"`, `number 5`, `a table`, `a function`
local function received(v)
  local kind = type(v)
  if v == nil then return "nil" end
  if kind == "table" or kind == "function" or kind == "userdata" or kind == "thread" then return "a " .. kind end
  return kind .. " " .. shown(v)
end

--- Raises: the object has neither a method nor a field of that name.
---@param what string "a scope"
---@param key any
---@param methods table
---@param fields string[] its other fields
---@param hidden table<string, boolean>|nil methods that are nobody's business
function check.no_field(what, key, methods, fields, hidden)
  local names = {}
  for name in pairs(methods) do
    if tostring(name):sub(1, 2) ~= "__" and not (hidden and hidden[name]) then names[#names + 1] = tostring(name) end
  end
  for _, name in ipairs(fields) do names[#names + 1] = name end
  table.sort(names)
  local hint, near = check.hint(tostring(key), names)
  check.fail(("%s has no %q%s"):format(what, tostring(key), hint),
    { suggestion = near, help = { "it has: " .. table.concat(names, ", ") } })
end

-- A namespace where something else should be is what a colon in place of a dot leads to.
local function is_namespace(v)
  local mt = type(v) == "table" and getmetatable(v)
  return type(mt) == "table" and rawget(mt, "__namespace") == true
end

--- Raises when the first argument of a function that is called with a dot is its namespace: somebody wrote a colon.
---@param first any
---@param call string how it is written, "find(id)"
function check.dotted(first, call)
  if is_namespace(first) then check.fail(("called with a colon; write %s with a dot"):format(call)) end
end

local function expect(name, v, want, help)
  if is_namespace(v) then check.fail("called with a colon; its functions are called with a dot") end
  check.fail(("%s: %s expected, got %s"):format(name, want, received(v)), { argument = name, help = help })
end

local function of_type(kind)
  check[kind] = function(name, v)
    if type(v) ~= kind then expect(name, v, kind) end
    return v
  end
  check["opt_" .. kind] = function(name, v)
    if v ~= nil and type(v) ~= kind then expect(name, v, kind) end
    return v
  end
end
for _, kind in ipairs { "string", "number", "table", "boolean" } do of_type(kind) end

--- The value, if it is a whole number that a double holds exactly.
function check.integer(name, v)
  if type(v) ~= "number" or v ~= math.floor(v) or v >= 2 ^ 53 or v <= -2 ^ 53 then expect(name, v, "integer") end
  return v
end

function check.opt_integer(name, v)
  if v ~= nil then check.integer(name, v) end
  return v
end

--- Can v be called?
function check.is_callable(v)
  if type(v) == "function" then return true end
  local mt = getmetatable(v)
  return type(mt) == "table" and mt.__call ~= nil
end

local HANDED_OVER = { "work is handed over as @(f(x)) or as a function; f(x) alone is called before, and gives its result" }

--- The value, if it can be called.
function check.callable(name, v)
  if not check.is_callable(v) then
    local is_work = name == "fn" or name:find("^argument %d") -- and not, say, how to open something
    expect(name, v, "function", is_work and HANDED_OVER or nil)
  end
  return v
end

function check.opt_callable(name, v)
  if v ~= nil then check.callable(name, v) end
  return v
end

--- What objects of a class have neither themselves nor in the class is an error that names the nearest. It costs nothing
--- where they have it: it is looked for last. Names that begin with "__" are nil.
---@param class table the methods, which are also the objects' metatable
---@param what string "a semaphore"
---@param fields string[] what objects have besides, for who uses them
---@param opts { absent: string[], hidden: string[] }|nil absent: fields that may be nil; hidden: methods for nobody
---@return table class
function check.strict(class, what, fields, opts)
  local absent, hidden = {}, {}
  for _, name in ipairs(opts and opts.absent or {}) do absent[name] = true end
  for _, name in ipairs(opts and opts.hidden or {}) do hidden[name] = true end
  return setmetatable(class, { __index = function(_, key)
    if absent[key] or type(key) ~= "string" or key:sub(1, 2) == "__" then return nil end
    check.no_field(what, key, class, fields, hidden)
  end })
end

local UNITS = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400, w = 604800 }
local parsed = {} -- bounded below
local nparsed = 0

local function parse_duration(text)
  local total, at = 0, 1
  while at <= #text do
    local number, unit, after = text:match("^(%d+%.?%d*)(%a+)()", at)
    local factor = number and UNITS[unit]
    if not factor then return nil end
    total, at = total + tonumber(number) * factor, after
  end
  return #text > 0 and total or nil
end

--- Seconds: a number ≥ 0, or "250ms" "30s" "5m" "1h30m" "7d" "2w".
---@param name string the argument's name, for the error
---@param v number|string|nil
---@param default number|nil what nil stands for; without it nil is an error
function check.duration(name, v, default)
  if type(v) == "string" then
    local seconds = parsed[v]
    if seconds then return seconds end
    seconds = parse_duration(v)
    if seconds then
      if nparsed >= 1000 then parsed, nparsed = {}, 0 end
      parsed[v], nparsed = seconds, nparsed + 1
      return seconds
    end
  elseif type(v) == "number" and v >= 0 and v < math.huge then
    return v
  elseif v == nil and default ~= nil then
    return default
  end
  check.fail(('%s: %s is not a duration; write seconds or "250ms" "30s" "5m" "1h30m" "7d"')
    :format(name, shown(v)), { argument = name })
end

local SIZES = { B = 1, KB = 1e3, MB = 1e6, GB = 1e9, KiB = 2 ^ 10, MiB = 2 ^ 20, GiB = 2 ^ 30 }

--- Bytes: a whole number ≥ 0, or "64KiB" "10MB".
function check.size(name, v, default)
  if type(v) == "string" then
    local number, unit = v:match("^(%d+%.?%d*)(%a+)$")
    local bytes = number and SIZES[unit] and tonumber(number) * SIZES[unit]
    if bytes and bytes == math.floor(bytes) then return bytes end
  elseif type(v) == "number" and v >= 0 and v == math.floor(v) and v < 2 ^ 53 then
    return v
  elseif v == nil and default ~= nil then
    return default
  end
  check.fail(('%s: %s is not a size; write bytes or "64KiB" "10MB"'):format(name, shown(v)), { argument = name })
end

--- The same, and not more than the embedding program allows.
---@param most number
function check.size_within(name, v, default, most)
  local bytes = check.size(name, v, default)
  if bytes <= most then return bytes end
  check.fail(("%s: %s is more than the %d bytes that this host allows"):format(name, shown(v), most), { argument = name })
end

--- A list of names in which check.options finds one without a search: for options that are read often.
---@param list string[]
---@return string[] the same
function check.names(list)
  for i = 1, #list do list[list[i]] = true end
  return list
end

local function has(list, name)
  for _, known in ipairs(list) do
    if known == name then return true end
  end
  return false
end

--- The options table, or {}; an unknown option is an error that names the nearest.
---@param opts table|nil
---@param allowed string[]
function check.options(opts, allowed)
  if opts == nil then return {} end
  if type(opts) ~= "table" or getmetatable(opts) and is_namespace(opts) then expect("options", opts, "table") end
  for key in pairs(opts) do
    if allowed[key] ~= true and not has(allowed, key) then
      local hint, near = check.hint(tostring(key), allowed)
      check.fail(("unknown option %s%s"):format(shown(key), hint),
        { argument = tostring(key), suggestion = near, help = { "options: " .. table.concat(allowed, ", ") } })
    end
  end
  return opts
end

return check

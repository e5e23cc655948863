-- state.lua: what one validation carries along: where it is, what has failed, which properties and items were
-- looked at. A check is fn(value, state) → boolean. Without `errors` it stops at the first failure and makes no
-- garbage; with it, it goes on and notes them all.
local uri = require "tusk.validator.uri"

local state = {}

-- Together they keep Lua's stack from overflowing.
local NEST_MAX, REFS_MAX, ERRORS_MAX = 256, 800, 1000

--- The mark that all properties, or items, were looked at.
state.ALL = {}

---@class tusk.validator.State
---@field errors table[]|false
---@field path any[] names, and indices from 0, of where the value is
---@field n integer how long the path is
---@field refs integer how many references are being followed, by how deep in schemas they stand
---@field scope tusk.validator.Resource[] entered and not left, outermost first
---@field nscope integer
---@field seen table|false what was looked at, when somebody asks
---@field spare table[] such tables that are not in use
---@field list table|false an empty table that is to be an array
---@field given_up table|false a failure that settles all: a pattern took too long
---@field refused table|false an argument error that settles all: { message, fields }. It is raised by who began, where
--- the stack is short again; until then every check fails at once
---@field root any the whole value

---@return tusk.validator.State
function state.new()
  return {
    errors = false, path = {}, n = 0, refs = 0, scope = {}, nscope = 0, seen = false, spare = {}, list = false,
    given_up = false, refused = false, root = false, copies = false,
  }
end

--- The JSON Pointer to where it is.
function state.pointer(st)
  local out = {}
  for i = 1, st.n do out[i] = "/" .. uri.token(st.path[i]) end
  return table.concat(out)
end

--- Notes a failure. Always false.
---@param at string pointer to the keyword
function state.fail(st, at, keyword, message, fields)
  local errors = st.errors
  if #errors >= ERRORS_MAX then
    errors.truncated = true
    return false
  end
  local failure = fields or {}
  failure.path, failure.schema, failure.keyword, failure.message = state.pointer(st), at, keyword, message
  errors[#errors + 1] = failure
  return false
end

local function refuse(st, message, fields)
  st.refused = st.refused or { message, fields }
  return false
end

--- Leads to kind `argument`: the value is none that JSON knows. Always false.
function state.refuse(st, what)
  local path = state.pointer(st)
  return refuse(st, ("value%s: %s, which JSON does not know"):format(path == "" and "" or " at " .. path, what),
    { argument = "value", path = path })
end

-- What the path leads through that makes it so long.
local function why_deep(st)
  local v, met = st.root, {}
  for i = 1, st.n do
    if v == nil then return "schema: its defaults fill each other without end", "schema" end
    if met[v] then return "value: contains itself", "value" end
    met[v] = type(v) == "table" or nil
    local key = st.path[i]
    v = type(v) == "table" and v[type(key) == "number" and key + 1 or key] or nil
  end
  return ("value: is nested deeper than %d"):format(NEST_MAX), "value"
end

local function too_deep(st)
  local why, argument = why_deep(st)
  return refuse(st, why, { argument = argument })
end

local function endless(st)
  local path = state.pointer(st)
  local shown = #path > 60 and "…" .. path:sub(-60) or path
  return refuse(st,
    ("schema: too many references within each other at %q of the value: one leads back to itself, or the value is very deep")
    :format(shown), { argument = "schema", path = path })
end

--- A check of what is in the value under a name or an index from 0.
function state.descend(run, v, key, st)
  local n, seen = st.n + 1, st.seen
  if st.refused then return false end
  if n > NEST_MAX then return too_deep(st) end
  st.n, st.path[n], st.seen = n, key, false
  local ok = run(v, st)
  st.n, st.seen = n - 1, seen
  return ok
end

--- A check through a reference into `resource`, false where that is of no interest. weight: how many schemas deep it
--- stands within its own.
function state.follow(run, v, st, resource, weight)
  local refs, n = st.refs, st.nscope
  if st.refused then return false end
  if refs + weight > REFS_MAX then return endless(st) end
  st.refs = refs + weight
  if resource then
    st.nscope = n + 1
    st.scope[n + 1] = resource
  end
  local ok = run(v, st)
  st.refs, st.nscope = refs, n
  return ok
end

-- ---- what was looked at ----

function state.mark(seen, key)
  local keys = seen.keys
  if keys[key] then return end
  local n = seen.n + 1
  seen.n, seen.trail[n], keys[key] = n, key, true
end

--- Forgets what was marked after there were n.
function state.unmark(seen, n)
  local keys, trail = seen.keys, seen.trail
  for i = seen.n, n + 1, -1 do keys[trail[i]], trail[i] = nil, nil end
  seen.n = n
end

function state.take_seen(st)
  local spare = st.spare
  local seen = spare[#spare]
  if not seen then return { keys = {}, trail = {}, n = 0 } end
  spare[#spare] = nil
  return seen
end

function state.give_seen(st, seen)
  state.unmark(seen, 0)
  st.spare[#st.spare + 1] = seen
end

--- A check that need not hold: what it has looked at counts only if it does.
function state.tentative(run, v, st)
  local seen = st.seen
  if not seen then return run(v, st) end
  local n = seen.n
  local ok = run(v, st)
  if not ok then state.unmark(seen, n) end
  return ok
end

--- The same, and what fails is not noted.
function state.quiet(run, v, st)
  local errors = st.errors
  st.errors = false
  local ok = state.tentative(run, v, st)
  st.errors = errors
  return ok
end

--- A check whose failures are noted in a list of their own.
---@return boolean
---@return table[]
function state.apart(run, v, st)
  local errors, own = st.errors, {}
  st.errors = own
  local ok = state.tentative(run, v, st)
  st.errors = errors
  return ok, own
end

return state

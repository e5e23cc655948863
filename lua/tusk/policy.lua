-- policy.lua: policies put together, always in one order, outside in: total timeout, retry, breaker, limiter,
-- bulkhead, hedge, attempt timeout. Retries are limited too, and a breaker counts attempts.
local check = require "tusk.check"
local dots = require "tusk.dots"
local operators = require "tusk.operators"
local retry = require "tusk.retry"
local scope = require "tusk.scope"

local policy = {}

---@class tusk.Policy
---@field parts table<string, any> name → what it is made of
local Policy = check.strict({ __name = "policy" }, "a policy", { "parts" })
Policy.__index = Policy

local ATTEMPT = { "breaker", "limiter", "bulkhead", "hedge" } -- outside in, within retry
local STATEFUL = { breaker = true, limiter = true, bulkhead = true, hedge = true }
local PARTS = { "timeout", "retry", "breaker", "limiter", "bulkhead", "hedge", "attempt_timeout" }
local OPTIONS = { "name", unpack(PARTS) }

--- What goes around each attempt: names of options.
policy.NAMES = { "breaker", "limiter", "bulkhead", "hedge", "attempt_timeout", "policy" }

-- ---- the parts ----

local function expected(name, got)
  check.fail(("%s: @%s{…} or a table of its options expected, got %s"):format(name, name, type(got)), { argument = name })
end

local function with_name(opts, name)
  if not name or opts.name ~= nil then return opts end
  local all = { name = name }
  for k, v in pairs(opts) do all[k] = v end
  return all
end

-- A breaker and the like: given, or made of its options.
local function stateful(name, v, called)
  local meta = type(v) == "table" and getmetatable(v)
  if type(meta) == "table" and rawget(meta, "__name") == name then return v end
  if v == true and name == "breaker" then v = {} end
  if type(v) == "string" and name == "hedge" then v = { after = v } end
  if type(v) ~= "table" or meta then expected(name, v) end
  return operators.get(name)(with_name(v, called))
end

local make = {}
for name in pairs(STATEFUL) do
  make[name] = function(v, called) return stateful(name, v, called) end
end

local RETRY = { "budget", unpack(retry.OPTIONS) }

function make.retry(v)
  if v == true then return retry.policy() end
  if type(v) ~= "table" then
    check.fail("retry: true or a table such as { attempts = 3 } expected, got " .. type(v), { argument = "retry" })
  end
  return retry.policy(v, RETRY)
end

local function seconds(name)
  make[name] = function(v)
    local n = check.duration(name, v)
    if n <= 0 then check.fail(name .. ": more than nothing is needed", { argument = name }) end
    return n
  end
end
seconds "timeout"
seconds "attempt_timeout"

-- ---- put together: each layer's function calls the next one's with what is to be run ----

local function call(fn, ...)
  return fn(...)
end

local around = {}

for name in pairs(STATEFUL) do
  around[name] = function(part, inner)
    if inner == call then return function(fn, ...) return part:run(fn, ...) end end
    return function(fn, ...) return part:run(inner, fn, ...) end
  end
end

-- Its key is one of the call's own arguments.
function around.limiter(part, inner)
  return function(fn, ...)
    part:enter(...)
    return inner(fn, ...)
  end
end

function around.retry(part, inner)
  return function(fn, ...) return retry.run(part, inner, fn, ...) end
end

function around.timeout(part, inner)
  return function(fn, ...) return scope.timeout(part, inner, fn, ...) end
end
around.attempt_timeout = around.timeout

local function wrap(name, parts, inner)
  local part = parts[name]
  return part and around[name](part, inner) or inner
end

local function made_of(parts)
  local chain = wrap("attempt_timeout", parts, call)
  for i = #ATTEMPT, 1, -1 do chain = wrap(ATTEMPT[i], parts, chain) end
  chain = wrap("timeout", parts, wrap("retry", parts, chain))
  return setmetatable({ parts = parts, chain = chain, guards = {} }, Policy)
end

-- As around, for what is the operator's own: a breaker's probe and a bulkhead's place need no scope that is to see to them.
local function inside(name, parts, inner)
  local part = parts[name]
  local run = part and part.run_inside or nil
  if not run then return wrap(name, parts, inner) end
  return function(fn, ...) return run(part, inner, fn, ...) end
end

--- guard(fn, …) runs fn(…) within breaker, limiter and bulkhead, and hedge if wanted: for operators that see to
--- timeouts and retries themselves. fn is the operator's own. nil: the policy has none of these.
---@param self tusk.Policy
---@param hedged boolean
---@return function|nil
function policy.guard(self, hedged)
  local made = self.guards[hedged]
  if made ~= nil then return made or nil end
  local chain = hedged and wrap("hedge", self.parts, call) or call
  for i = #ATTEMPT - 1, 1, -1 do chain = inside(ATTEMPT[i], self.parts, chain) end
  self.guards[hedged] = chain ~= call and chain
  return self.guards[hedged] or nil
end

--- All values of fn(…), run under all that the policy is made of.
---@param fn function
---@return any ... what fn returns
function Policy:run(fn, ...)
  dots.colon(Policy, self, "policy", "run")
  if type(fn) ~= "function" then check.callable("fn", fn) end
  return self.chain(fn, ...)
end

local function build(opts, names, parts)
  for _, name in ipairs(names) do
    if opts[name] == false then
      parts[name] = nil
    elseif opts[name] ~= nil then
      parts[name] = make[name](opts[name], opts.name)
    end
  end
  return parts
end

--- A policy of its parts by name: values that were made before, or tables of their options.
---@param opts table { name, timeout, retry, breaker, limiter, bulkhead, hedge, attempt_timeout }
---@return tusk.Policy
function policy.new(opts)
  check.options(check.table("options", opts), OPTIONS)
  check.opt_string("name", opts.name)
  return made_of(build(opts, PARTS, {}))
end

-- ---- as options of other operators ----

local function base_of(v)
  if v == nil then return nil end
  if getmetatable(v) == Policy then return v end
  if type(v) ~= "table" or getmetatable(v) then expected("policy", v) end
  return policy.new(v)
end

local function has_any(opts, names)
  for i = 1, #names do
    if opts[names[i]] ~= nil then return true end
  end
  return false
end

local OWN = { "breaker", "limiter", "bulkhead", "hedge", "attempt_timeout" }

-- What counts calls must be there before the call: made anew each time, it would never count to two.
local function no_new_ones(opts)
  for name in pairs(STATEFUL) do
    local v = opts[name]
    if type(v) == "table" and not getmetatable(v) or v == true or type(v) == "string" then
      check.fail(("%s: this would be a new one for each call; make one before, by @%s{…}, or give it to a client")
        :format(name, name), { argument = name })
    end
  end
  if type(opts.policy) == "table" and not getmetatable(opts.policy) then
    check.fail("policy: this would be a new one for each call; make one before, by @policy{…}, or give it to a client",
      { argument = "policy" })
  end
end

--- What `breaker =`, `limiter =` and so on among an operator's options ask for; nil for nothing. `policy =` is what
--- the others are added to; false takes one of its parts away.
---@param opts table
---@param kept boolean is the result kept for many calls? If not, what counts calls must be given as a value
---@return tusk.Policy|nil
function policy.from(opts, kept)
  if not has_any(opts, policy.NAMES) then return nil end
  if not kept then no_new_ones(opts) end
  local base = base_of(opts.policy)
  if not has_any(opts, OWN) then return base end
  local parts = {}
  for name, part in pairs(base and base.parts or {}) do parts[name] = part end
  return made_of(build(opts, OWN, parts))
end

return policy

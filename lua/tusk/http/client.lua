-- client.lua: a server and what is always said to it.
local raw = require "tusk.binding.curl"
local attempts = require "tusk.http.attempts"
local check = require "tusk.check"
local core = require "tusk.core"
local exchange = require "tusk.http.exchange"
local Gate = require "tusk.http.gate"
local headers = require "tusk.http.headers"
local options = require "tusk.http.options"
local sending = require "tusk.http.sending"
local url = require "tusk.http.url"
local verbs = require "tusk.http.verbs"

local client = {}

local INHERITED = { "timeout", "connect_timeout", "max_body", "redirects", "tls", "retry", "policy", "proxy", "unix" }

-- The URL of a path, or of an absolute URL on the same server: a client's credentials go nowhere else.
local function target_of(base, path)
  if not base then return path end
  if not path:find("^%a[%w+.-]*://") then
    return base:gsub("/+$", "") .. (path:find("^[?#]") and "" or "/") .. path:gsub("^/+", "")
  end
  if not url.same_origin(url.parse(path), url.parse(base)) then
    check.fail(("the client is for %s; use @http for other servers"):format(url.parse(base).peer),
      { argument = "url" })
  end
  return path
end

local function with_defaults(defaults, opts)
  local all = {}
  for name, value in pairs(opts) do all[name] = value end
  for _, name in ipairs(INHERITED) do
    if all[name] == nil then all[name] = defaults[name] end
  end
  if (all.stream or sending.is(all.body)) and all.stall == nil then all.stall = defaults.stall end
  if all.bearer == nil and all.basic == nil then all.bearer, all.basic = defaults.bearer, defaults.basic end
  return all
end

local KEPT = 256

-- fn(method, path), which is remembered: programs ask for the same again and again.
local function memo(fn)
  local by_method, count = {}, 0
  return function(method, path)
    local found = by_method[method] and by_method[method][path]
    if found then return found end
    found = fn(method, path)
    if count >= KEPT then by_method, count = {}, 0 end
    by_method[method] = by_method[method] or {}
    by_method[method][path], count = found, count + 1
    return found
  end
end

-- exchange.run, with a place in the gate. Not while it pauses between attempts: each takes one of its own.
local function through(gate)
  return function(plan, started)
    local now = core.now()
    started = started or now
    return gate:run(math.max(plan.timeout - (now - started), 0), exchange.run, plan, started)
  end
end

local meta = { __name = "tusk.http.Client", __namespace = true }

function meta.__index(self, key)
  local names = {}
  for name in pairs(self) do names[#names + 1] = name end
  check.fail(("a client has no function %q%s"):format(tostring(key), (check.hint(tostring(key), names))))
end

--- A client: get, post, … with dots, like @http itself.
---@param opts table|nil see docs/operators/http.md
function client.new(opts)
  local defaults = {}
  for name, value in pairs(check.opt_table("options", opts) or {}) do defaults[name] = value end
  options.defaults(defaults)
  local own_headers = headers.check(defaults.headers)
  local gate = defaults.max_connections and Gate.new(defaults.max_connections)
  local jar = defaults.cookies and raw.jar() or nil
  local function plan_of(method, path, given)
    local plan = options.plan(method, target_of(defaults.base, path), with_defaults(defaults, given))
    plan.headers, plan.jar = headers.merge(own_headers, plan.headers), jar
    return plan
  end
  local plain = memo(function(method, path) return plan_of(method, path, {}) end)
  local once = gate and through(gate) or exchange.run
  local function dispatch(method, path, given)
    return attempts.run(given and plan_of(method, path, given) or plain(method, path), once)
  end
  return setmetatable(verbs.add({}, "client", dispatch), meta)
end

return client

-- options.lua: what a caller asked for, checked, as a plan of what to send.
local attempts = require "tusk.http.attempts"
local check = require "tusk.check"
local credentials = require "tusk.http.credentials"
local headers = require "tusk.http.headers"
local kernel = require "tusk.kernel"
local multipart = require "tusk.http.multipart"
local operators = require "tusk.operators"
local policy = require "tusk.policy"
local route = require "tusk.http.route"
local sending = require "tusk.http.sending"
local url = require "tusk.http.url"

local options = {}

options.request = check.names {
  "headers", "query", "json", "form", "multipart", "body", "bearer", "basic", "timeout", "connect_timeout", "max_body",
  "redirects", "tls", "stream", "stall", "retry", "proxy", "unix", "length", unpack(policy.NAMES),
}
options.send = check.names { "method", "url", unpack(options.request) }
options.download = check.names {
  "headers", "query", "bearer", "basic", "timeout", "connect_timeout", "max_body", "redirects", "tls", "stall",
  "retry", "proxy", "unix", "on_progress", "mode", unpack(policy.NAMES),
}
options.upload = check.names {
  "headers", "query", "bearer", "basic", "timeout", "connect_timeout", "max_body", "redirects", "tls", "stall", "retry",
  "proxy", "unix", "on_progress", "method", unpack(policy.NAMES),
}
options.client = {
  "base", "headers", "timeout", "connect_timeout", "max_body", "redirects", "bearer", "basic", "tls", "stall",
  "max_connections", "retry", "proxy", "unix", "cookies", unpack(policy.NAMES),
}

local TIMEOUT, CONNECT_TIMEOUT, STALL = 30, 10, 30 -- seconds
local LIMIT = kernel.limits.max_body -- the embedding program's
local MAX_BODY = math.min(16 * 1024 * 1024, LIMIT)
local REDIRECTS = 5

-- RFC 9110, 9.2.2
local IDEMPOTENT = { GET = true, HEAD = true, PUT = true, DELETE = true, OPTIONS = true, TRACE = true }

---@class tusk.http.Plan
---@field method string
---@field target tusk.http.Url where it goes
---@field address string its URL, with the query
---@field peer string host:port
---@field headers table[] the caller's: { name, values }
---@field type string|nil Content-Type that the body implies
---@field body string|nil
---@field parts table[]|nil { name, data | source, filename, type }, instead of a body
---@field sources tusk.http.Source[]|nil what the body, or parts of it, are made from while it is sent
---@field patient boolean|nil it goes on for as long as it does go on
---@field user string|nil
---@field password string|nil
---@field timeout number seconds; of a streamed answer up to the end of its head
---@field stream boolean
---@field stall number seconds that a reader of a streamed body waits for bytes
---@field connect_timeout number seconds
---@field max_body number bytes
---@field redirects integer
---@field tls table
---@field proxy string|true|nil its URL, or the one of the environment
---@field through string|nil the proxy as messages call it
---@field unix string|nil the path of the socket that is connected to
---@field jar userdata|nil where cookies are kept
---@field idempotent boolean it may be carried out twice
---@field retry table|nil how it is sent again
---@field policy tusk.Policy|nil what each attempt is made under
---@field guard function|nil that policy, as a function around an attempt
---@field attempt_timeout number|nil seconds for one attempt
---@field lines string[]|nil the header lines as they are sent
---@field label string|nil the URL as errors show it
---@field spec userdata|nil what the binding has made of it; it keeps the plan

local known = {} -- as verbs are called
for _, verb in ipairs { "get", "post", "put", "patch", "delete", "head", "options" } do known[verb] = verb:upper() end

local function method_of(method)
  if known[method] then return known[method] end
  check.string("method", method)
  if method == "" or method:find("[^%w!#$%%&'*+%-.^_`|~]") then
    check.fail(("method: %q is not a method"):format(method), { argument = "method" })
  end
  method = method:upper()
  if method == "CONNECT" then check.fail("method: CONNECT is for proxies") end
  return method
end

local function exclude(opts, a, b)
  if opts[a] ~= nil and opts[b] ~= nil then
    check.fail(("%s and %s exclude each other"):format(a, b), { argument = b })
  end
end

local BODIES = { "json", "form", "multipart", "body" }

local function exclude_bodies(opts)
  for i = 1, #BODIES do
    for j = i + 1, #BODIES do exclude(opts, BODIES[i], BODIES[j]) end
  end
end

local function parts_of(plan, parts)
  if headers.has(plan.headers, "content-type") then
    check.fail("headers: Content-Type is set from multipart", { argument = "headers" })
  end
  return multipart.parts(parts)
end

local function source_of(plan, opts)
  local source = sending.of("body", opts.body, opts.length)
  if sending.is(opts.body) then plan.patient, source.stall = true, plan.stall end
  return source
end

local function body_of(plan, opts)
  exclude_bodies(opts)
  if opts.length ~= nil and (opts.body == nil or type(opts.body) == "string") then
    check.fail("length: it is known, but of a stream", { argument = "length" })
  end
  if opts.json ~= nil then
    plan.body, plan.type = operators.get("json").encode(opts.json), "application/json"
  elseif opts.form ~= nil then
    plan.body, plan.type = url.encode("form", opts.form, "+"), "application/x-www-form-urlencoded"
  elseif opts.multipart ~= nil then
    plan.parts, plan.sources = parts_of(plan, opts.multipart)
  elseif opts.body ~= nil and type(opts.body) ~= "string" then
    plan.sources = { source_of(plan, opts) }
  else
    plan.body = opts.body
  end
  local has_body = plan.body or plan.parts or plan.sources
  if has_body and plan.method == "HEAD" then check.fail("a HEAD request has no body") end
  if not has_body and (plan.method == "POST" or plan.method == "PUT" or plan.method == "PATCH") then plan.body = "" end
end

local function redirects_of(v)
  if v == nil or v == true then return REDIRECTS end
  if v == false then return 0 end
  if check.integer("redirects", v) < 0 then check.fail("redirects: 0 or more expected", { argument = "redirects" }) end
  return v
end

local function stall_of(v)
  local seconds = check.duration("stall", v, STALL)
  if seconds <= 0 then check.fail("stall: more than nothing is needed", { argument = "stall" }) end
  return seconds
end

-- What a policy asks for, unless the options themselves do.
local function policy_of(plan, opts, kept)
  plan.policy = policy.from(opts, kept)
  local parts = plan.policy and plan.policy.parts or {}
  plan.timeout = check.duration("timeout", opts.timeout, parts.timeout or TIMEOUT)
  plan.attempt_timeout = parts.attempt_timeout
  plan.retry = attempts.policy(opts.retry, kept)
  if opts.retry == nil then plan.retry = parts.retry end
end

--- Checks what a request and a client have in common; raises kind `argument`.
---@param kept boolean|nil are they for many requests?
function options.limits(plan, opts, kept)
  policy_of(plan, opts, kept)
  plan.connect_timeout = check.duration("connect_timeout", opts.connect_timeout, CONNECT_TIMEOUT)
  plan.stall = stall_of(opts.stall)
  plan.max_body = check.size_within("max_body", opts.max_body, MAX_BODY, LIMIT)
  plan.redirects = redirects_of(opts.redirects)
  route.set(plan, opts)
  return plan
end

local NO_OPTIONS = {}

-- A plan for a request that asks for nothing special.
local function new_plan(method, parts)
  return {
    method = method, target = parts, address = parts.url, headers = headers.check(nil), type = nil, body = nil,
    parts = nil,
    user = nil, password = nil, bearer = nil, idempotent = IDEMPOTENT[method], timeout = TIMEOUT, stream = false,
    connect_timeout = CONNECT_TIMEOUT, stall = STALL, max_body = MAX_BODY, redirects = REDIRECTS,
    tls = route.NO_TLS, proxy = nil, through = nil, unix = nil, jar = nil,
    sources = nil, patient = nil, upload = nil, length = nil, peer = parts.peer, retry = nil, policy = nil, guard = nil,
    attempt_timeout = nil, lines = nil, label = nil, spec = nil,
  }
end

local function plain(method, parts)
  local plan = new_plan(method, parts)
  body_of(plan, NO_OPTIONS)
  credentials.set(plan, NO_OPTIONS)
  return plan
end

-- Kept with the parts of the URL: programs ask for the same again and again.
local function kept(method, parts)
  local plans = parts.plans
  if not plans then
    plans = {}
    parts.plans = plans
  end
  local plan = plans[method]
  if not plan then
    plan = plain(method, parts)
    plans[method] = plan
  end
  return plan
end

--- The plan for one request; shared with others if there are no options: leave it as it is.
---@param method string
---@param target string
---@param opts table|nil already known to hold no unknown option
---@return tusk.http.Plan
function options.plan(method, target, opts)
  local parts = url.parse(target)
  method = method_of(method)
  if not opts then return kept(method, parts) end
  local plan = options.limits(new_plan(method, parts), opts)
  if opts.query ~= nil then plan.address = url.with_query(parts.url, opts.query) end
  plan.stream = check.opt_boolean("stream", opts.stream) or false
  if opts.stall ~= nil and not plan.stream and not sending.is(opts.body) then
    check.fail("stall: only a body with stream = true can stall; timeout is for whole answers", { argument = "stall" })
  end
  plan.peer = route.peer(plan)
  plan.headers = headers.check(opts.headers)
  plan.idempotent = plan.idempotent or headers.has(plan.headers, "idempotency-key")
    or plan.retry and plan.retry.unsafe or false
  credentials.set(plan, opts)
  body_of(plan, opts) -- it may read files
  -- a hedge is a request beside another: a streamed answer belongs to the scope it is asked for in, and a body that is
  -- made while it is sent is sent by one
  local hedged = plan.idempotent and not plan.stream and not plan.sources or false
  plan.guard = plan.policy and policy.guard(plan.policy, hedged)
  return plan
end

--- A client's options, checked, as defaults for its requests: what its policies are made of becomes one. They are taken over.
function options.defaults(opts)
  check.options(opts, options.client)
  if opts.base ~= nil then url.parse(opts.base) end
  if opts.base and opts.base:find("[?#]") then check.fail("base: a query or fragment", { argument = "base" }) end
  headers.check(opts.headers)
  credentials.check(opts)
  check.opt_boolean("cookies", opts.cookies)
  local n = check.opt_integer("max_connections", opts.max_connections)
  if n and n < 1 then check.fail("max_connections: 1 or more expected", { argument = "max_connections" }) end
  local made = options.limits({}, opts, true)
  for _, name in ipairs(policy.NAMES) do opts[name] = nil end
  opts.policy = made.policy
  if opts.retry then opts.retry = made.retry end
  return opts
end

return options

-- exchange.lua: carries a plan out: one request, and those that redirects lead to.
local raw = require "tusk.binding.curl"
local core = require "tusk.core"
local errors = require "tusk.errors"
local operators = require "tusk.operators"
local headers = require "tusk.http.headers"
local response = require "tusk.http.response"
local route = require "tusk.http.route"
local sending = require "tusk.http.sending"
local url = require "tusk.http.url"
local version = "tusk/" .. require("tusk").version

local settle = core.settle

local exchange = {}

local warned = {} -- origin → true, bounded by the program's own list of servers

local function warn_insecure(target)
  local origin = target.peer
  if warned[origin] or not operators.exists("log") then return end
  warned[origin] = true
  operators.get("log").warn("the TLS certificate of " .. origin .. " is not verified (tls.insecure)")
end

local AGENT = "User-Agent: " .. version
local ENCODINGS = "Accept-Encoding: " .. raw.encodings -- libcurl's own line, which it would format anew each time
local PLAIN = { AGENT, ENCODINGS } -- shared: what is sent when the caller has nothing to say

-- What goes with a body; without a type of its own libcurl would claim that it is a form.
local function body_lines(plan, lines)
  if not plan.parts and not headers.has(plan.headers, "content-type") then
    lines[#lines + 1] = plan.type and "Content-Type: " .. plan.type or "Content-Type:"
  end
  if not headers.has(plan.headers, "expect") then lines[#lines + 1] = "Expect:" end
end

-- libcurl writes these itself: the type of parts has the boundary, and there must be one line of cookies.
local function own_lines(plan)
  local kept = {}
  for _, h in ipairs(plan.headers) do
    local name = h.name:lower()
    if plan.jar and name == "cookie" then
      plan.cookie = table.concat(h.values, "; ")
    elseif not (plan.parts and name == "content-type") then
      kept[#kept + 1] = h
    end
  end
  return kept
end

local function lines_of(plan)
  local list = (plan.parts or plan.jar) and own_lines(plan) or plan.headers
  if not list[1] and not plan.body and not plan.parts and not plan.sources and not plan.bearer then return PLAIN end
  local lines = {}
  if not headers.has(list, "user-agent") then lines[1] = AGENT end
  if not headers.has(list, "accept-encoding") then lines[#lines + 1] = ENCODINGS end
  if plan.body or plan.parts or plan.sources then body_lines(plan, lines) end
  if plan.bearer then lines[#lines + 1] = "Authorization: Bearer " .. plan.bearer end
  return headers.lines(list, lines)
end

-- What the binding makes of a plan: libcurl's handles stay set up for it.
local function spec_of(plan)
  if plan.spec then return plan.spec end
  local target = plan.target
  if plan.tls.insecure and target.scheme == "https" then warn_insecure(target) end
  plan.lines, plan.label = lines_of(plan), url.label(target, plan.address)
  plan.spec = raw.prepare(plan)
  return plan.spec
end

local function perform(plan, left)
  local status, head, body, http_version, elapsed, first_byte, dns, connect, tls = settle(raw.perform(spec_of(plan), left))
  local streamed = type(body) == "userdata"
  return response.new {
    status = status, ok = status >= 200 and status <= 299, head = head, http_version = http_version,
    elapsed = elapsed, url = plan.address, max_body = plan.max_body,
    body = not streamed and body or nil, source = streamed and body or nil,
    hop = elapsed, first_byte = first_byte, dns = dns, connect = connect, tls = tls,
  }
end

local function send(plan, left)
  if plan.sources then return sending.run(plan, left, perform) end
  return perform(plan, left)
end

local REDIRECT = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

local function fail_redirect(answer, plan, why)
  local label = url.label(plan.target, plan.address)
  errors.raise("http.redirect", ("%s redirects to %q: %s"):format(label, answer.headers.location, why), {
    url = label, status = answer.status, location = answer.headers.location, sent = true,
    retryable = false,
  })
end

local function content_type_only(list)
  local kept = {}
  for _, h in ipairs(list) do
    if h.name:lower() == "content-type" then kept[#kept + 1] = h end
  end
  return kept
end

local function without_content_type(list)
  return headers.merge(list, { { name = "Content-Type", values = {} } })
end

-- The caller's headers, credentials and client certificate were meant for another server.
local function drop_private(plan)
  plan.headers = content_type_only(plan.headers)
  plan.bearer, plan.user, plan.password = nil, nil, nil
  plan.tls = { ca = plan.tls.ca, insecure = plan.tls.insecure }
end

local function becomes_get(status, method)
  if status == 303 then return method ~= "GET" and method ~= "HEAD" end
  return (status == 301 or status == 302) and method == "POST"
end

-- The plan for the next hop; the one there is may be used again.
local function follow(used, answer, hops)
  local plan = {}
  for name, value in pairs(used) do plan[name] = value end
  plan.spec, plan.cookie = nil, nil
  local target, why = url.resolve(answer.headers.location, plan.address)
  if not target then fail_redirect(answer, plan, why) end
  if hops > plan.redirects then
    fail_redirect(answer, plan, ("that would be more than %d redirects"):format(plan.redirects))
  end
  if plan.target.scheme == "https" and target.scheme == "http" then
    fail_redirect(answer, plan, "https must not lead to http")
  end
  if not url.same_origin(plan.target, target) then
    if plan.unix then fail_redirect(answer, plan, ("it leads away from the socket %q"):format(plan.unix)) end
    drop_private(plan)
  end
  if becomes_get(answer.status, plan.method) then
    plan.method, plan.body, plan.parts, plan.type, plan.idempotent = "GET", nil, nil, nil, true
    plan.sources, plan.upload, plan.length = nil, nil, nil
    plan.headers = without_content_type(plan.headers)
  elseif sending.is_spent(plan) then
    fail_redirect(answer, plan, "the body is a stream, which cannot be sent again")
  end
  plan.target, plan.address = target, target.url
  plan.peer = route.peer(plan)
  return plan
end

local function time_left(plan, started)
  if plan.patient then return plan.timeout end
  local left = plan.timeout - (core.now() - started)
  if left > 0 or plan.timeout == 0 then return math.max(left, 0) end
  local label = url.label(plan.target, plan.address)
  errors.raise("timeout", ("no whole answer from %s within %g s"):format(label, plan.timeout),
    { after = plan.timeout, url = label, sent = true, retryable = plan.idempotent })
end

local function perform_in_time(plan, started)
  return send(plan, time_left(plan, started))
end

-- One of the hops after the first. What has led here has been carried out: if that must not happen twice, no failure
-- of a later one may say that all of it can be sent again.
local function hop(first, plan, started)
  if first.idempotent then return perform_in_time(plan, started) end
  local ok, answer = pcall(perform_in_time, plan, started)
  if ok then return answer end
  if type(answer) == "table" then answer.sent, answer.retryable = true, false end
  error(answer, 0)
end

--- Sends and returns the answer. The plan stays as it is.
---@param plan tusk.http.Plan
---@param started number|nil when the caller began, on core.now()'s clock; nil: now
---@return tusk.http.Response
function exchange.run(plan, started)
  local answer = send(plan, started and time_left(plan, started) or plan.timeout)
  if plan.redirects == 0 or not REDIRECT[answer.status] then return answer end
  started = started or core.now() - answer.elapsed
  local first, hops = plan, 0
  while REDIRECT[answer.status] and answer.headers.location do
    local spent = answer.elapsed
    hops = hops + 1
    plan = follow(plan, answer, hops)
    answer = hop(first, plan, started)
    answer.elapsed = spent + answer.elapsed
  end
  return answer
end

return exchange

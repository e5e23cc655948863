-- api_client: the endpoints of an HTTP API as functions, under one policy. See README.md.
local answer = require "tusk.plugins.api_client.answer"
local endpoint = require "tusk.plugins.api_client.endpoint"
local manifest = require "tusk.plugins.api_client.manifest"
local several = require "tusk.plugins.api_client.several"
local tusk = require "tusk"

local check = tusk.check
local api_client = {}

---@class tusk.api_client.Options
---@field name string|nil for messages and figures, "api"
---@field base string "https://api.example.com/v1"
---@field endpoints table<string, string|tusk.api_client.Endpoint>
---@field auth table|nil names of variables: { bearer = "API_TOKEN" }, { basic = { "API_USER", "API_PASSWORD" } } or
---  { header = "X-Api-Key", env = "API_KEY" }
---@field headers table<string, string>|nil
---@field timeout string|number|nil of a call with all its attempts, "30s"
---@field attempt_timeout string|number|nil "10s"
---@field retry table|boolean|nil as of @http, true
---@field breaker table|boolean|nil as of @http, true
---@field limiter table|nil
---@field bulkhead table|nil
---@field hedge table|string|nil
---@field concurrency integer|nil how many of fetch_multiple at a time, 8

---@class tusk.api_client.Api the endpoints by name, each fn(params, options) or fn(value …)
---@field client table the API's @http.client
---@field fetch_multiple fun(requests: table, more: table|nil): table, table|nil

local PASSED = { "limiter", "bulkhead", "hedge", "tls", "proxy", "unix", "max_body", "max_connections", "connect_timeout",
  "redirects" } -- to @http.client
local OPTIONS = { "name", "base", "endpoints", "auth", "headers", "timeout", "attempt_timeout", "retry", "breaker",
  "concurrency", unpack(PASSED) }
local CALL = { "timeout", "headers", "retry", "idempotency_key", "response" }
local RESERVED = { fetch_multiple = true, client = true }

local function set_auth(opts, auth)
  check.options(check.table("auth", auth), { "bearer", "basic", "header", "env" })
  if auth.bearer then
    opts.bearer = @env.secret(check.string("auth.bearer", auth.bearer))
  elseif auth.basic then
    local names = check.table("auth.basic", auth.basic)
    opts.basic = { @env.require(check.string("auth.basic[1]", names[1])), @env.secret(check.string("auth.basic[2]", names[2])) }
  elseif auth.header then
    opts.headers[check.string("auth.header", auth.header)] = @env.secret(check.string("auth.env", auth.env))
  else
    check.fail('auth: { bearer = "VARIABLE" }, { basic = { "VARIABLE", "VARIABLE" } } or { header =, env = } expected',
      { argument = "auth" })
  end
end

local function or_default(v, default)
  if v == nil then return default end
  return v or nil
end

-- A policy's part, made once where its options are given: two clients may share it.
local function part(make, v, name)
  if not v or type(v) == "table" and getmetatable(v) then return v or nil end
  if v == true then v = {} end
  if type(v) == "string" then v = { after = v } end
  local all = { name = name }
  for option, value in pairs(check.table("policy", v)) do all[option] = value end
  return make(all)
end

-- What @http.client is given.
local function client_options(opts)
  local all = {
    base = check.string("base", opts.base), headers = {},
    timeout = or_default(opts.timeout, "30s"), attempt_timeout = or_default(opts.attempt_timeout, "10s"),
    retry = or_default(opts.retry, true),
  }
  for name, value in pairs(check.opt_table("headers", opts.headers) or {}) do all.headers[name] = value end
  for _, name in ipairs(PASSED) do all[name] = opts[name] end
  all.breaker = part(@breaker, or_default(opts.breaker, true), opts.name)
  all.limiter, all.bulkhead = part(@limiter, opts.limiter, opts.name), part(@bulkhead, opts.bulkhead, opts.name)
  all.hedge = part(@hedge, opts.hedge, opts.name)
  if opts.auth ~= nil then set_auth(all, opts.auth) end
  return all
end

local function unsafe(retry)
  local all = { unsafe = true }
  for name, value in pairs(type(retry) == "table" and retry or {}) do all[name] = value end
  return all
end

-- The client for requests that may be repeated whatever their method: the same but for that.
local function repeating(self)
  if not self.repeating then
    local all = {}
    for name, value in pairs(self.options) do all[name] = value end
    all.retry = all.retry and unsafe(all.retry)
    self.repeating = @http.client(all)
  end
  return self.repeating
end

local function headers_of(point, opts)
  local key = opts.idempotency_key or point.options.idempotency_key and @random.uuid()
  if not key and not point.options.headers then return opts.headers end
  local all = {}
  for _, list in ipairs { point.options.headers or {}, opts.headers or {} } do
    for name, value in pairs(list) do all[name] = value end
  end
  if key then all["Idempotency-Key"] = key end
  return all
end

-- What is to be sent; all of it is checked, none of it sent.
local function request(self, point, ...)
  local path, query, body, opts = endpoint.fill(point, ...)
  check.options(opts, CALL)
  local sent = {
    method = point.method, url = path, query = query, timeout = opts.timeout or point.options.timeout,
    retry = opts.retry and point.options.idempotent and unsafe(opts.retry) or opts.retry, headers = headers_of(point, opts),
  }
  if body ~= nil then sent[point.encode] = body end
  return sent, opts
end

local function send(self, point, sent, opts)
  local client = point.options.idempotent and repeating(self) or self.client
  local ok, response = pcall(client.send, sent)
  if not ok then error(answer.dress(response, self.name, point.name), 0) end
  if opts.response then return response end
  return answer.value(response, self.name, point.name, point.options.absent)
end

local function add_endpoint(self, api, name, said)
  if type(name) ~= "string" or not name:find("^[%a_][%w_]*$") or RESERVED[name] then
    check.fail(("endpoints: %q is no name for one"):format(tostring(name)), { argument = "endpoints" })
  end
  local point, called = endpoint.new(name, said), self.name .. "." .. name
  self.prepare[name] = function(...)
    local sent, opts = request(self, point, ...)
    return function() return send(self, point, sent, opts) end
  end
  api[name] = function(...)
    check.dotted((...), called)
    return send(self, point, request(self, point, ...))
  end
end

local function names_of(self)
  local names = {}
  for name in pairs(self.prepare) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- The function of an endpoint that does not exist: raises.
local function unknown(self, name)
  local names = names_of(self)
  local hint, near = check.hint(tostring(name), names)
  check.fail(("%s has no endpoint %q%s"):format(self.name, tostring(name), hint),
    { suggestion = near, help = { "endpoints: " .. table.concat(names, ", ") } })
end

local function at_least_one(name, value)
  if value == nil or check.integer(name, value) >= 1 then return value end
  check.fail(("%s: at least 1 is needed, got %d"):format(name, value), { argument = name })
end

--- The endpoints of an API as functions, called with a dot: api.user_history { id = 7 }, or api.user_history(7).
---@param opts tusk.api_client.Options
---@param api table|nil what they are put into
---@return tusk.api_client.Api
function api_client.new(opts, api)
  check.options(check.table("options", opts), OPTIONS)
  api = api or {}
  local own = {}
  for name, value in pairs(opts) do own[name] = value end
  own.name = check.opt_string("name", opts.name) or "api"
  own.concurrency = at_least_one("concurrency", opts.concurrency)
  local self = { name = own.name, options = client_options(own), prepare = {} }
  self.client = @http.client(self.options)
  for name, said in pairs(check.table("endpoints", opts.endpoints)) do add_endpoint(self, api, name, said) end
  function self.unknown(name) unknown(self, name) end

  local called = self.name .. ".fetch_multiple"

  --- The API's @http.client, for what is not declared.
  api.client = self.client

  --- Several endpoints side by side: { user = { "user", { id = 7 } }, news = "news" }.
  ---@param requests table<any, string|table> name → an endpoint, or { endpoint, parameters … }
  ---@param more { concurrency: integer|nil, timeout: string|number|nil }|nil
  ---@return table<any, any> results by name, table<any, tusk.Error>|nil failed by name; nil when nothing has
  function api.fetch_multiple(requests, more)
    check.dotted(requests, called)
    return several(self, requests, more, own.concurrency)
  end

  return setmetatable(api, { __namespace = true, __index = function(_, name) unknown(self, name) end })
end

--- A whole plugin: return require("tusk.plugins.api_client").plugin("github", { base = …, endpoints = … }). Settings of its
--- section of tusk.lua go before what is said here.
---@param name string of the plugin, and of its operator unless that is given
---@param opts tusk.api_client.Options base and endpoints may be left to tusk.lua
---@param operator string|nil
function api_client.plugin(name, opts, operator)
  return manifest(api_client.new, check.string("name", name), check.options(opts, OPTIONS), operator or name)
end

return api_client

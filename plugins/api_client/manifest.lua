-- manifest: a client as a plugin: what tusk.lua may say of it.

local function fields_of(opts)
  return {
    base = { type = "string", default = opts.base, required = opts.base == nil, doc = "what every path is put behind" },
    endpoints = { type = "table", default = {}, doc = 'name → "GET /users/{id}?page", or { "GET /…", absent = true }' },
    auth = { type = "table", doc = 'names of variables: { bearer = "API_TOKEN" }' },
    headers = { type = "table", doc = "sent with every request" },
    timeout = { type = "duration", default = opts.timeout or "30s", doc = "of a call with all its attempts" },
    attempt_timeout = { type = "duration", default = opts.attempt_timeout or "10s", doc = "of one attempt" },
    attempts = { type = "integer", default = 3, doc = "how often a request is sent that may be repeated" },
    rate = { type = "number", doc = "how many requests there may be in `per`; any number if not set" },
    per = { type = "duration", default = "1s", doc = "see rate" },
    burst = { type = "integer", default = 1, doc = "how many of them at once after a pause" },
    breaker = { type = "boolean", default = true, doc = "whether a server that fails is left alone for a while" },
    concurrency = { type = "integer", default = opts.concurrency or 8, doc = "how many of fetch_multiple at a time" },
  }
end

local function with_endpoints(own, configured)
  local all = {}
  for _, list in ipairs { own or {}, configured } do
    for name, said in pairs(list) do all[name] = said end
  end
  return all
end

local function retry_with(retry, attempts)
  if attempts <= 1 or retry == false then return false end
  local all = { attempts = attempts }
  for name, value in pairs(type(retry) == "table" and retry or {}) do
    if name ~= "attempts" then all[name] = value end
  end
  return all
end

-- What the plugin itself says, and what tusk.lua makes of it.
local function configured(name, opts, cfg)
  local all = {}
  for option, value in pairs(opts) do all[option] = value end
  for _, option in ipairs { "base", "auth", "headers", "timeout", "attempt_timeout", "concurrency" } do
    if cfg[option] ~= nil then all[option] = cfg[option] end
  end
  all.name = opts.name or name
  all.endpoints = with_endpoints(opts.endpoints, cfg.endpoints)
  all.retry = retry_with(opts.retry, cfg.attempts)
  all.breaker = cfg.breaker and (opts.breaker == nil or opts.breaker)
  if cfg.rate then all.limiter = { rate = cfg.rate, per = cfg.per, burst = cfg.burst, name = all.name } end
  return all
end

--- A manifest whose operator is made in setup.
---@param new fun(opts: tusk.api_client.Options, api: table) api_client.new
---@param name string
---@param opts tusk.api_client.Options what the plugin itself says
---@param operator string
return function(new, name, opts, operator)
  local api = {}
  return {
    name = name,
    config = fields_of(opts),
    setup = function(_, cfg) new(configured(operator, opts, cfg), api) end,
    operators = { [operator] = api },
  }
end

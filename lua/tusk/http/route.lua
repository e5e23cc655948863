-- route.lua: the way to a server: proxies, local sockets, TLS; checked.
local raw = require "tusk.binding.curl"
local check = require "tusk.check"
local headers = require "tusk.http.headers"

local route = {}

local PROXIES = { "http", "https", "socks5", "socks5h" }
local UNIX_MAX = 107 -- bytes of a socket's path, as the kernel has them

local function refuse_proxy(why)
  check.fail("proxy: " .. why, { argument = "proxy" })
end

local function proxy_scheme(text)
  local scheme, rest = text:match("^(%a[%w+.-]*)://(.*)$")
  if not scheme then refuse_proxy('write its scheme too, such as "http://host:3128"') end
  for _, known in ipairs(PROXIES) do
    if scheme:lower() == known then return known, rest end
  end
  refuse_proxy(("%q is none of %s%s"):format(scheme, table.concat(PROXIES, ", "), (check.hint(scheme, PROXIES))))
end

-- What follows the scheme is as in any URL, and libcurl's parser takes it apart.
local function proxy_parts(rest)
  if rest:find("[%c ]") then refuse_proxy("a space or a control character") end
  local parts, why = raw.url("http://" .. rest)
  if not parts then refuse_proxy(why) end
  local authority, path = rest:match("^([^/?#]*)(.*)$")
  if path ~= "" and path ~= "/" then refuse_proxy("a path, query or fragment behind its port") end
  if not authority:find(":%d+$") then refuse_proxy('write its port too, such as "http://host:3128"') end
  return authority, parts
end

-- The URL for libcurl, and what messages call it: credentials are not shown.
local function proxy_of(text)
  local scheme, rest = proxy_scheme(check.string("proxy", headers.reveal(text)))
  local authority, parts = proxy_parts(rest)
  return ("%s://%s"):format(scheme, authority), ("%s:%s"):format(parts.host, parts.port)
end

local function unix_of(path)
  check.string("unix", path)
  if path == "" or path:find("%z") then check.fail("unix: not a socket's path", { argument = "unix" }) end
  if #path > UNIX_MAX then
    check.fail(("unix: a socket's path has at most %d bytes, this one has %d"):format(UNIX_MAX, #path),
      { argument = "unix" })
  end
  return path
end

local NO_TLS = {}
route.NO_TLS = NO_TLS

local function tls_of(tls)
  if tls == nil then return NO_TLS end
  tls = check.options(tls, { "ca", "cert", "key", "insecure" })
  for _, name in ipairs { "ca", "cert", "key" } do
    if check.opt_string("tls." .. name, tls[name]) and tls[name]:find("%z") then
      check.fail("tls." .. name .. " cannot contain a zero byte")
    end
  end
  check.opt_boolean("tls.insecure", tls.insecure)
  return { ca = tls.ca, cert = tls.cert, key = tls.key, insecure = tls.insecure } -- the caller may change his
end

--- Sets what a plan's way is; raises kind `argument`.
---@param plan tusk.http.Plan
---@param opts table with proxy, unix and tls
function route.set(plan, opts)
  plan.tls = tls_of(opts.tls)
  if opts.proxy == "env" then
    plan.proxy, plan.through = true, "the environment's proxy"
  elseif opts.proxy then
    local shown
    plan.proxy, shown = proxy_of(opts.proxy)
    plan.through = "the proxy " .. shown
  end
  if opts.unix ~= nil then
    if opts.proxy then check.fail("unix and proxy exclude each other", { argument = "unix" }) end
    plan.unix = unix_of(opts.unix)
  end
end

--- Where a plan connects to, as messages call it.
function route.peer(plan)
  if plan.unix then return plan.unix end
  -- With a proxy of the environment nobody knows here whether it is for this server.
  if not plan.through or plan.proxy == true then return plan.target.peer end
  return plan.target.peer .. " through " .. plan.through
end

return route

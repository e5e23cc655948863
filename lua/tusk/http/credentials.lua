-- credentials.lua: what a request proves who it is with, checked.
local check = require "tusk.check"
local headers = require "tusk.http.headers"

local credentials = {}

local function user_and_password(basic)
  basic = headers.reveal(basic)
  if type(basic) == "string" then
    local user, password = basic:match("^([^:]*):(.*)$")
    if not user then check.fail('basic: write "user:password" or { user, password }', { argument = "basic" }) end
    return user, password
  end
  check.table("basic", basic)
  local user = check.string("basic[1]", headers.reveal(basic[1]))
  local password = check.string("basic[2]", headers.reveal(basic[2]))
  if user:find(":", 1, true) then check.fail("basic: a user's name cannot contain a colon", { argument = "basic" }) end
  return user, password
end

local function exclude(opts)
  if opts.bearer ~= nil and opts.basic ~= nil then
    check.fail("bearer and basic exclude each other", { argument = "basic" })
  end
end

local function bearer_of(bearer)
  return headers.check_value("bearer", check.string("bearer", headers.reveal(bearer)))
end

--- Checks what a client is given.
function credentials.check(opts)
  exclude(opts)
  if opts.bearer ~= nil then bearer_of(opts.bearer) end
  if opts.basic ~= nil then user_and_password(opts.basic) end
end

--- Sets a plan's: those of the options, or of its URL.
---@param plan tusk.http.Plan
function credentials.set(plan, opts)
  exclude(opts)
  if opts.bearer ~= nil then
    plan.bearer = bearer_of(opts.bearer)
  elseif opts.basic ~= nil then
    plan.user, plan.password = user_and_password(opts.basic)
  else
    plan.user, plan.password = plan.target.user, plan.target.user and plan.target.password or nil
  end
  if plan.user and (plan.user .. (plan.password or "")):find("%z") then check.fail("basic: a zero byte") end
end

return credentials

-- failure.lua: what the server, or the binding, says went wrong, as errors with kinds.
local check = require "tusk.check"
local errors = require "tusk.errors"
local names = require "tusk.redis.names"

local failure = {}

-- Errors that pass by themselves: the same command may be sent again later.
local PASSING = {
  LOADING = true, READONLY = true, MASTERDOWN = true, BUSY = true, TRYAGAIN = true, CLUSTERDOWN = true,
  NOREPLICAS = true,
}

local KINDS = { NOAUTH = "redis.auth", WRONGPASS = "redis.auth" }

-- "unknown command 'gett', with args beginning with: …": the arguments are nobody's business in a log.
local function unknown_command(message)
  local name = message:match("^unknown command ['`]([^'`]*)['`]")
  if not name then return message end
  local hint, near = check.hint(name, names.known)
  return ('there is no command "%s"%s'):format(name:lower(), hint), near
end

--- The error for what the server answered.
---@param text string such as "WRONGTYPE Operation against a key holding the wrong kind of value"
---@return tusk.Error
function failure.of_reply(text)
  local code, rest = text:match("^(%u[%u%d_]*) ?(.*)$")
  code = code or "ERR"
  local message, near = code == "ERR" and (rest or text) or text, nil
  if code == "ERR" then message, near = unknown_command(message) end
  return errors.new(KINDS[code] or "redis.reply", message, {
    code = code, suggestion = near, retryable = PASSING[code] or nil,
  })
end

local MESSAGES = {
  ["redis.connect"] = "cannot connect to %s: %s",
  ["redis.auth"] = "%s refuses the login: %s",
  ["redis.disconnected"] = "the connection to %s was lost: %s",
  ["redis.protocol"] = "%s does not speak as Redis does: %s",
  timeout = "%s: %s",
  closed = "%s: %s",
  ["redis.busy"] = "%s: %s",
}

-- What may be tried again, and what may be if it had not been sent.
local ALWAYS = { ["redis.connect"] = true, ["redis.busy"] = true }
local UNSENT = { ["redis.disconnected"] = true, timeout = true }

local UNKNOWN = { "it had been sent: whether it was carried out is not known" }

--- Called by the binding for what is not an answer; raises.
---@param kind string
---@param text string
---@param label string where the server is
---@param sent boolean the command had left
function failure.raise(kind, text, label, sent)
  if kind == "redis.reply" then error(failure.of_reply(text), 0) end
  errors.raise(kind, MESSAGES[kind]:format(label, text), {
    sent = sent or nil, help = sent and UNKNOWN or nil, server = label,
    retryable = ALWAYS[kind] or UNSENT[kind] and not sent or nil,
  })
end

return failure

-- client.lua: a server, and sending by it.
local check = require "tusk.check"
local connection = require "tusk.email.connection"
local core = require "tusk.core"
local dialogue = require "tusk.email.dialogue"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local message = require "tusk.email.message"
local operators = require "tusk.operators"
local options = require "tusk.email.options"

local client = {}

local IDLE = 30 -- seconds that a connection is kept for the next message

local function pool_of(server)
  return operators.get("pool") {
    open = function() return connection.open(server) end, close = connection.close, check = connection.usable,
    max = server.max_connections, idle = IDLE,
  }
end

-- A kept connection may end at the very moment it is used again: nothing was handed over by then.
local function was_stale(conn, e)
  return conn.used and type(e) == "table" and not e.sent
    and (errors.is(e, "email.connect") or e.code == 421) and not conn.amid
end

local function attempt(conn, mail, msg, progress)
  progress.conn = conn
  return dialogue.run(conn, mail, msg)
end

local function deliver(pool, mail, msg, progress)
  local ok, result = pcall(pool.with, pool, attempt, mail, msg, progress)
  if ok then return result end
  local conn = progress.conn
  progress.conn = nil
  if not conn or not was_stale(conn, result) then error(result, 0) end
  return pool:with(attempt, mail, msg, progress)
end

-- The whole of it within the timeout. Whether the message was taken is known from what was cut off.
local function in_time(pool, mail, msg, server)
  local progress, cut = {}, nil
  local ok, result = pcall(core.timeout, mail.timeout, function()
    local done, value = pcall(deliver, pool, mail, msg, progress)
    if done then return value end
    cut = value
    error(value, 0)
  end)
  if ok then return result end
  if errors.is(result, "timeout") and errors.is(cut, "cancelled") then
    local sent = cut.sent or false
    result.sent, result.retryable, result.server = sent, not sent, server.peer
  end
  error(result, 0)
end

local function check_size(msg, server)
  if msg.size <= server.max_size then return end
  errors.raise("email.too_large", ("the message has %.0f bytes; max_size is %.0f"):format(msg.size, server.max_size),
    { size = msg.size, limit = server.max_size, sent = false, retryable = false })
end

local function as_options(namespace, first, subject, text)
  dots.check("email", namespace, first, "send{ to =, subject =, text = }")
  if type(first) == "table" and subject == nil and text == nil then return first end
  return { to = first, subject = subject, text = check.string("text", text) }
end

local meta = { __name = "tusk.email.Client", __namespace = true }

function meta.__index(self, key)
  local names = {}
  for name in pairs(self) do names[#names + 1] = name end
  check.fail(("a client has no function %q%s"):format(tostring(key), (check.hint(tostring(key), names))))
end

--- A table with `send` and `close`. The options are looked at with the first message.
---@param opts table
function client.namespace(opts)
  local email, server, pool, closed = {}, nil, nil, false

  local function prepare()
    if server then return end
    if opts.url == nil then
      check.fail("there is no mail server: set email.url in tusk.lua, or use @email.client{ url = }", { argument = "url" })
    end
    server = options.client(opts)
    pool = pool_of(server)
  end

  --- Sends one message: send(to, subject, text) or send{ to =, subject =, … }.
  ---@return table result { id, accepted, rejected = { { address, code, message } }, reply }
  function email.send(first, subject, text)
    if closed then errors.raise("closed", "the mail client was closed") end
    prepare()
    local mail = options.mail(as_options(email, first, subject, text), server)
    core.checkpoint()
    local msg = message.new(mail)
    check_size(msg, server)
    return in_time(pool, mail, msg, server)
  end

  --- Closes the connections that are kept.
  function email.close()
    closed = true
    if pool then pool:close() end
  end

  return email
end

--- A client of a server of its own: its functions are called with dots, like those of @email itself.
---@param opts table see docs/operators/email.md
function client.new(opts)
  local copy = {}
  for name, value in pairs(check.table("options", opts)) do copy[name] = value end
  options.client(copy)
  return setmetatable(client.namespace(copy), meta)
end

return client

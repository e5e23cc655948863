-- connection.lua: connections to a server, ready for messages.
local core = require "tusk.core"
local errors = require "tusk.errors"
local operators = require "tusk.operators"
local raw = require "tusk.binding.curl"

local settle = core.settle

local connection = {}

local warned = {} -- peer → true, bounded by the program's own list of servers

local function warn_insecure(server)
  if not server.tls.insecure or warned[server.peer] or not operators.exists("log") then return end
  warned[server.peer] = true
  operators.get("log").warn("the TLS certificate of " .. server.peer .. " is not verified (tls.insecure)")
end

-- What the last EHLO was answered with: what came before STARTTLS could be anybody's.
local function extensions_of(said)
  local found, after = {}, {}
  for code, mark, text in said:gmatch("(%d%d%d)([ -]?)([^\r\n]*)\r?\n") do
    after[#after + 1] = text
    if mark ~= "-" then
      if code == "250" then found = after end
      after = {}
    end
  end
  local extensions = {}
  for i = 2, #found do -- the first is the server's name
    local name, parameters = found[i]:match("^(%S+)%s*(.*)$")
    if name then extensions[name:upper()] = parameters end
  end
  return extensions
end

--- A new one: connected, encrypted, authenticated as the server's entry says.
---@param server table from options.client
---@return tusk.email.Connection
function connection.open(server)
  warn_insecure(server)
  local handle, said = settle(raw.mail_open(server))
  local conn = { raw = handle, peer = server.peer, extensions = extensions_of(said), used = false, amid = false }
  if server.user and not conn.extensions.AUTH then -- libcurl would go on without
    raw.mail_close(handle)
    errors.raise("email.auth", server.peer .. " does not let anybody authenticate" ..
      ((server.encrypted or server.starttls) and "" or " (without TLS: starttls = true)"),
      { server = server.peer, sent = false, retryable = false })
  end
  return conn
end

--- Is it still there, and silent?
function connection.usable(conn)
  return raw.mail_usable(conn.raw)
end

--- Closes it, with a word if there is room for one.
function connection.close(conn)
  raw.mail_close(conn.raw, not conn.amid and "QUIT\r\n" or nil)
end

return connection

-- dialogue.lua: one message over a connection (RFC 5321): MAIL, RCPT for each recipient, DATA.
local core = require "tusk.core"
local encode = require "tusk.email.encode"
local errors = require "tusk.errors"
local operators = require "tusk.operators"
local raw = require "tusk.binding.curl"

local settle = core.settle

local dialogue = {}

---@class tusk.email.Connection
---@field raw userdata
---@field peer string host:port
---@field extensions table what EHLO was answered with: { SIZE = "1000", STARTTLS = "" }
---@field used boolean a message went over it before
---@field amid boolean a message is half sent: the next bytes would belong to it

-- The reply's code, and its text without codes.
local function parse(reply)
  local lines = {}
  for line in reply:gmatch("[^\r\n]+") do lines[#lines + 1] = line:sub(5) end
  return tonumber(reply:sub(1, 3)), (table.concat(lines, " "):gsub("%c", " "))
end

local function ask(conn, bytes, final)
  return parse(settle(raw.mail_talk(conn.raw, bytes, true, final)))
end

--- Raises what a reply means that is not the one hoped for.
local function refuse(conn, what, code, text, fields)
  fields = fields or {}
  fields.server, fields.code, fields.reply, fields.sent = conn.peer, code, text, false
  local kind = code >= 500 and "email.rejected" or code >= 400 and "email.temporary" or "email.protocol"
  fields.retryable = kind == "email.temporary"
  errors.raise(kind, ("%s refuses %s: %d %s"):format(conn.peer, what, code, text), fields)
end

local function mail_from(conn, mail, message)
  local size = conn.extensions.SIZE and (" SIZE=%.0f"):format(message.size) or ""
  local code, text = ask(conn, ("MAIL FROM:<%s>%s\r\n"):format(mail.from.address, size))
  if code < 200 or code > 299 then refuse(conn, "the sender " .. mail.from.address, code, text) end
end

local function all_refused(conn, rejected)
  local worst = rejected[1]
  for _, r in ipairs(rejected) do
    if r.code >= 500 and worst.code < 500 then worst = r end
  end
  local what = rejected[2] and ("all %d recipients, %s among them"):format(#rejected, worst.address) or worst.address
  refuse(conn, what, worst.code, worst.message, { rejected = rejected })
end

-- 421: the server is about to close the connection.
local function recipients(conn, mail)
  local accepted, rejected = {}, {}
  for _, to in ipairs(mail.recipients) do
    local code, text = ask(conn, ("RCPT TO:<%s>\r\n"):format(to))
    if code >= 200 and code <= 299 then accepted[#accepted + 1] = to
    elseif code < 400 or code == 421 then refuse(conn, to, code, text)
    else rejected[#rejected + 1] = { address = to, code = code, message = text } end
  end
  if not accepted[1] then all_refused(conn, rejected) end
  return accepted, rejected
end

-- A line that is a dot ends the message, so one that begins with a dot gets another. Pieces are whole lines.
local function stuffed(text)
  if text:sub(1, 1) == "." then text = "." .. text end
  return (text:gsub("\r\n%.", "\r\n.."))
end

local function push(conn, bytes)
  local early = settle(raw.mail_talk(conn.raw, bytes))
  if early then refuse(conn, "the message", parse(early)) end
end

local function push_data(conn, bytes)
  for at = 1, #bytes, encode.PIECE do push(conn, encode.base64(bytes:sub(at, at + encode.PIECE - 1))) end
end

local function push_file(conn, file)
  local size = 0
  for bytes in operators.get("file").chunks(file.path, encode.PIECE) do
    size = size + #bytes
    if size > file.size then break end
    push(conn, encode.base64(bytes))
  end
  if size ~= file.size then
    errors.raise("file.changed", ("%s has changed while it was sent; the message was given up"):format(file.path),
      { path = file.path, server = conn.peer, sent = false, retryable = true })
  end
end

local function data(conn, message)
  local code, text = ask(conn, "DATA\r\n")
  if code ~= 354 then refuse(conn, "the message", code, text) end
  conn.amid = true
  for _, piece in ipairs(message.pieces) do
    if type(piece) == "string" then push(conn, stuffed(piece))
    elseif piece.data then push_data(conn, piece.data)
    else push_file(conn, piece) end
  end
  code, text = ask(conn, ".\r\n", true)
  conn.amid = false
  if code < 200 or code > 299 then refuse(conn, "the message", code, text) end
  return text
end

local function has_size(conn, message)
  local most = tonumber(conn.extensions.SIZE or "")
  if not most or most <= 0 or message.size <= most then return end
  errors.raise("email.too_large", ("the message has %.0f bytes, and %s takes %.0f at most"):format(message.size, conn.peer, most),
    { server = conn.peer, size = message.size, limit = most, sent = false, retryable = false })
end

--- Hands it over.
---@param conn tusk.email.Connection
---@param mail tusk.email.Mail
---@param message tusk.email.Message
---@return table result { id, accepted, rejected, reply }
function dialogue.run(conn, mail, message)
  has_size(conn, message)
  mail_from(conn, mail, message)
  local accepted, rejected = recipients(conn, mail)
  local reply = data(conn, message)
  conn.used = true
  return { id = message.id, accepted = accepted, rejected = rejected, reply = reply }
end

return dialogue

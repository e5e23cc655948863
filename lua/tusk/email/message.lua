-- message.lua: a message as it is sent: headers, texts, attachments (RFC 5322, 2045, 2046).
local address = require "tusk.email.address"
local encode = require "tusk.email.encode"
local operators = require "tusk.operators"
local words = require "tusk.email.words"

local message = {}

---@class tusk.email.Message
---@field id string "<…@example.com>"
---@field pieces (string|table)[] what is sent, in order: texts of whole lines, and what is encoded as base64 on the
---  way, { data } or a file { path, size }
---@field size number bytes in all

local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

-- Whatever the locale is.
local function date()
  local t = os.date("!*t", math.floor(operators.get("date").now()))
  return ("%s, %02d %s %04d %02d:%02d:%02d +0000"):format(DAYS[t.wday], t.day, MONTHS[t.month], t.year, t.hour, t.min, t.sec)
end

local function token()
  return operators.get("hash").hex(operators.get("random").bytes(16))
end

local function addresses(list)
  local shown = {}
  for i, a in ipairs(list) do shown[i] = address.shown(a) end
  return table.concat(shown, ", ")
end

local function address_header(name, list)
  return list[1] and words.header(name, addresses(list)) or ""
end

local function head(mail, id)
  local out = {
    words.header("Date", date()), words.header("Message-ID", id), address_header("From", { mail.from }),
    address_header("Reply-To", mail.reply_to), address_header("To", mail.to), address_header("Cc", mail.cc),
    words.header("Subject", words.text(mail.subject)),
  }
  if not mail.to[1] and not mail.cc[1] then out[#out + 1] = "To: undisclosed-recipients:;\r\n" end
  for _, h in ipairs(mail.headers) do out[#out + 1] = words.header(h.name, words.text(h.value)) end
  out[#out + 1] = "MIME-Version: 1.0\r\n"
  return table.concat(out)
end

-- ---- entities: lists of pieces, each beginning with its Content-Type ----

local function text_entity(kind, text)
  local body, how = encode.text(text)
  local start = ("Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n\r\n"):format(kind, how)
  return type(body) == "string" and { start .. body } or { start, body }
end

local function attachment_entity(a)
  local start = words.header("Content-Type", a.type) .. "Content-Transfer-Encoding: base64\r\n"
    .. "Content-Disposition: attachment;\r\n " .. words.parameter("filename", a.name) .. "\r\n\r\n"
  if a.size == 0 then return { start .. "\r\n" } end
  return { start, a.file and { path = a.file, size = a.size } or { data = a.data } }
end

-- The boundary is random: no text has it.
local function multipart(kind, entities)
  local boundary = token()
  local out = { ('Content-Type: multipart/%s;\r\n boundary="%s"\r\n\r\n'):format(kind, boundary) }
  for _, entity in ipairs(entities) do
    out[#out + 1] = "--" .. boundary .. "\r\n"
    for _, piece in ipairs(entity) do out[#out + 1] = piece end
  end
  out[#out + 1] = "--" .. boundary .. "--\r\n"
  return out
end

local function body(mail)
  local entity
  if mail.text and mail.html then
    entity = multipart("alternative", { text_entity("plain", mail.text), text_entity("html", mail.html) })
  else
    entity = text_entity(mail.html and "html" or "plain", mail.html or mail.text or "")
  end
  if not mail.attachments[1] then return entity end
  local entities = { entity }
  for _, a in ipairs(mail.attachments) do entities[#entities + 1] = attachment_entity(a) end
  return multipart("mixed", entities)
end

local function size_of(pieces)
  local total = 0
  for _, piece in ipairs(pieces) do
    total = total + (type(piece) == "string" and #piece or encode.base64_size(piece.size or #piece.data))
  end
  return total
end

--- What a checked mail is sent as.
---@param mail tusk.email.Mail
---@return tusk.email.Message
function message.new(mail)
  local id = ("<%s@%s>"):format(token(), mail.from.address:match("@(.*)$"))
  local pieces = body(mail)
  pieces[1] = head(mail, id) .. pieces[1]
  return { id = id, pieces = pieces, size = size_of(pieces) }
end

return message

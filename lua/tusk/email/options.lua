-- options.lua: what a caller asked for, checked before anything is sent.
local address = require "tusk.email.address"
local check = require "tusk.check"
local errors = require "tusk.errors"
local operators = require "tusk.operators"
local secret = require "tusk.secret"
local url = require "tusk.email.url"
local words = require "tusk.email.words"

local options = {}

local CLIENT = check.names {
  "url", "from", "starttls", "tls", "bearer", "timeout", "connect_timeout", "max_size", "max_connections",
}
local MAIL = check.names {
  "to", "cc", "bcc", "from", "reply_to", "subject", "text", "html", "attachments", "headers", "timeout",
}
local ATTACHMENT = check.names { "name", "data", "file", "type" }

local TIMEOUT, CONNECT_TIMEOUT = 60, 10 -- seconds
local MAX_SIZE = 25 * 1024 * 1024
local MAX_CONNECTIONS = 4
local RECIPIENTS_MAX, NAME_MAX = 1000, 255

local function fail(what, why)
  check.fail(what .. ": " .. why, { argument = what })
end

-- ---- a client ----

local function tls_of(tls)
  tls = check.options(tls, { "ca", "cert", "key", "insecure" })
  for _, name in ipairs { "ca", "cert", "key" } do
    if check.opt_string("tls." .. name, tls[name]) and tls[name]:find("%z") then fail("tls." .. name, "a zero byte") end
  end
  check.opt_boolean("tls.insecure", tls.insecure)
  return { ca = tls.ca, cert = tls.cert, key = tls.key, insecure = tls.insecure }
end

-- Without TLS a password and the message could be read on the way, unless there is no way.
local function starttls_of(opts, target)
  if check.opt_boolean("starttls", opts.starttls) == nil then return target.scheme == "smtp" and not target.here end
  if opts.starttls and target.scheme == "smtps" then fail("starttls", "smtps:// has TLS from the start") end
  return opts.starttls
end

local function bearer_of(opts, target)
  local bearer = secret.is(opts.bearer) and opts.bearer:reveal() or check.opt_string("bearer", opts.bearer)
  if not bearer then return nil end
  if bearer == "" or bearer:find("[%c%s]") then fail("bearer", "a space or a control character, or nothing at all") end
  return bearer, target.user or fail("bearer", "it needs a user: smtp://user:-@host")
end

--- A client's options.
---@return table server { address, peer, user, password, … }, as the binding takes it, and what goes for all messages
function options.client(opts)
  check.options(opts, CLIENT)
  local target = url.parse(opts.url)
  local most = check.opt_integer("max_connections", opts.max_connections) or MAX_CONNECTIONS
  if most < 1 then fail("max_connections", "1 or more expected") end
  local bearer = bearer_of(opts, target)
  return {
    address = target.address, peer = target.peer, user = target.user, password = not bearer and target.password or nil,
    bearer = bearer, starttls = starttls_of(opts, target), tls = tls_of(opts.tls), max_connections = most,
    from = opts.from ~= nil and address.parse("from", opts.from) or nil,
    connect_timeout = check.duration("connect_timeout", opts.connect_timeout, CONNECT_TIMEOUT),
    timeout = check.duration("timeout", opts.timeout, TIMEOUT), max_size = check.size("max_size", opts.max_size, MAX_SIZE),
    encrypted = target.scheme == "smtps",
  }
end

-- ---- a message ----

---@class tusk.email.Mail
---@field from tusk.email.Address
---@field to tusk.email.Address[]
---@field cc tusk.email.Address[]
---@field reply_to tusk.email.Address[]
---@field recipients string[] all of them, bcc too, each once
---@field subject string
---@field text string|nil
---@field html string|nil
---@field attachments table[] { name, type, data | file, size }
---@field headers table[] { name, value }

local OWN = {} -- headers that follow from the rest
for name in ([[date message-id from sender reply-to to cc bcc subject mime-version content-type
  content-transfer-encoding content-disposition return-path received dkim-signature]]):gmatch("%S+") do OWN[name] = true end

local function header_name(name)
  if type(name) ~= "string" or name == "" or name:find("[^%w!#$%%&'*+.^_`|~-]") or #name > 70 then
    fail("headers", ("%q is not the name of a header"):format(tostring(name)))
  end
  if OWN[name:lower()] then fail("headers", name .. " follows from the other options") end
  return name
end

local function header_value(name, value)
  if type(value) == "number" then value = tostring(value) end
  return words.check("headers." .. name, value)
end

local function headers_of(t)
  local names, list = {}, {}
  for name in pairs(check.opt_table("headers", t) or {}) do names[#names + 1] = header_name(name) end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = t[name]
    for _, v in ipairs(type(value) == "table" and value or { value }) do
      list[#list + 1] = { name = name, value = header_value(name, v) }
    end
  end
  return list
end

local function body_of(what, text)
  if check.opt_string(what, text) and not words.is_utf8(text) then fail(what, "it is not UTF-8; attach what is no text") end
  return text
end

local TYPES = {
  txt = "text/plain; charset=utf-8", csv = "text/csv; charset=utf-8", html = "text/html; charset=utf-8",
  json = "application/json", pdf = "application/pdf", zip = "application/zip", gz = "application/gzip",
  png = "image/png", jpg = "image/jpeg", jpeg = "image/jpeg", gif = "image/gif", svg = "image/svg+xml",
  ics = "text/calendar; charset=utf-8", xml = "application/xml",
}

local function type_of(what, kind, name)
  if kind == nil then return TYPES[(name:match("%.(%w+)$") or ""):lower()] or "application/octet-stream" end
  words.check(what, kind)
  if not kind:find("^[%w!#$&^_.+-]+/[%w!#$&^_.+-]+%f[%z; ]") or kind:find("[\128-\255]") or #kind > NAME_MAX then
    fail(what, ('%q is not a media type such as "image/png"'):format(kind))
  end
  local family = kind:lower():match("^[^/]*")
  if family == "message" or family == "multipart" then -- base64 is not for these: RFC 2045, 6.4
    fail(what, kind .. " cannot be attached as it is; use application/octet-stream")
  end
  return kind
end

local function size_of(what, path)
  local entry = operators.get("file").metadata(path)
  if not entry then errors.raise("file.not_found", what .. ".file: there is no " .. path, { path = path }) end
  if entry.type ~= "file" then fail(what .. ".file", ("%s is a %s"):format(path, entry.type)) end
  return entry.size
end

local function attachment(what, given)
  check.options(check.table(what, given), ATTACHMENT)
  if (given.data == nil) == (given.file == nil) then fail(what, "either data or file is needed") end
  local path = check.opt_string(what .. ".file", given.file)
  local name = words.check(what .. ".name", given.name or path and path:match("([^/]*)$"))
  if name == "" or #name > NAME_MAX then fail(what .. ".name", "1 to 255 bytes expected") end
  local data = check.opt_string(what .. ".data", given.data)
  return { name = name, data = data, file = path, size = data and #data, type = type_of(what .. ".type", given.type, name) }
end

local function attachments_of(t)
  local list = {}
  for i, given in ipairs(check.opt_table("attachments", t) or {}) do
    list[i] = attachment(("attachments[%d]"):format(i), given)
  end
  if t and not list[1] and next(t) ~= nil then fail("attachments", "a list of tables expected") end
  return list
end

local function recipients_of(...)
  local all, seen = {}, {}
  for i = 1, select("#", ...) do
    for _, a in ipairs((select(i, ...))) do
      if not seen[a.address] then
        all[#all + 1], seen[a.address] = a.address, true
      end
    end
  end
  if not all[1] then fail("to", "nobody to send it to") end
  if #all > RECIPIENTS_MAX then fail("to", ("%d recipients are more than %d"):format(#all, RECIPIENTS_MAX)) end
  return all
end

local function from_of(opts, server)
  if opts.from ~= nil then return address.parse("from", opts.from) end
  return server.from or fail("from", "who sends it? Set email.from in the configuration, or give it")
end

--- A message's options. Files are only looked at, once all else is right.
---@return tusk.email.Mail
function options.mail(opts, server)
  check.options(opts, MAIL)
  local to, cc, bcc = address.list("to", opts.to), address.list("cc", opts.cc), address.list("bcc", opts.bcc)
  local mail = {
    from = from_of(opts, server), to = to, cc = cc, reply_to = address.list("reply_to", opts.reply_to),
    recipients = recipients_of(to, cc, bcc), subject = words.check("subject", opts.subject),
    text = body_of("text", opts.text), html = body_of("html", opts.html), headers = headers_of(opts.headers),
    attachments = attachments_of(opts.attachments),
    timeout = check.duration("timeout", opts.timeout, server.timeout),
  }
  if not mail.text and not mail.html and not mail.attachments[1] then fail("text", "text, html or attachments are needed") end
  for i, a in ipairs(mail.attachments) do
    if a.file then a.size = size_of(("attachments[%d]"):format(i), a.file) end
  end
  return mail
end

return options

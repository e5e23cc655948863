-- smtp.lua: a private SMTP server for specs (aiosmtpd), on a free port, stopped by its own id. What arrives is read by
-- Python's email package, not by anything of ours.
local core = require "tusk.core"
local program = require "spec.support.program"
local raw_server = require "spec.support.raw_server"
local temp = require "spec.support.temp"

local smtp = {}

local Server = {}
Server.__index = Server

local PYTHON = "/usr/bin/python3" -- Debian's, which has Debian's aiosmtpd

--- A certificate for localhost, and one for another name: { cert, key, other_cert, other_key }, files in the folder.
function smtp.certificates(dir)
  local paths = {}
  for prefix, name in pairs { [""] = "localhost", other_ = "elsewhere.example" } do
    local key, cert = dir .. "/" .. prefix .. "key.pem", dir .. "/" .. prefix .. "cert.pem"
    local r = program.run({ "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
      "-subj", "/CN=" .. name, "-addext", "subjectAltName=DNS:" .. name, "-keyout", key, "-out", cert }, { program = "/usr/bin/openssl" })
    assert(r.status == 0, r.stderr)
    paths[prefix .. "key"], paths[prefix .. "cert"] = key, cert
  end
  return paths
end

--- The next message that has arrived: what smtp_server.py's `seen` returns.
function Server:message()
  return @json.decode((assert(self.process:read_line(), "the server has ended")))
end

--- A value of a header, as Python reads it.
function smtp.header(message, name)
  for _, h in ipairs(message.headers) do
    if h[1]:lower() == name:lower() then return h[2] end
  end
end

function Server:stop()
  core.shield(function() self.process:stop() end)
end

--- Starts one; returns when it takes connections.
---@param mode string "plain" "starttls" "smtps", "starttls+auth" …
---@param certificates table|nil from smtp.certificates
function smtp.start(mode, certificates)
  certificates = certificates or {}
  local args = { "-u", "-B", "spec/support/smtp_server.py", mode, certificates.cert or "", certificates.key or "" }
  local self = setmetatable({ process = program.start(args, { program = PYTHON }) }, Server)
  self.port = assert(tonumber((self.process:read_line() or ""):match("^ready (%d+)")), "aiosmtpd did not start: make deps-test")
  self.url = ("%s://127.0.0.1:%d"):format(mode:find("^smtps") and "smtps" or "smtp", self.port)
  return self
end

--- fn(server), then it is stopped, whatever happened.
function smtp.with(mode, certificates, fn)
  local server = smtp.start(mode, certificates)
  local results = { pcall(fn, server) }
  server:stop()
  if not results[1] then error(results[2], 0) end
  return unpack(results, 2)
end

--- A folder with certificates for fn(paths).
function smtp.with_certificates(fn)
  temp.dir(function(dir) fn(smtp.certificates(dir)) end)
end

-- ---- servers that say what the spec tells them ----

local USUAL = { EHLO = "250-spec\r\n250 8BITMIME", MAIL = "250 OK", RCPT = "250 OK", DATA = "354 go on", ["."] = "250 taken", QUIT = "221 bye" }

-- What a line is: a verb, "." at the end of a message, "within" one.
local function kind_of(connection, line)
  if not connection.in_data then return (line:match("^%a+") or ""):upper() end
  if line ~= "." then return "within" end
  connection.in_data = false
  return "."
end

-- false: silence; a function does what it likes.
local function answer_to(answers, connection, line)
  local kind = kind_of(connection, line)
  local answer = answers[kind]
  if answer == nil then answer = USUAL[kind] or kind ~= "within" and "500 what?" end
  if kind == "DATA" and answer == USUAL.DATA then connection.in_data = true end
  if type(answer) == "function" then return answer(connection, line) end
  if answer then connection:write(answer .. "\r\n") end
end

--- A server that answers the verbs as told, otherwise as servers do; "." is the end of a message. fn(server, lines)
--- with all lines that came.
---@param answers table { RCPT = "550 no", ["."] = function(connection) connection:reset() end, DATA = false,
---  within = for each line of a message }
function smtp.saying(answers, fn)
  local lines = {}
  local function on_bytes(connection, bytes)
    connection.bytes = connection.bytes .. bytes
    while true do
      local line, rest = connection.bytes:match("^(.-)\r\n(.*)$")
      if not line then return end
      connection.bytes, lines[#lines + 1] = rest, line
      answer_to(answers, connection, line)
      connection.server.arrived:wake_all()
    end
  end
  local greeting = answers.greeting == nil and "220 spec ready\r\n" or answers.greeting
  return raw_server.with(on_bytes, function(server)
    server.url = "smtp://127.0.0.1:" .. server.port
    return fn(server, lines)
  end, greeting or true)
end

return smtp

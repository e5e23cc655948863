-- response.lua: what a request returns.
local body = require "tusk.http.body"
local check = require "tusk.check"
local errors = require "tusk.errors"
local headers = require "tusk.http.headers"
local operators = require "tusk.operators"
local retry = require "tusk.retry"
local retry_after = require "tusk.http.retry_after"

---@class tusk.http.Response
---@field status integer
---@field ok boolean status is 200–299
---@field headers tusk.http.Headers
---@field url string the last one, after redirects
---@field http_version string "1.0", "1.1", "2"
---@field attempts integer|nil how often it was sent, of a request with `retry`
---@field file string|nil the path that download() has put the body in
---@field elapsed number seconds, redirects included
---@field timings { dns: number, connect: number, tls: number, first_byte: number, total: number } seconds, of the last hop
local Response = {}
local meta = { __name = "tusk.http.Response" }
local response = {}

-- What few ask for, made when it is asked for.
local made = {}

function made.headers(self)
  return headers.parse(rawget(self, "head"))
end

function made.timings(self)
  return {
    dns = rawget(self, "dns") or 0, connect = rawget(self, "connect") or 0, tls = rawget(self, "tls") or 0,
    first_byte = rawget(self, "first_byte"), total = rawget(self, "hop"),
  }
end

-- What it may be without; the first are everybody's.
local FIELDS = { "status", "ok", "headers", "url", "http_version", "elapsed", "timings", "attempts", "file" }
local ABSENT = { attempts = true, file = true, body = true, source = true, in_lines = true }

local function absent(key)
  if not ABSENT[key] then check.no_field("a response", key, Response, FIELDS) end
  return nil
end

function meta.__index(self, key)
  local make = made[key]
  if not make then return Response[key] or absent(key) end
  local value = make(self)
  rawset(self, key, value)
  return value
end

function meta.__tostring(self)
  return ("response %d from %s"):format(self.status, self.url)
end

local function own(self, name)
  if getmetatable(self) ~= meta then check.fail(("response:%s() is called with a colon"):format(name)) end
  return self
end

---@param fields table { status, ok, head, body or source, max_body, url, http_version, elapsed }
---@return tusk.http.Response
function response.new(fields)
  return setmetatable(fields, meta)
end

--- The body, or what of a streamed one has not been read yet. Strings are bytes: what was received, decompressed.
---@return string
function Response:text()
  return body.text(own(self, "text"))
end

---@return string
function Response:bytes()
  return body.text(own(self, "bytes"))
end

--- The body as JSON; raises what @json.decode raises.
function Response:json()
  return operators.get("json").decode(body.text(own(self, "json")))
end

--- The body in pieces, a string each, as they arrive: an iterator with the methods of a stream.
---@return tusk.http.Chunks
function Response:chunks()
  return body.chunks(own(self, "chunks"))
end

--- The lines of the body, without their ends: an iterator with the methods of a stream.
function Response:lines()
  return body.lines(own(self, "lines"))
end

--- Gives up what of a streamed body has not been read; its connection is closed. Again: no effect.
function Response:close()
  body.close(own(self, "close"))
end

meta.__stream = Response.lines

--- The response itself, or raises kind http.status.NNN if the status is 400 or more.
---@return tusk.http.Response
function Response:raise_for_status()
  local status = own(self, "raise_for_status").status
  if status < 400 then return self end
  local err = errors.new("http.status." .. status, ("%s answered %d"):format(self.url, status), {
    status = status, url = self.url, response = self, sent = true,
    retryable = status == 429 or status == 503, retry_after = retry_after(self.headers),
  })
  error(retry.spent(err, self.attempts or 1), 0)
end

return response

-- endpoint: "GET /users/{id}/history?page&limit" and what is filled into it.
local check = require("tusk").check

local endpoint = {}

---@class tusk.api_client.Endpoint
---@field [1] string "METHOD /path/{name}?name&name"
---@field encode "json"|"form"|"raw"|nil how a body is sent, "json"
---@field absent boolean|nil a 404 is nil, not an error
---@field idempotent boolean|nil it may be carried out twice, whatever its method
---@field idempotency_key boolean|nil each call has an Idempotency-Key of its own, which its repetitions have too
---@field timeout string|number|nil of a call, instead of the client's
---@field headers table<string, string>|nil

local METHODS = { "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD" }
local HAS_BODY = { GET = false, POST = true, PUT = true, PATCH = true, DELETE = true, HEAD = false }
local ENCODINGS = { json = "json", form = "form", raw = "body" } -- → the option of @http
local OPTIONS = { 1, "encode", "absent", "idempotent", "idempotency_key", "timeout", "headers" }

local function fail(name, message, ...)
  check.fail(("endpoints.%s: "):format(name) .. message:format(...), { argument = "endpoints" })
end

local function add_name(self, list, name)
  if not name:find("^[%a_][%w_]*$") or name == "body" then
    fail(self.name, "%q is no name for a parameter", name)
  end
  if self.known[name] then fail(self.name, "the parameter %q is there twice", name) end
  self.known[name] = true
  list[#list + 1] = name
  self.names[#self.names + 1] = name
end

-- "/users/{id}" → pieces "/users/", "" and the names between them
local function parse_path(self, path)
  local at = 1
  for before, name, after in path:gmatch("([^{}]*){([^{}]*)}()") do
    self.pieces[#self.pieces + 1] = before
    add_name(self, self.path, name)
    at = after
  end
  self.pieces[#self.pieces + 1] = path:sub(at)
  if table.concat(self.pieces):find("[{}]") then fail(self.name, "a brace without its other in %q", path) end
end

local function parse(self, text)
  local method, path, query = text:match("^(%S+) (/[^%s?#]*)%??([^%s?#]*)$")
  if not method then
    fail(self.name, 'write "GET /path/{name}?name&name", not %q', text)
  end
  self.has_body = HAS_BODY[method]
  if self.has_body == nil then
    fail(self.name, "there is no method %s%s", method, (check.hint(method, METHODS)))
  end
  self.method, self.template = method, text
  parse_path(self, path)
  for name in query:gmatch("[^&]+") do add_name(self, self.query, name) end
end

-- As check.options does; of many endpoints it says which.
local function check_options(name, said)
  local ok, err = pcall(check.options, check.table("endpoints." .. name, said), OPTIONS)
  if ok then return end
  err.message = ("endpoints.%s: %s"):format(name, err.message)
  error(err, 0)
end

--- What a declaration says, checked.
---@param name string
---@param said string|tusk.api_client.Endpoint
function endpoint.new(name, said)
  if type(said) == "string" then said = { said } end
  check_options(name, said)
  local self = { name = name, pieces = {}, path = {}, query = {}, names = {}, known = {}, options = said }
  parse(self, check.string("endpoints." .. name, said[1]))
  self.encode = ENCODINGS[said.encode or "json"]
  if not self.encode then fail(name, "encode: json, form or raw expected, got %s", tostring(said.encode)) end
  if said.timeout ~= nil then check.duration("endpoints." .. name .. ".timeout", said.timeout) end
  if self.has_body then self.names[#self.names + 1] = "body" end
  return self
end

-- ---- a call ----

local function wrong(self, name, message)
  check.fail(("%s: %s"):format(name, message), { argument = name, help = { "endpoint: " .. self.template } })
end

local function number_text(v)
  if v == math.floor(v) and math.abs(v) < 2 ^ 53 then return ("%.0f"):format(v) end
  return ("%.17g"):format(v)
end

local function text_of(self, name, v)
  if type(v) == "string" then return v end
  if type(v) == "number" and v == v and math.abs(v) < math.huge then return number_text(v) end
  if type(v) == "cdata" then return (tostring(v):gsub("U?LL$", "")) end
  wrong(self, name, v == nil and "is missing" or "a string or a number expected, got a " .. type(v))
end

-- One segment of a path and nothing else: what is not plain is encoded, what would be another path is refused.
local function segment(self, name, v)
  local text = text_of(self, name, v)
  if text == "" then wrong(self, name, "is empty") end
  if text == "." or text == ".." then wrong(self, name, ("%q would be another path"):format(text)) end
  if text:find("%c") then wrong(self, name, "has a control character") end
  return (text:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function path_of(self, params)
  local out = {}
  for i, name in ipairs(self.path) do
    out[#out + 1] = self.pieces[i]
    out[#out + 1] = segment(self, name, params[name])
  end
  out[#out + 1] = self.pieces[#self.pieces]
  return table.concat(out)
end

local function query_of(self, params)
  local query
  for _, name in ipairs(self.query) do
    if params[name] ~= nil then
      query = query or {}
      query[name] = params[name]
    end
  end
  return query
end

local function check_names(self, params)
  for name in pairs(params) do
    if not self.known[name] and not (name == "body" and self.has_body) then
      local hint, near = check.hint(tostring(name), self.names)
      local help = { "endpoint: " .. self.template }
      if self.has_body then help[2] = "what is sent goes in { body = … }" end
      check.fail(("%s has no parameter %q%s"):format(self.name, tostring(name), hint),
        { argument = tostring(name), suggestion = near, help = help })
    end
  end
end

-- { id = 7 } as it is; 7 and more in the order of the template.
local function named(self, n, ...)
  if n == 0 then return {} end
  if type((...)) == "table" then return (...), (select(2, ...)) end
  local most = #self.path + #self.query
  if n > most then
    check.fail(("%s: %d parameter%s, got %d; options and a body go with { name = value }"):format(self.name, most,
      most == 1 and "" or "s", n), { help = { "endpoint: " .. self.template } })
  end
  local params = {}
  for i = 1, n do params[self.names[i]] = (select(i, ...)) end
  return params
end

--- What a call asks for, checked: nothing has been sent.
---@return string path, table|nil query, any body, table options of the call
function endpoint.fill(self, ...)
  local params, opts = named(self, select("#", ...), ...)
  check_names(self, params)
  return path_of(self, params), query_of(self, params), params.body, opts or {}
end

return endpoint

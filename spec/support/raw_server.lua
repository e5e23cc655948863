-- raw_server.lua: a TCP server on 127.0.0.1 that says what the spec tells it to, right or wrong.
local uv = require "luv"
local core = require "tusk.core"

local raw_server = {}

local Server, Connection = {}, {}
Server.__index, Connection.__index = Server, Connection

function Connection:write(bytes)
  if not self.handle:is_closing() then self.handle:write(bytes) end
end

local function ended(self)
  local server = self.server
  server.ended = server.ended + 1
  server.arrived:wake_all()
end

--- Ends it in good order.
function Connection:close()
  if self.handle:is_closing() then return end
  self.handle:close()
  ended(self)
end

--- Ends it with RST.
function Connection:reset()
  if self.handle:is_closing() then return end
  self.handle:close_reset()
  ended(self)
end

local function header(text, name)
  for line in text:gmatch("[^\r\n]+") do
    local n, v = line:match("^([^:]+):%s*(.*)$")
    if n and n:lower() == name:lower() then return v end
  end
  return nil
end

-- The first whole request in the bytes received, or nil; and what follows it.
local function take_request(bytes)
  local head, rest = bytes:match("^(.-\r\n)\r\n(.*)$")
  if not head then return nil end
  local length = tonumber(header(head, "content-length") or 0)
  if #rest < length then return nil end
  local method, target = head:match("^(%S+) (%S+)")
  return {
    method = method, target = target, head = head, body = rest:sub(1, length),
    header = function(name) return header(head, name) end,
  }, rest:sub(length + 1)
end

local function on_bytes(server, connection, bytes)
  if server.raw then return server.answer(connection, bytes) end
  connection.bytes = connection.bytes .. bytes
  while true do
    local request, rest = take_request(connection.bytes)
    if not request then return end
    connection.bytes = rest
    server.requests[#server.requests + 1] = request
    request.number = #server.requests
    request.connection = connection.number
    server.arrived:wake_all()
    server.answer(connection, request)
  end
end

local function accept(server)
  local handle = uv.new_tcp()
  server.listener:accept(handle)
  server.accepted = server.accepted + 1
  local connection = setmetatable({ handle = handle, server = server, bytes = "", number = server.accepted }, Connection)
  server.connections[#server.connections + 1] = connection
  if type(server.raw) == "string" then connection:write(server.raw) end
  handle:read_start(function(err, bytes)
    if err or not bytes then return connection:close() end
    on_bytes(server, connection, bytes)
  end)
end

--- Parks until condition(server) is true; looked at whenever something arrives or a peer goes.
function Server:wait(condition)
  core.timeout(10, function()
    while not condition(self) do self.arrived:park() end
  end)
end

function Server:stop()
  for _, connection in ipairs(self.connections) do connection:close() end
  if not self.listener:is_closing() then self.listener:close() end
end

--- A server whose answer(connection, request) is called for every request; if raw, answer(connection, bytes) with what
--- comes as it comes; if raw is a text, that is said to everybody first.
function raw_server.start(answer, raw)
  local server = setmetatable({
    listener = uv.new_tcp(), answer = answer, raw = raw, requests = {}, connections = {}, accepted = 0, ended = 0,
    arrived = core.Queue.new(),
  }, Server)
  assert(server.listener:bind("127.0.0.1", 0))
  assert(server.listener:listen(128, function(err)
    assert(not err, err)
    accept(server)
  end))
  server.port = server.listener:getsockname().port
  server.url = "http://127.0.0.1:" .. server.port
  return server
end

--- fn(server), then the server is stopped, whatever happened.
function raw_server.with(answer, fn, raw)
  local server = raw_server.start(answer, raw)
  local results = { pcall(fn, server) }
  server:stop()
  if not results[1] then error(results[2], 0) end
  return unpack(results, 2)
end

--- A whole answer.
function raw_server.response(status, headers, body)
  local lines = { ("HTTP/1.1 %d Whatever"):format(status) }
  for _, h in ipairs(headers or {}) do lines[#lines + 1] = h end
  lines[#lines + 1] = "Content-Length: " .. #(body or "")
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

--- A server that always says the same.
function raw_server.saying(bytes, fn)
  return raw_server.with(function(connection) connection:write(bytes) end, fn)
end

--- A port of 127.0.0.1 that nobody listens on at this moment.
function raw_server.free_port()
  local probe = uv.new_tcp()
  assert(probe:bind("127.0.0.1", 0))
  local port = probe:getsockname().port
  probe:close()
  return port
end

return raw_server

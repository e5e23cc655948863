-- proxy.lua: a forward proxy on 127.0.0.1: HTTP (with CONNECT) and SOCKS5. Whatever name it is asked for is this machine.
local uv = require "luv"

local proxy = {}

local Proxy = {}
Proxy.__index = Proxy

local function pipe(from, to)
  from:read_start(function(err, bytes)
    if err or not bytes then
      if not to:is_closing() then to:close() end
      if not from:is_closing() then from:close() end
    elseif not to:is_closing() then
      to:write(bytes)
    end
  end)
end

-- Joins the client to a server at that port; first is what the server is told, answer what the client is.
local function join(self, client, port, answer, first)
  local server = uv.new_tcp()
  self.handles[#self.handles + 1] = server
  server:connect("127.0.0.1", tonumber(port), function(err)
    if client:is_closing() then return end
    if err then return client:close() end
    if answer then client:write(answer) end
    if first then server:write(first) end
    pipe(client, server)
    pipe(server, client)
  end)
end

local function note(self, line)
  self.seen[#self.seen + 1] = line
end

local function refuse(client, text)
  client:write(text, function() client:close() end)
end

-- The head of an HTTP request: CONNECT host:port, or METHOD http://host:port/…
local function http(self, client, bytes)
  if not bytes:find("\r\n\r\n", 1, true) then return nil end
  self.heads[#self.heads + 1] = bytes
  local method, target = bytes:match("^(%S+) (%S+)")
  note(self, method .. " " .. target)
  if self.status then return refuse(client, ("HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n"):format(self.status)) or true end
  if method == "CONNECT" then
    join(self, client, target:match(":(%d+)$"), "HTTP/1.1 200 Go\r\nX-Proxy: 1\r\n\r\n")
  else
    join(self, client, target:match("^http://[^/:]+:(%d+)"), nil, bytes)
  end
  return true
end

-- A SOCKS5 request (RFC 1928): a greeting, perhaps user and password (RFC 1929), then where to.
local function socks(self, client, bytes)
  local state = self.states[client]
  if not state then
    self.states[client] = "greeted"
    client:write(bytes:find("\2", 3, true) and "\5\2" or "\5\0")
    return nil, ""
  end
  if bytes:byte(1) == 1 then
    local n = bytes:byte(2)
    note(self, "USER " .. bytes:sub(3, 2 + n) .. ":" .. bytes:sub(4 + n))
    client:write("\1\0")
    return nil, ""
  end
  local kind, n = bytes:byte(4), bytes:byte(5)
  local host = kind == 3 and bytes:sub(6, 5 + n) or table.concat({ bytes:byte(5, 8) }, ".")
  local high, low = bytes:byte(-2, -1)
  note(self, ("SOCKS %s"):format(host))
  if self.status then return refuse(client, "\5\2\0\1\0\0\0\0\0\0") or true end
  join(self, client, high * 256 + low, "\5\0\0\1\0\0\0\0\0\0")
  return true
end

local function accept(self)
  local client, bytes = uv.new_tcp(), ""
  self.listener:accept(client)
  self.handles[#self.handles + 1] = client
  client:read_start(function(err, more)
    if err or not more then
      if not client:is_closing() then client:close() end
      return
    end
    bytes = bytes .. more
    local speak = (self.states[client] or bytes:byte(1) == 5) and socks or http
    local done, left = speak(self, client, bytes)
    bytes = left or bytes
    if done and client:is_active() and self.status then client:read_stop() end
  end)
end

--- fn(proxy) with seen (a line for each thing asked of it) and heads (of HTTP); status: what it refuses everything with.
---@param opts table|nil { status = }
function proxy.with(opts, fn)
  local self = setmetatable({
    listener = uv.new_tcp(), seen = {}, heads = {}, handles = {}, states = {}, status = opts and opts.status,
  }, Proxy)
  assert(self.listener:bind("127.0.0.1", 0))
  assert(self.listener:listen(16, function() accept(self) end))
  self.port = self.listener:getsockname().port
  self.peer = "127.0.0.1:" .. self.port
  local results = { pcall(fn, self) }
  for _, handle in ipairs(self.handles) do
    if not handle:is_closing() then handle:close() end
  end
  self.listener:close()
  if not results[1] then error(results[2], 0) end
end

return proxy

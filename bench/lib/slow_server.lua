-- slow_server.lua: prints its port, then answers each request after 50 ms, until it is ended.
local uv = require "luv"

local ANSWER = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nslow\n"

local function serve(client)
  local text = ""
  client:read_start(function(_, bytes)
    if not bytes then return client:close() end
    text = text .. bytes
    if not text:find("\r\n\r\n", 1, true) then return end
    text = ""
    local timer = uv.new_timer()
    timer:start(50, 0, function()
      timer:close()
      if not client:is_closing() then client:write(ANSWER) end
    end)
  end)
end

local server = uv.new_tcp()
assert(server:bind("127.0.0.1", 0))
assert(server:listen(2048, function()
  local client = uv.new_tcp()
  server:accept(client)
  serve(client)
end))
print(server:getsockname().port)
io.stdout:flush()
@sleep("1h")

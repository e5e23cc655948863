-- Kept connections and just enough of HTTP for an answer with a Content-Length.
local uv = require "luv"
local n, url, at_once = ...
local port, path = url:match("^http://127%.0%.0%.1:(%d+)(/.*)$")
local request = ("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n\r\n"):format(path, port)
local began, sum, left = uv.hrtime(), 0, tonumber(n)

-- Status and body of a complete answer.
local function parse(text)
  local _, head_end = text:find("\r\n\r\n", 1, true)
  if not head_end then return end
  local length = tonumber(text:match("[Cc]ontent%-[Ll]ength: (%d+)"))
  if #text < head_end + length then return end
  return tonumber(text:sub(10, 12)), text:sub(head_end + 1)
end

local function worker()
  local tcp, text = uv.new_tcp(), ""
  local function ask()
    if left <= 0 then return tcp:close() end
    left, text = left - 1, ""
    tcp:write(request)
  end
  tcp:connect("127.0.0.1", tonumber(port), function(err)
    assert(not err, err)
    tcp:read_start(function(problem, bytes)
      text = text .. assert(bytes, problem)
      local status, body = parse(text)
      if not status then return end
      sum = sum + status + #body
      ask()
    end)
    ask()
  end)
end

for _ = 1, tonumber(at_once) do worker() end
uv.run()
print((uv.hrtime() - began) / 1e6, sum)

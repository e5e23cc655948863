-- Cosockets, kept in nginx's pool, and just enough of HTTP for an answer with a Content-Length.
local n, url, at_once = tonumber(ngx.var.arg_n), ngx.unescape_uri(ngx.var.arg_where), tonumber(ngx.var.arg_at_once)
local port, path = url:match("^http://127%.0%.0%.1:(%d+)(/.*)$")
local request = ("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n\r\n"):format(path, port)
local began, sum, left = bench_now(), 0, n

local function get(tcp)
  assert(tcp:send(request))
  local status, length = tonumber(tcp:receive("*l"):sub(10, 12)), nil
  for line in function() return tcp:receive("*l") end do
    if line == "" then break end
    length = length or tonumber(line:match("^[Cc]ontent%-[Ll]ength: (%d+)"))
  end
  return status + #tcp:receive(length)
end

local function worker()
  local tcp = ngx.socket.tcp()
  tcp:settimeout(60000)
  assert(tcp:connect("127.0.0.1", tonumber(port)))
  while left > 0 do
    left = left - 1
    local got = get(tcp)
    sum = sum + got
  end
  tcp:close()
end

local threads = {}
for i = 1, at_once do threads[i] = ngx.thread.spawn(worker) end
for i = 1, at_once do assert(ngx.thread.wait(threads[i])) end
ngx.say(bench_now() - began, " ", sum)

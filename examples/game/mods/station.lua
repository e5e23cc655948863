-- station.lua: the server that news.lua asks: in this very process, on 127.0.0.1, made of luv's callbacks.
local uv = require "luv"

local station, handles = {}, {}

local NEWS = {
  "all quiet in sector four",
  "swarm sighted, they breed in the asteroid belt",
  "hulks need four hits, save your breath",
  "this line came over http while you were playing",
  "totals on the right are one select, twice a second",
  "no frame has waited for any of this",
}

local function keep(handle)
  handles[handle] = true
  return handle
end

local function close(handle)
  if handles[handle] then handle:close() end
  handles[handle] = nil
end

local function answer(client, target)
  local n = tonumber(target:match("^/news%?n=(%d+)$"))
  local body = n and @json.encode { text = NEWS[n % #NEWS + 1] } or "{}"
  client:write(("HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s"):format(n and "200 OK" or "404 Not Found", #body, body))
end

local function accept(listener)
  local client, received = keep(uv.new_tcp()), ""
  listener:accept(client)
  client:read_start(function(err, bytes)
    if err or not bytes then return close(client) end
    received = (received .. bytes):gsub("GET (%S+).-\r\n\r\n", function(target) answer(client, target) return "" end)
  end)
end

local function setup()
  local listener = keep(uv.new_tcp())
  assert(listener:bind("127.0.0.1", 0))
  assert(listener:listen(16, function() accept(listener) end))
  station.url = "http://127.0.0.1:" .. listener:getsockname().port
end

local function teardown()
  for handle in pairs(handles) do close(handle) end
end

return { name = "station", setup = setup, teardown = teardown, operators = { station = station } }

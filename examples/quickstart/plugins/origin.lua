-- origin.lua: a small HTTP server in this very process, made of luv's callbacks: where the sun stands,
-- slowly, and now and then 500. A callback is no task: operators that wait are refused in it.
local uv = require "luv"
local sun = require "sun"

local origin, config = {}, nil
local handles, asked, failed = {}, 0, {}

local function keep(handle)
  handles[handle] = true
  return handle
end

local function close(handle)
  if handles[handle] then handle:close() end
  handles[handle] = nil
end

local function response(target)
  asked = asked + 1
  if asked % config.fails == 0 and not failed[target] then
    failed[target] = true -- when it is asked again it goes well
    return "500 Internal Server Error", "{}"
  end
  local latitude, longitude = target:match("^/sun%?latitude=([%d.-]+)&longitude=([%d.-]+)$")
  if not latitude then return "404 Not Found", "{}" end
  return "200 OK", @json.encode { altitude = sun.altitude(os.time(), latitude, longitude) }
end

local function answer(client, target)
  local timer, status, body = keep(uv.new_timer()), response(target)
  timer:start(config.latency * 1000, 0, function()
    close(timer)
    if not handles[client] then return end -- hung up meanwhile
    client:write(("HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s"):format(status, #body, body))
  end)
end

local function accept(listener)
  local client, received = keep(uv.new_tcp()), ""
  listener:accept(client)
  client:read_start(function(err, bytes)
    if err or not bytes then return close(client) end
    received = (received .. bytes):gsub("GET (%S+).-\r\n\r\n", function(target) answer(client, target) return "" end)
  end)
end

local function setup(_, cfg)
  config = cfg
  local listener = keep(uv.new_tcp())
  assert(listener:bind("127.0.0.1", 0))
  assert(listener:listen(128, function() accept(listener) end))
  origin.url = "http://127.0.0.1:" .. listener:getsockname().port
end

local fields = { latency = { type = "duration", default = "25ms" }, fails = { type = "integer", default = 12 } }
local function teardown() for handle in pairs(handles) do close(handle) end end
return { name = "origin", config = fields, setup = setup, operators = { origin = origin }, teardown = teardown }

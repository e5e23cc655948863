-- origin.lua: a small weather service in this very process, made of luv's callbacks: each third request it answers
-- with 503, and a report it keeps before it says so. A callback is no task: operators that wait are refused in it.
local uv = require "luv"

local origin = { failed = 0, reports = {} }
local CITIES = { Bern = 11, Lima = 19, Oslo = 4, Quito = 14, Tokyo = 16 }
local handles, asked = {}, 0

local function keep(handle)
  handles[handle] = true
  return handle
end

local function close(handle)
  if handles[handle] then handle:close() end
  handles[handle] = nil
end

local function forecast(target)
  local city, days = target:match("^/forecast/(%w+)%?days=(%d+)$")
  if not CITIES[city] then return 404, { message = "there is no such city" } end
  return 200, { city = city, days = tonumber(days), degrees = CITIES[city] }
end

local function report(head)
  local key = head:match("[Kk]ey: (%S+)")
  origin.reports[key] = (origin.reports[key] or 0) + 1
  return 201, { id = key }
end

local function answer(method, target, head)
  asked = asked + 1
  local status, body
  if method == "POST" then status, body = report(head) else status, body = forecast(target) end
  if asked % 3 ~= 0 then return status, body end
  origin.failed = origin.failed + 1
  return 503, { message = "too much weather" }
end

local function respond(client, ...)
  local timer, status, body = keep(uv.new_timer()), answer(...)
  local text = @json.encode(body)
  timer:start(5, 0, function()
    close(timer)
    if not handles[client] then return end -- hung up meanwhile
    client:write(("HTTP/1.1 %d \r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(status, #text, text))
  end)
end

local function accept(listener)
  local client, received = keep(uv.new_tcp()), ""
  listener:accept(client)
  client:read_start(function(err, bytes)
    if err or not bytes then return close(client) end
    received = received .. bytes
    local head, body = received:match("^(.-\r\n)\r\n(.*)$")
    if not head or #body < tonumber(head:match("[Ll]ength: (%d+)") or 0) then return end
    received = ""
    local method, target = head:match("^(%u+) (%S+)")
    respond(client, method, target, head)
  end)
end

local function setup()
  local listener = keep(uv.new_tcp())
  assert(listener:bind("127.0.0.1", 0))
  assert(listener:listen(128, function() accept(listener) end))
  origin.url = "http://127.0.0.1:" .. listener:getsockname().port
end

local function teardown() for handle in pairs(handles) do close(handle) end end
return { name = "origin", setup = setup, operators = { origin = origin }, teardown = teardown }

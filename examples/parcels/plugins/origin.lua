-- origin.lua: a small carrier in this very process, made of luv's callbacks: it answers each fifth request with 503, has lost
-- one parcel, and says nonsense of another until it is told to look again. A callback is no task: what waits is refused in it.
local uv = require "luv"

local PARCELS, LOST, NONSENSE = 120, 13, 40
local PLACES, OWNERS = { "Bergen", "Lima", "Osaka", "Quito" }, { "Ann", "Bob", "Cleo", "Dan", "Eve" }

local origin = { failed = 0 }
local handles, asked, found = {}, 0, false

local function keep(handle)
  handles[handle] = true
  return handle
end

local function close(handle)
  if handles[handle] then handle:close() end
  handles[handle] = nil
end

local function list(offset, limit)
  local page = {}
  for id = offset + 1, math.min(offset + limit, PARCELS) do page[#page + 1] = { id = id, owner = OWNERS[id % #OWNERS + 1] } end
  return 200, require("tusk").array(page)
end

local function place(id)
  if id == LOST and not found then return 404, { message = "it is lost" } end
  if id == NONSENSE then return 200, { place = 40 } end
  return 200, { place = PLACES[id % #PLACES + 1], delivered = id % 3 == 0 or nil }
end

local function answer(target)
  asked = asked + 1
  if asked % 5 == 0 then
    origin.failed = origin.failed + 1
    return 503, { message = "too many parcels" }
  end
  local id = target:match("^/place/(%d+)$")
  if id then return place(tonumber(id)) end
  return list(tonumber(target:match("offset=(%d+)")), tonumber(target:match("limit=(%d+)")))
end

local function respond(client, target)
  local status, body = answer(target)
  local text = @json.encode(body)
  client:write(("HTTP/1.1 %d \r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(status, #text, text))
end

local function accept(listener)
  local client, received = keep(uv.new_tcp()), ""
  listener:accept(client)
  client:read_start(function(err, bytes)
    if err or not bytes then return close(client) end
    received = (received .. bytes):gsub("GET (%S+).-\r\n\r\n", function(target) respond(client, target) return "" end)
  end)
end

--- The lost parcel turns up.
function origin.find()
  found = true
end

local function setup()
  local listener = keep(uv.new_tcp())
  assert(listener:bind("127.0.0.1", 0))
  assert(listener:listen(128, function() accept(listener) end))
  origin.url = "http://127.0.0.1:" .. listener:getsockname().port
end

local function teardown() for handle in pairs(handles) do close(handle) end end
return { name = "origin", setup = setup, operators = { origin = origin }, teardown = teardown }

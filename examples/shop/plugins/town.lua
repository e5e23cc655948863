-- town.lua: @town: what a shop finds around it, in this very process and only when asked for: an API that fails half of the
-- time, and a mail server that puts what it gets into a folder. Made of luv's callbacks; they are no tasks, so nothing waits.
local uv = require "luv"

local town, config, outbox = {}, nil, nil
local handles, asked, received = {}, 0, 0

local function keep(handle)
  handles[handle] = true
  return handle
end

local function close(handle)
  if handles[handle] then handle:close() end
  handles[handle] = nil
end

-- A server on a free port of this machine: greet(client), then answer(client, line) for each line. → its port
local function serve(greet, answer)
  local listener = keep(uv.new_tcp())
  assert(listener:bind("127.0.0.1", 0))
  assert(listener:listen(128, function()
    local client, bytes = keep(uv.new_tcp()), ""
    listener:accept(client)
    greet(client)
    client:read_start(function(err, more)
      if err or not more then return close(client) end
      bytes = (bytes .. more):gsub("(.-)\r\n", function(line) answer(client, line) return "" end)
    end)
  end))
  return listener:getsockname().port
end

local NAMES = { "North", "South", "East", "West", "Coast", "Hills", "Lakes", "Islands", "Valley", "Forest" }

-- GET /regions/1234 → its region; but every so many-th time, 503.
local function region(client, line)
  local postcode = line:match("^GET /regions/(%d+) ")
  if not postcode then return end -- a header
  asked = asked + 1
  local status, body = "200 OK", @json.encode { region = NAMES[postcode:byte(1) - 47] }
  if asked % config.fails == 0 then status, body = "503 Service Unavailable", "{}" end
  client:write(("HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(status, #body, body))
end

local REPLIES = { EHLO = "250 town", MAIL = "250 ok", RCPT = "250 ok", DATA = "354 go on", RSET = "250 ok", QUIT = "221 bye" }
local letters = {} -- client → the lines of the message it is sending

local function deliver(client)
  received = received + 1
  local file = assert(io.open(("%s/%s-%d.eml"):format(outbox, os.date("%Y%m%d-%H%M%S"), received), "wb"))
  file:write(table.concat(letters[client], "\n"), "\n")
  file:close()
  letters[client] = nil
  client:write("250 delivered\r\n")
end

local function postman(client, line)
  local letter = letters[client]
  if letter and line == "." then return deliver(client) end
  if letter then
    letter[#letter + 1] = line
    return
  end
  local verb = line:match("^%a+")
  if verb == "DATA" then letters[client] = {} end
  client:write((REPLIES[verb] or "500 what?") .. "\r\n")
end

local function nothing() end

--- The address of an API that knows the regions of postcodes.
function town.api()
  return "http://127.0.0.1:" .. serve(nothing, region)
end

--- The URL of a mail server; what it gets is in outbox/.
function town.smtp()
  @file.mkdir(outbox, { parents = true })
  return "smtp://127.0.0.1:" .. serve(function(client) client:write("220 town\r\n") end, postman)
end

local function setup(ctx, cfg)
  config, outbox = cfg, ctx.root .. "/outbox"
end

return {
  name = "town",
  config = { fails = { type = "integer", default = 2, doc = "each so many-th answer of the API is 503" } },
  setup = setup,
  operators = { town = town },
  teardown = function() for handle in pairs(handles) do close(handle) end end,
}

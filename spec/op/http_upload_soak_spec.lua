-- Bodies made in any way, for servers that do anything: every request ends in one of its ways, nothing is left. N: rounds.
local raw_server = require "spec.support.raw_server"
local test = require "tusk.test"

local ROUNDS, REQUESTS = tonumber(os.getenv "N") or 6, 24

-- Numbers from 0 to n - 1, the same for the same seed.
local function dice(seed)
  local state = seed * 7919 + 17
  return function(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return math.floor(state / 65536) % n
  end
end

local response = raw_server.response

-- What a server does with a piece of a request, once. (More than one answer would be taken for that to the next.)
local ANSWERS = {
  function(c) c:write(response(413, {}, "no")) end,
  function(c) c:write(response(413, { "Connection: close" }, "no")) end,
  function(c) c:write(response(200, {}, "early")) end,
  function(c) c:write(response(303, { "Location: /x" })) end,
  function(c)
    c:write "HTTP/1.1 100 Continue\r\n\r\n"
    c.said = false
  end,
  function(c) c:write "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome" end,
  function(c) c:write "nonsense\r\n\r\n" end,
  function(c) c:close() end,
  function(c) c:reset() end,
}

local function maker(roll)
  local left = roll(7)
  return function()
    left = left - 1
    if left < 0 then return nil end
    local what = roll(30)
    if what == 0 then error("made badly") end
    if what < 4 then @sleep("2ms") elseif what < 8 then @sleep(0) end
    return ("x"):rep(what == 9 and 300000 or roll(200))
  end
end

local function options(roll)
  local opts = { timeout = ("%dms"):format(1 + roll(60)), retry = roll(4) == 0 and { base = "1ms" } or nil }
  if roll(2) == 0 then opts.stream, opts.stall = true, "20ms" end
  local length = roll(4) == 0 and roll(500) or nil
  if roll(3) > 0 then
    opts.body, opts.length = maker(roll), length
  else
    opts.multipart = { a = { stream = maker(roll), length = length }, b = "x", c = { stream = maker(roll), filename = "c" } }
  end
  return opts
end

local KINDS = { timeout = true, lua = true }

local function visit(url, roll)
  local _, e = @try(function()
    local send = roll(2) == 0 and @http.post or @http.put
    return send(url, options(roll)):text()
  end)
  if e and not KINDS[e.kind] and not e:is("http") then error(e, 0) end
end

local function round(seed)
  local roll, done = dice(seed), 0
  raw_server.with(function(connection, bytes)
    if bytes:find(" HTTP/1.1\r\n", 1, true) then connection.said = false end
    if connection.said then return end
    local answer = ANSWERS[roll(#ANSWERS + 3) + 1]
    local last = bytes:find("0\r\n\r\n$")
    connection.said = answer ~= nil or last ~= nil
    if answer then
      answer(connection)
    elseif last then
      connection:write(response(200, {}, "all of it"))
    end
  end, function(server)
    for _ = 1, REQUESTS / 4 do
      @scope(function(s)
        for _ = 1, 4 do
          s:spawn(function()
            visit(server.url, roll)
            done = done + 1
          end)
        end
        if roll(4) > 0 then return end
        for _ = 0, roll(10) do @sleep(0) end
        s:cancel()
      end)
    end
    assert.is_true(done > 0)
    local closing = response(200, { "Connection: close" }, "fine")
    server.answer = function(connection) connection:write(closing) end
    for _ = 1, 8 do assert.equal("fine", @http.get(server.url, { timeout = "5s" }):text()) end
  end, true)
end

describe("@http, however bodies are made and whatever servers do with them,", function()
  for seed = 1, ROUNDS do
    it(("ends, and leaves nothing (seed %d)"):format(seed), function()
      raw_server.saying(response(200, {}, "first"), function(server) @http.get(server.url) end)
      test.leaks(round, seed)
    end)
  end
end)

-- Servers and readers that do anything at all: every request ends in one of its ways, and nothing is left. N: rounds.
local core = require "tusk.core"
local raw_server = require "spec.support.raw_server"
local test = require "tusk.test"

local ROUNDS, AT_ONCE = tonumber(os.getenv "N") or 6, 12

-- Numbers from 1 to n, the same for the same seed.
local function dice(seed)
  local state = seed * 7919 + 17
  return function(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return math.floor(state / 65536) % n + 1
  end
end

local LINE = ("a line of forty characters, more or less"):rep(20) .. "\n"

local function later(fn)
  core.spawn(function()
    core.sleep(0.001)
    fn()
  end)
end

-- What a server may do with a request; each line a way.
local function ways(roll)
  local function head(c, n) c:write(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):format(n)) end
  local body = LINE:rep(roll(400))
  return {
    function(c) c:write(raw_server.response(200, {}, body)) end,
    function(c) c:write(raw_server.response(302, { "Location: /again" }, body)) end,
    function(c)
      head(c, #body)
      later(function() c:write(body) end)
    end,
    function(c)
      head(c, #body + 1)
      c:write(body)
    end,
    function(c)
      head(c, #body + 1)
      c:write(body)
      later(function() c:reset() end)
    end,
    function(c)
      c:write("HTTP/1.1 200 OK\r\n\r\n" .. body)
      later(function() c:close() end)
    end,
    function(c) c:reset() end,
    function() end,
    function(c) c:write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\nx") end,
  }
end

-- What may be done with an answer.
local USES = {
  function(r) return #r:text() end,
  function(r) return r:lines():count() end,
  function(r)
    local chunks = r:chunks()
    return chunks() and chunks()
  end,
  function(r) r:close() end,
  function(r) return @async(@(r:text())):await() end,
  function(r) return r:lines():map(string.upper, { concurrency = 3 }):take(3):collect() end,
  function() end,
  function(r) return @timeout("2ms", @(r:text())) end,
}

local KINDS = { timeout = true, closed = true, ["http.busy"] = true, cancelled = true, task_cancelled = true }

local function visit(client, roll)
  local stream = roll(4) > 1
  local use = USES[roll(#USES)]
  local ok, e = pcall(function()
    local opts = { timeout = "30ms", stream = stream, stall = stream and "20ms" or nil }
    return use(client.get("/" .. roll(1000), opts))
  end)
  if ok or KINDS[e.kind] or e:is("http") then return end
  error(e, 0)
end

local function round(seed)
  local roll = dice(seed)
  raw_server.with(function(connection)
    local list = ways(roll)
    list[roll(#list)](connection)
  end, function(server)
    local client = @http.client { base = server.url, max_connections = roll(AT_ONCE) }
    @scope(function(s)
      local tasks = {}
      for i = 1, AT_ONCE do tasks[i] = s:async(visit, client, roll) end
      for _ = 1, roll(4) do
        @sleep("1ms")
        tasks[roll(AT_ONCE)]:cancel()
      end
      for _, task in ipairs(tasks) do
        local ok, e = pcall(task.await, task)
        assert.is_true(ok or e.kind == "task_cancelled", tostring(e))
      end
    end)
    server.answer = function(connection) connection:write(raw_server.response(200, { "Connection: close" }, "fine")) end
    for _ = 1, AT_ONCE do assert.equal("fine", client.get("/last", { timeout = "5s" }):text()) end
  end)
end

describe("@http, whatever servers and readers do,", function()
  for seed = 1, ROUNDS do
    it(("ends, and leaves nothing (seed %d)"):format(seed), function()
      raw_server.saying(raw_server.response(200, {}, "first"), function(server) @http.get(server.url) end)
      test.leaks(round, seed)
    end)
  end
end)

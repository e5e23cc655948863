-- @http with retry: what is sent again, how often, and after what.
local raw_server = require "spec.support.raw_server"
local test = require "tusk.test"

local response = raw_server.response

-- A server whose n-th answer is the n-th of the list: a response, or "drop"; the last one for all that follow. Its
-- handles hold back no virtual clock.
local function answering(list, fn)
  return raw_server.with(function(connection, request)
    connection.handle:unref()
    local answer = list[math.min(request.number, #list)]
    if answer == "drop" then connection:close() else connection:write(answer) end
  end, function(server)
    server.listener:unref()
    fn(server)
  end)
end

local QUICK = { base = "1ms" }
local function quick(more)
  local all = { base = "1ms" }
  for k, v in pairs(more) do all[k] = v end
  return all
end

local OK, BUSY = response(200, {}, "fine"), response(503, {}, "busy")

local function fails(kind, fn, ...)
  local _, e = @try(fn, ...)
  assert.is_true(e:is(kind), e.kind .. ": " .. e.message)
  return e
end

describe("@http with retry", function()
  it("sends again after 429, 5xx and a lost connection", function()
    for _, bad in ipairs { response(429), response(500), response(502), BUSY, "drop" } do
      answering({ bad, bad, OK }, function(s)
        local r = @http.get(s.url .. "/", { retry = QUICK })
        assert.same({ 200, "fine", 3, 3 }, { r.status, r:text(), r.attempts, #s.requests })
      end)
    end
  end)

  it("returns the last response, whatever it is", function()
    answering({ BUSY }, function(s)
      local r = @http.get(s.url .. "/", { retry = quick { attempts = 4 } })
      assert.same({ 503, "busy", 4, 4 }, { r.status, r:text(), r.attempts, #s.requests })
    end)
    for _, status in ipairs { 200, 304, 400, 404 } do
      answering({ response(status) }, function(s)
        assert.same({ status, 1 }, { @http.get(s.url .. "/", { retry = true }).status, #s.requests })
      end)
    end
  end)

  it("raises the last failure, and says how often it was tried", function()
    local e = fails("http.connect", @http.get, "http://127.0.0.1:" .. raw_server.free_port(), { retry = QUICK })
    assert.equal(3, e.attempts)
    answering({ "drop" }, function(s)
      assert.equal(2, fails("http.connect", @http.get, s.url, { retry = quick { attempts = 2 } }).attempts)
      assert.equal(2, #s.requests)
    end)
  end)

  it("sends a POST once, unless it may be repeated", function()
    local once = { {}, { retry = QUICK }, { retry = quick { unsafe = false } }, { retry = false } }
    for _, opts in ipairs(once) do
      answering({ BUSY, OK }, function(s)
        assert.same({ 503, 1 }, { @http.post(s.url .. "/", opts).status, #s.requests })
      end)
      answering({ "drop", OK }, function(s)
        local e = fails("http.connect", @http.post, s.url .. "/", opts)
        assert.same({ true, false, 1 }, { e.sent, e.retryable, #s.requests })
      end)
    end
    local again = { { retry = quick { unsafe = true } }, { retry = QUICK, headers = { ["Idempotency-Key"] = "1" } } }
    for _, opts in ipairs(again) do
      for _, bad in ipairs { BUSY, "drop" } do
        opts.body = "x"
        answering({ bad, OK }, function(s)
          assert.same({ 200, 2 }, { @http.post(s.url .. "/", opts).status, #s.requests })
          assert.equal("xx", s.requests[1].body .. s.requests[2].body)
        end)
      end
    end
  end)

  it("sends a POST again that never left", function()
    local e = fails("http.connect", @http.post, "http://127.0.0.1:" .. raw_server.free_port(), { retry = QUICK })
    assert.same({ false, 3 }, { e.sent, e.attempts })
  end)

  it("sends no POST again for what happens after its redirect", function()
    local nowhere = "Location: http://127.0.0.1:" .. raw_server.free_port() .. "/"
    for status, sends in pairs { [303] = 1, [307] = 1 } do
      answering({ response(status, { nowhere }) }, function(s)
        local e = fails("http.connect", @http.post, s.url .. "/", { retry = QUICK })
        assert.same({ true, false, sends }, { e.sent, e.retryable, #s.requests })
      end)
    end
    answering({ response(307, { nowhere }) }, function(s)
      fails("http.connect", @http.put, s.url .. "/", { retry = QUICK })
      assert.equal(3, #s.requests)
    end)
  end)

  it("waits for as long as Retry-After says: seconds, and dates by the server's clock", function()
    local date = "Date: Sun, 06 Nov 1994 08:49:37 GMT"
    local cases = {
      [7] = { "Retry-After: 7" },
      [30] = { date, "Retry-After: Sun, 06 Nov 1994 08:50:07 GMT" },
      [86400] = { "Date: Wed, 28 Feb 2024 10:00:00 GMT", "Retry-After: Thu, 29 Feb 2024 10:00:00 GMT" },
    }
    for seconds, headers in pairs(cases) do
      answering({ response(503, headers), OK }, function(s)
        test.clock(function()
          assert.equal(200, @http.get(s.url .. "/", { retry = QUICK, timeout = "2d" }).status)
          assert.equal(seconds, math.floor(test.now()))
        end)
      end)
    end
    for _, odd in ipairs { "soon", "-5", "Sun, 06 Foo 1994 08:49:37 GMT" } do
      answering({ response(503, { "Retry-After: " .. odd }), response(503, { "Retry-After: " .. odd }), OK }, function(s)
        local r = @http.get(s.url .. "/")
        assert.is_nil(fails("http.status.503", r.raise_for_status, r).retry_after)
        assert.equal(200, @http.get(s.url .. "/", { retry = QUICK }).status)
      end)
    end
  end)

  it("tells of Retry-After in what raise_for_status raises", function()
    answering({ response(429, { "Date: Sun, 06 Nov 1994 08:49:37 GMT", "Retry-After: Sun, 06 Nov 1994 08:49:40 GMT" }) },
      function(s)
        local r = @http.get(s.url .. "/")
        assert.equal(3, fails("http.status.429", r.raise_for_status, r).retry_after)
      end)
  end)

  it("returns at once what could not be sent again in time", function()
    answering({ response(503, { "Retry-After: 31" }) }, function(s)
      test.clock(function()
        assert.equal(503, @http.get(s.url .. "/", { retry = true }).status)
        assert.equal(503, @timeout("20s", @(@http.get(s.url .. "/", { retry = true, timeout = "1m" }))).status)
        assert.is_true(test.now() < 1)
      end)
      assert.equal(2, #s.requests)
    end)
  end)

  it("is what a client does, unless a call says otherwise", function()
    answering({ BUSY }, function(s)
      local client = @http.client { base = s.url, retry = quick { attempts = 2 }, max_connections = 1 }
      assert.equal(2, client.get("/").attempts)
      assert.is_nil(client.get("/", { retry = false }).attempts)
      assert.equal(3, client.get("/", { retry = QUICK }).attempts)
      assert.equal(4, client.request("/"):retry(quick { attempts = 4 }):get().attempts)
      assert.equal(1, s.accepted)
    end)
  end)

  it("leaves its place with the client to others while it pauses", function()
    answering({ response(503, { "Retry-After: 10" }), OK }, function(s)
      local client = @http.client { base = s.url, max_connections = 1 }
      test.clock(function()
        local slow = @async(client.get, "/slow", { retry = QUICK })
        s:wait(function() return #s.requests == 1 end)
        assert.equal(200, client.get("/other").status)
        assert.is_true(test.now() < 10)
        assert.equal(2, slow:await().attempts)
      end)
    end)
  end)

  it("gives up the streamed bodies of those before the last, and downloads", function()
    local unfinished = "HTTP/1.1 503 Busy\r\nContent-Length: 10\r\n\r\nab"
    answering({ unfinished, OK }, function(s)
      assert.equal("fine", @http.get(s.url .. "/", { retry = QUICK, stream = true }):text())
      s:wait(function() return s.ended == 1 end)
    end)
    answering({ BUSY, OK }, function(s)
      local path = os.tmpname()
      @http.download(s.url .. "/", path, { retry = QUICK })
      assert.equal("fine", @file.read(path))
      @file.remove(path)
    end)
  end)

  it("within @retry does not multiply the attempts", function()
    for _, bad in ipairs { BUSY, "drop" } do
      answering({ bad }, function(s)
        fails("http", @retry, QUICK, @(@http.get(s.url .. "/", { retry = QUICK }):raise_for_status()))
        assert.equal(3, #s.requests)
      end)
      answering({ bad }, function(s)
        fails("http", @retry, QUICK, @(@http.get(s.url .. "/"):raise_for_status()))
        assert.equal(3, #s.requests)
      end)
    end
  end)

  it("cancelled while it pauses, it ends", function()
    local function cancel_in_pause(url)
      local task = @async(@http.get, url, { retry = { base = "1h", jitter = "none" }, timeout = "2h" })
      @sleep "1s" -- which passes when nothing is in flight
      assert.equal("parked", task.state)
      task:cancel()
      fails("task_cancelled", task.await, task)
      assert.is_true(test.now() < 2)
    end
    answering({ response(503, { "Connection: close" }) }, function(s)
      test.leaks(function()
        test.clock(cancel_in_pause, s.url .. "/")
        s:wait(function() return s.ended == 1 end)
      end)
      assert.equal(1, #s.requests)
    end)
  end)

  it("two are sent again side by side", function()
    local seen = {}
    raw_server.with(function(connection, request)
      seen[request.target] = (seen[request.target] or 0) + 1
      connection:write(seen[request.target] < 3 and BUSY or response(200, {}, request.target))
    end, function(s)
      local a, b = @all(@(@http.get(s.url .. "/a", { retry = QUICK })), @(@http.get(s.url .. "/b", { retry = QUICK })))
      assert.same({ "/a", "/b", 3, 3 }, { a:text(), b:text(), a.attempts, b.attempts })
    end)
  end)

  it("says what is wrong with it", function()
    local function message(retry) return fails("argument", @http.get, "http://127.0.0.1:1/", { retry = retry }).message end
    assert.truthy(message { attemps = 3 }:find('did you mean "attempts"', 1, true))
    assert.truthy(message { unsafe = 1 }:find("retry.unsafe: boolean expected", 1, true))
    assert.truthy(message(3):find("retry: true or a table", 1, true))
    assert.truthy(fails("argument", @http.client, { retry = { cap = "x" } }).message:find("not a duration", 1, true))
  end)
end)

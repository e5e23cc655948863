-- @http with breaker, limiter, bulkhead, hedge, attempt_timeout and policy.
local raw_server = require "spec.support.raw_server"
local temp = require "spec.support.temp"

local response = raw_server.response
local OK, BUSY = response(200, {}, "fine"), response(503, {}, "busy")

-- A server whose n-th answer is the n-th of the list, the last one for all that follow: a response, or "silence".
local function answering(list, fn)
  return raw_server.with(function(connection, request)
    local answer = list[math.min(request.number, #list)]
    if answer ~= "silence" then connection:write(answer) end
  end, fn)
end

local function fails(kind, fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(type(e) == "table" and e.kind == kind, tostring(e))
  return e
end

describe("@http with policies", function()
  it("counts answers of 429, and 500 and above, against the server, and returns them", function()
    answering({ BUSY, response(429), response(404), OK }, function(s)
      local b = @breaker { min = 2 }
      local function get() return @http.get(s.url .. "/", { breaker = b }).status end
      assert.same({ 503, 429 }, { get(), get() })
      assert.equal("open", b:state())
      assert.is_number(fails("breaker_open", get).retry_after)
      assert.equal(2, #s.requests)
      b:reset()
      assert.same({ 404, 200 }, { get(), get() })
      assert.equal("closed", b:state())
    end)
  end)

  it("has a client's policies for all its calls, made once", function()
    answering({ BUSY }, function(s)
      local client = @http.client { base = s.url, breaker = { min = 2 }, retry = { attempts = 2, base = "1ms" } }
      assert.equal(503, client.get("/").status)
      fails("breaker_open", client.post, "/", { timeout = "100ms" })
      assert.equal(2, #s.requests)
      assert.equal(503, client.get("/", { breaker = false, retry = false }).status)
      assert.equal(503, client.post("/", { breaker = @breaker(), retry = false }).status)
    end)
  end)

  it("takes a policy with all in it, to which others are added", function()
    answering({ BUSY, "silence", OK }, function(s)
      local p = @policy {
        timeout = "20s", retry = { attempts = 4, base = "1ms" }, breaker = true, attempt_timeout = "50ms",
      }
      local r = @http.get(s.url .. "/", { policy = p, limiter = @limiter { rate = 1000, name = "spec" } })
      assert.same({ 200, 3, 3 }, { r.status, r.attempts, #s.requests })
      assert.same({ 1, 2 }, { p.parts.breaker.window.good, p.parts.breaker.window.bad })
      local client = @http.client { base = s.url, policy = { bulkhead = { max = 1 } } }
      assert.equal(200, client.get("/").status)
    end)
  end)

  it("keeps a client's budget of further attempts", function()
    answering({ BUSY }, function(s)
      local client = @http.client { base = s.url, retry = { attempts = 5, base = "1ms", budget = 0.1 } }
      for _ = 1, 20 do client.get("/") end
      assert.is_true(#s.requests > 30 and #s.requests <= 32, tostring(#s.requests))
      assert.equal("budget", fails("argument", client.get, "/", { retry = { budget = 1 } }).argument)
    end)
  end)

  it("waits with the next attempt until the breaker lets it through, of anything that was not sent", function()
    for _, verb in ipairs { "get", "post" } do
      answering({ BUSY, OK }, function(s)
        local client = @http.client {
          base = s.url, breaker = { min = 1, open = "50ms", probes = 1 },
          retry = { attempts = 3, base = "1ms", jitter = "none" },
        }
        if verb == "post" then assert.equal(503, client.post("/").status) end -- what was sent is not sent again
        local r = client[verb]("/")
        assert.same({ 200, verb == "get" and 3 or 2, 2 }, { r.status, r.attempts, #s.requests })
      end)
    end
  end)

  it("limits each attempt", function()
    answering({ BUSY, BUSY, OK }, function(s)
      local l = @limiter { rate = 1000, burst = 5 }
      assert.equal(200, @http.get(s.url .. "/", { limiter = l, retry = { base = "1ms" } }).status)
      assert.equal(3, l.taken)
      local url
      local keyed = @limiter { rate = 1, key = function(u) url = u return u end }
      @http.get(s.url .. "/x", { limiter = keyed, query = { a = 1 } })
      assert.equal(s.url .. "/x?a=1", url)
    end)
  end)

  it("waits for a limiter no longer than the request may take", function()
    answering({ OK }, function(s)
      local l = @limiter { rate = 1, per = "1h" }
      local client = @http.client { base = s.url, limiter = l }
      assert.equal(200, client.get("/").status)
      assert.is_true(fails("limited", client.get, "/").retry_after > 3000)
      assert.equal(1, #s.requests)
    end)
  end)

  it("counts a server that does not answer in time, with the request's own time too", function()
    answering({ "silence" }, function(s)
      local b = @breaker { min = 2 }
      fails("timeout", @http.get, s.url .. "/", { breaker = b, timeout = "20ms" })
      fails("timeout", @http.post, s.url .. "/", { breaker = b, attempt_timeout = "20ms" })
      assert.equal("open", b:state())
    end)
  end)

  it("never sends again what may not be carried out twice because an attempt took too long", function()
    answering({ "silence", OK }, function(s)
      local opts = { attempt_timeout = "20ms", retry = { base = "1ms" } }
      local err = fails("timeout", @http.post, s.url .. "/", opts)
      assert.same({ false, 0.02 }, { err.retryable, err.after })
      assert.matches("within 0.02 s$", err.message)
      assert.equal(1, #s.requests)
      assert.equal(200, @http.get(s.url .. "/", opts).status)
    end)
  end)

  it("sends a body that is made while it is sent once, whatever a hedge would like", function()
    @scope(function(scope)
      raw_server.with(function(connection)
        scope:spawn(function()
          @sleep "30ms" -- the hedge would have begun long since
          connection:write(OK)
        end)
      end, function(s)
        local client = @http.client { base = s.url, hedge = "1ms", timeout = "10s" }
        local pieces = { "one ", "two" }
        local r = client.put("/", { body = function() return table.remove(pieces, 1) end, length = 7 })
        assert.same({ 200, 1, 1 }, { r.status, #s.requests, s.accepted })
        assert.equal("one two", s.requests[1].body)
      end)
    end)
  end)

  it("gives each attempt at an upload its time, and the whole of it none", function()
    temp.dir(function(dir)
      local path = temp.write(dir .. "/f", "content")
      answering({ "silence", OK }, function(s)
        local policies = { attempt_timeout = "50ms", breaker = @breaker(), retry = { attempts = 2, base = "1ms" } }
        local r = @http.upload(s.url .. "/", path, policies)
        assert.same({ 200, 2, 2 }, { r.status, r.attempts, #s.requests })
        assert.equal("content", s.requests[2].body)
      end)
    end)
  end)

  it("asks again with a hedge what may be asked twice", function()
    answering({ "silence", OK }, function(s)
      local client = @http.client { base = s.url, hedge = "10ms", timeout = "10s" }
      assert.equal("fine", client.get("/"):text())
      assert.equal(2, #s.requests)
    end)
    answering({ "silence", OK }, function(s)
      local client = @http.client { base = s.url, hedge = "1ms", timeout = "40ms" }
      fails("timeout", client.post, "/")
      assert.equal(1, #s.requests)
    end)
  end)

  it("leaves a streamed body open", function()
    answering({ OK }, function(s)
      local client = @http.client {
        base = s.url, hedge = "1ms", timeout = "5s", attempt_timeout = "4s", bulkhead = { max = 1 }, breaker = true,
        limiter = { rate = 1000 },
      }
      assert.equal("fine", client.get("/", { stream = true }):text())
      -- in a generator too, where what one holds usually has a scope that sees to it
      local probing = @breaker { min = 1, probes = 1, open = "1ms" }
      @try(probing.run, probing, error, { kind = "timeout" })
      repeat @sleep "1ms" until probing:state() == "half_open"
      local read = coroutine.wrap(function()
        coroutine.yield((client.get("/", { stream = true, breaker = probing }):text()))
      end)
      assert.equal("fine", read())
    end)
  end)

  it("lets so many in at once", function()
    answering({ "silence" }, function(s)
      local client = @http.client { base = s.url, bulkhead = { max = 1, name = "spec" } }
      @scope(function(scope)
        local task = scope:spawn(client.get, "/")
        assert.matches("bulkhead \"spec\"", fails("limited", client.get, "/").message)
        task:cancel()
      end)
      local again = @async(client.get, "/", { timeout = "10ms" })
      fails("timeout", again.await, again)
    end)
  end)

  it("is refused where it is misused", function()
    for opts, argument in pairs {
      [{ breaker = {} }] = "breaker", [{ breaker = true }] = "breaker", [{ limiter = { rate = 1 } }] = "limiter",
      [{ bulkhead = { max = 1 } }] = "bulkhead", [{ hedge = "1s" }] = "hedge", [{ policy = {} }] = "policy",
      [{ policy = 5 }] = "policy", [{ breaker = @semaphore(1) }] = "breaker", [{ attempt_timeout = 0 }] = "attempt_timeout",
      [{ braker = {} }] = "braker",
    } do
      assert.equal(argument, fails("argument", @http.get, "http://127.0.0.1/", opts).argument)
    end
    assert.matches("a new one for each call", fails("argument", @http.get, "http://a/", { breaker = {} }).message)
    assert.equal("rate", fails("argument", @http.client, { limiter = {} }).argument)
  end)
end)

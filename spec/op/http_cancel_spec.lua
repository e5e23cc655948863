-- Cancelling a request: the work itself stops, and the server sees it go.
local raw_server = require "spec.support.raw_server"
local core = require "tusk.core"

-- A server that answers "/quick" and nothing else.
local function stalled(fn)
  return raw_server.with(function(connection, request)
    if request.target == "/quick" then connection:write(raw_server.response(200, {}, "quick")) end
  end, fn)
end

local function all_gone(server)
  server:wait(function() return server.ended == server.accepted end)
end

describe("A cancelled @http request", function()
  it("closes its connection", function()
    stalled(function(server)
      local _, e = @try(@timeout, "50ms", @(@http.get(server.url)))
      assert.equal("timeout", e.kind)
      all_gone(server)
      assert.equal(1, server.accepted)
    end)
  end)

  it("says that it may have been sent", function()
    stalled(function(server)
      local seen
      @scope(function(s)
        s:spawn(function()
          local ok, e = pcall(@http.post, server.url, { body = "x" })
          seen = not ok and e
          error(e, 0)
        end)
        server:wait(function() return #server.requests == 1 end)
        s:cancel()
      end)
      assert.equal("cancelled", seen.kind)
      assert.is_true(seen.sent)
    end)
  end)

  it("did not happen when it was not yet connected", function()
    local seen
    @scope(function(s)
      s:spawn(function()
        local ok, e = pcall(@http.get, "http://127.0.0.1:1/")
        seen = not ok and e
        error(e, 0)
      end)
      s:cancel()
    end)
    assert.equal("cancelled", seen.kind)
    assert.is_nil(seen.sent)
  end)

  it("leaves the others alone", function()
    stalled(function(server)
      local slow = @async(function() return @http.get(server.url .. "/slow") end)
      server:wait(function() return #server.requests == 1 end)
      assert.equal("quick", @http.get(server.url .. "/quick"):text())
      slow:cancel()
      local _, e = @try(function() return slow:await() end)
      assert.equal("task_cancelled", e.kind)
      assert.equal("quick", @http.get(server.url .. "/quick"):text())
      server:wait(function() return server.ended == 1 end)
      assert.equal(2, server.accepted)
    end)
  end)

  it("is not even started in a scope that is cancelled", function()
    stalled(function(server)
      @scope(function(s)
        s:cancel()
        pcall(@http.get, server.url .. "/quick")
      end)
      assert.equal(0, server.accepted)
    end)
  end)

  it("stops between two redirects", function()
    raw_server.saying(raw_server.response(302, { "Location: /again" }), function(server)
      @scope(function(s)
        s:spawn(function() @http.get(server.url, { redirects = 100000 }) end)
        server:wait(function() return #server.requests >= 20 end)
        s:cancel()
      end)
      local count = #server.requests
      core.yield()
      assert.is_true(#server.requests <= count + 1)
    end)
  end)

  it("stops wherever it is, and nothing is left of it", function()
    raw_server.with(function(connection, request)
      if request.target == "/start" then
        connection:write(raw_server.response(302, { "Location: /body" }))
      else
        connection:write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")
        core.spawn(function()
          core.sleep(0.002)
          connection:write("56789")
        end)
      end
    end, function(server)
      local finished = 0
      for turns = 0, 60 do
        @scope(function(s)
          s:spawn(function()
            assert.equal("0123456789", @http.get(server.url .. "/start"):text())
            finished = finished + 1
          end)
          for _ = 1, turns % 20 do core.sleep(0) end -- in which the loop polls
          s:cancel()
        end)
      end
      assert.equal("0123456789", @http.get(server.url .. "/start"):text())
      assert.is_true(finished <= 61)
    end)
  end)

  -- libcurl closes a socket that it has not connected by itself, and only then says so.
  it("stops while it is sent again over a second connection, and what comes next works", function()
    raw_server.with(function(connection, request)
      if request.target ~= "/again" then
        connection.kept = true
        connection:write(raw_server.response(200, {}, request.target))
      elseif connection.kept then
        connection:reset()
      end
    end, function(server)
      for turns = 0, 60 do
        assert.equal("/kept", @http.get(server.url .. "/kept"):text())
        @scope(function(s)
          s:spawn(@http.get, server.url .. "/again")
          for _ = 1, turns % 20 do @sleep(0) end
          s:cancel()
        end)
        @sleep(0) -- the loop polls
      end
    end)
  end)

  it("gives its place in line to the next", function()
    stalled(function(server)
      local client = @http.client { base = server.url, max_connections = 1 }
      local first = @async(client.get, "/slow")
      local second = @async(client.get, "/slow")
      local third = @async(client.get, "/quick")
      server:wait(function() return #server.requests == 1 end)
      second:cancel()
      first:cancel()
      assert.equal("quick", third:await():text())
      assert.equal(2, #server.requests)
    end)
  end)
end)

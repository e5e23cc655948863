-- Defects that programs of this kind are known for, each by its name, and proof that it is not here.
local app = require "spec.support.app"
local database = require "spec.support.database"
local raw_server = require "spec.support.raw_server"
local temp = require "spec.support.temp"
local test = require "tusk.test"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function forever()
  @sleep("1000h")
end

-- it, on the virtual clock.
local function timed(name, body)
  it(name, function() test.clock(body) end)
end

-- enter and leave count who is between them; most() is how many there were at once.
local function counter()
  local now, most = 0, 0
  return {
    most = function() return most end,
    body = function(x)
      now = now + 1
      most = math.max(most, now)
      @sleep("1s")
      now = now - 1
      return x
    end,
  }
end

local function numbers(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

describe("unbounded fan-out:", function()
  timed("@map has 16 at once, or as many as it is told", function()
    local c = counter()
    @map(numbers(1000), c.body)
    assert.equal(16, c.most())
    c = counter()
    @map(numbers(100), c.body, { concurrency = 3 })
    assert.equal(3, c.most())
  end)

  timed("@batch and a stream's map are bounded too", function()
    local c = counter()
    @batch(numbers(100), 5, c.body, { concurrency = 2 })
    assert.equal(2, c.most())
    c = counter()
    assert.equal(100, @stream(numbers(100)):map(c.body, { concurrency = 4 }):count())
    assert.is_true(c.most() <= 4)
  end)

  timed("who produces faster than others consume waits", function()
    local ch, ahead = @channel(8), 0
    @scope(function(s)
      s:spawn(function()
        for i = 1, 100 do
          ch:send(i)
          ahead = ahead + 1
        end
        ch:close()
      end)
      for _ in ch do
        ahead = ahead - 1
        assert.is_true(ahead <= 9)
        @sleep("1s")
      end
    end)
  end)

  it("a client has no more connections than it may", function()
    raw_server.with(function(connection)
      connection:write(raw_server.response(200, {}, "ok"))
    end, function(server)
      local client = @http.client { base = server.url, max_connections = 3 }
      @map(numbers(60), function() return client.get("/"):text() end, { concurrency = 60 })
      assert.is_true(server.accepted <= 3)
    end)
  end)
end)

describe("values lost when a select loses:", function()
  it("each value that was sent is received once, whatever else the selects wait for, whoever is cancelled", function()
    test.clock(function()
      math.randomseed(11)
      local channels, got, sent = { a = @channel(), b = @channel(1), c = @channel(3) }, {}, 0
      @scope(function(s)
        local function consume()
          for _ = 1, 40 do
            local cases = { timeout = math.random(0, 3), tick = @every(math.random(4)) }
            for name, ch in pairs(channels) do cases[name] = ch end
            local name, value = @select(cases)
            if channels[name] and value then got[value] = (got[value] or 0) + 1 end
          end
        end
        local consumers = {}
        for i = 1, 8 do consumers[i] = s:spawn(consume) end
        for _ = 1, 30 do
          local name, value = ({ "a", "b", "c" })[math.random(3)], sent + 1
          if @try(@timeout, 2, function() channels[name]:send(value) return true end) then sent = value
          else assert.is_nil(got[value]) end
          if math.random(5) == 1 then consumers[math.random(8)]:cancel() end
          @sleep(math.random(0, 1))
        end
        s:cancel()
      end)
      for _, ch in pairs(channels) do
        local value = ch:try_recv()
        while value do
          got[value] = (got[value] or 0) + 1
          value = ch:try_recv()
        end
      end
      assert.is_true(sent > 10)
      assert.same(sent, #got)
      for i = 1, sent do assert.equal(1, got[i]) end
    end)
  end)
end)

describe("leaked permits and connections on cancel:", function()
  it("a semaphore and a pool have all of theirs back, whichever checkpoint was the last", function()
    local sem, opened, closed = @semaphore(2), 0, 0
    local pool = @pool {
      max = 2,
      open = function()
        @yield()
        opened = opened + 1
        return opened
      end,
      close = function() @yield() closed = closed + 1 end,
    }
    test.sweep(function()
      @scope(function(s)
        for _ = 1, 3 do
          s:spawn(function() sem:with(@yield) end)
          s:spawn(function() pool:with(function() @yield() end) end)
          s:spawn(@scope, function(own)
            local lease = sem:acquire()
            own:defer(function() lease:release() end)
            @yield()
          end)
        end
      end)
    end, { check = function()
      assert.equal(2, sem.available)
      local stats = pool:stats()
      assert.same({ 0, opened - closed }, { stats.in_use, stats.idle })
    end })
  end)

  it("a client's places are free, and its sockets closed", function()
    raw_server.with(function(connection, request)
      if request.target == "/quick" then connection:write(raw_server.response(200, {}, "quick")) end
    end, function(server)
      local client = @http.client { base = server.url, max_connections = 2 }
      for i = 1, 5 do
        local tasks = {}
        for k = 1, 4 do tasks[k] = @async(client.get, "/slow") end
        server:wait(function() return #server.requests == 2 * i end)
        for k = 1, 4 do tasks[k]:cancel() end
      end
      server:wait(function() return server.ended == 10 end)
      assert.equal("quick", client.get("/quick"):text())
    end)
  end)

  it("the writer of a database is free", function()
    database.with("file", function(db)
      db.exec "create table t (x)"
      for moment = 0, 12 do
        local task = @async(db.transaction, function(tx)
          tx.t.insert { x = 1 }
          @yield()
          tx.t.insert { x = 2 }
        end)
        for _ = 1, moment do @yield() end
        task:cancel()
        @try(task.await, task)
        assert.equal(0, db.t.count() % 2)
      end
      assert.equal("free", db.transaction(@("free")))
    end)
  end)
end)

describe("error of one child caught by a pcall around another:", function()
  it("the pcall sees that it is cancelled, and the scope raises the error", function()
    local mine, caught = { "mine" }, nil
    local e = fails(@scope, function(s)
      local slow = s:async(forever)
      s:spawn(function()
        @yield()
        error(mine)
      end)
      caught = fails(slow.await, slow)
    end)
    assert.is_true(rawequal(mine, e))
    assert.equal("cancelled", caught.kind)
  end)

  it("one around @all sees the failure of its own children alone", function()
    local mine, inner = { "mine" }, nil
    local e = fails(@scope, function(s)
      s:spawn(function()
        @yield()
        error(mine)
      end)
      inner = fails(@all, forever, forever)
    end)
    assert.is_true(rawequal(mine, e))
    assert.equal("cancelled", inner.kind)
    assert.equal("theirs", fails(@all, forever, @(error({ kind = "theirs" }))).kind)
  end)

  it("so does one around @try, which lets it through", function()
    local came_back
    fails(@scope, function(s)
      s:spawn(function()
        @yield()
        error("mine")
      end)
      @try(forever)
      came_back = true
    end)
    assert.is_nil(came_back)
  end)
end)

describe("a generator doing I/O inside coroutine.wrap cancelled mid-way:", function()
  it("its consumer is told, its open scopes end, its file is closed", function()
    temp.dir(function(dir)
      local path = temp.write(dir .. "/lines", ("line\n"):rep(100))
      local lines, tidied, seen = 0, 0, nil
      local function generator()
        @scope(function(s)
          s:defer(function() tidied = tidied + 1 end)
          for line in @file.lines(path) do
            @sleep("1ms")
            coroutine.yield(line)
          end
        end)
      end
      test.leaks(function()
        @scope(function(s)
          local task = s:spawn(function()
            seen = fails(function()
              for _ in coroutine.wrap(generator) do
                lines = lines + 1
                if lines == 3 then s:cancel() end
              end
            end)
            error(seen, 0)
          end)
          @try(task.await, task)
        end)
        collectgarbage() -- of the file that the generator has read
        collectgarbage()
      end)
      assert.same({ 3, 1, "cancelled" }, { lines, tidied, seen.kind })
    end)
  end)

  it("at each of its checkpoints", function()
    local entered, left = 0, 0
    test.sweep(function()
      local function generator()
        for i = 1, 3 do
          @scope(function(s)
            entered = entered + 1
            s:defer(function() left = left + 1 end)
            @yield()
          end)
          coroutine.yield(i)
        end
      end
      for _ in coroutine.wrap(generator) do @yield() end
    end, { check = function() assert.equal(entered, left) end })
  end)

  it("its task may go on, and it is dead", function()
    test.clock(function()
      local co = coroutine.create(function()
        while true do
          @sleep("1s")
          coroutine.yield(test.now())
        end
      end)
      assert.same({ true, 1 }, { coroutine.resume(co) })
      local e = fails(@timeout, "0.5s", function() error(select(2, coroutine.resume(co)), 0) end)
      assert.equal("timeout", e.kind)
      assert.equal("dead", coroutine.status(co))
      @sleep("1s")
      assert.equal(2.5, test.now())
    end)
  end)
end)

describe("a timeout swallowed by an inner handler:", function()
  for name, swallow in pairs {
    pcall = function() pcall(forever) end,
    xpcall = function() xpcall(forever, function(e) return e end) end,
    ["@try, which lets it through,"] = function() @try(forever) end,
    ["a pcall in a generator"] = function() coroutine.wrap(function() pcall(forever) end)() end,
    ["@any"] = function() pcall(@any, forever, forever) end,
    ["a scope that collects"] = function() pcall(@scope, { on_error = "collect" }, function(s) s:spawn(forever) end) end,
    ["a pcall around an operator that answers at once"] = function() pcall(forever) pcall(@cache.get, "x") end,
  } do
    timed("by " .. name .. " is raised all the same where it belongs", function()
      local e = fails(@timeout, "2s", function()
        swallow()
        return "as if nothing had happened"
      end)
      assert.same({ "timeout", 2, 2 }, { e.kind, e.after, test.now() })
    end)
  end

  timed("by a retry of one's own cannot make it last longer", function()
    fails(@timeout, "2s", function()
      for _ = 1, 50 do
        if pcall(@sleep, "1h") then break end
      end
    end)
    assert.equal(2, test.now())
  end)
end)

describe("tasks outliving a failed plugin:", function()
  it("those that its setup has started end with it, finalizers run, before its dependants are told", function()
    local result = app.run {
      ["plugins/frail.lua"] = [[
return { name = "frail", setup = function()
  @spawn(function()
    @scope(function(s)
      s:defer(function() print("tidied") end)
      local turns = 0 -- one it may have: it may have been ready already
      while true do
        @sleep("1ms")
        if failed then turns = turns + 1 end
        if turns > 1 then print("outlived") end
      end
    end)
  end)
  @sleep("3ms")
  failed = true
  error("no luck")
end }]],
      ["main.lua"] = 'print("never")',
    }
    assert.same({ 3, "tidied\n" }, { result.status, result.stdout })
    assert.matches("no luck", result.stderr, 1, true)
  end)

  it("and those of a plugin that ends in good order", function()
    local result = app.run {
      ["plugins/steady.lua"] = [[
return { name = "steady", setup = function()
  @spawn(function()
    @scope(function(s)
      s:defer(function() print("tidied") end)
      @sleep("1h")
    end)
  end)
end, teardown = function() print("torn down") end }]],
      ["main.lua"] = 'print("main")',
    }
    assert.same({ 0, "main\ntidied\ntorn down\n" }, { result.status, result.stdout })
  end)
end)

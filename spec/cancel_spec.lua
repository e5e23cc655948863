-- What a cancel does to work in flight: a row for each kind of work. Real servers, databases and files where it is
-- about those; virtual time elsewhere.
local database = require "spec.support.database"
local processes = require "spec.support.processes"
local raw_server = require "spec.support.raw_server"
local temp = require "spec.support.temp"
local test = require "tusk.test"
local uv = require "luv"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

-- What body fails with when it is cancelled once ready() is true.
local function cancelled(body, ready)
  local seen
  @scope(function(s)
    local task = s:spawn(function()
      seen = fails(body)
      error(seen, 0)
    end)
    for _ = 1, 100000 do
      if not ready or ready() then break end
      @yield()
    end
    task:cancel()
    @try(task.await, task)
    assert.equal("cancelled", task.state)
  end)
  assert.equal("cancelled", seen.kind)
  return seen
end

-- How many of this process's threads run at the moment, but for the one that asks.
local function busy_threads()
  local busy = 0
  for _, id in ipairs(temp.list("/proc/self/task")) do
    local ok, stat = pcall(temp.read, "/proc/self/task/" .. id .. "/stat")
    if ok and tonumber(id) ~= uv.os_getpid() and stat:match("%) (%a)") == "R" then busy = busy + 1 end
  end
  return busy
end

local function wait_until(condition, what)
  for _ = 1, 5000 do
    if condition() then return end
    @sleep("1ms")
  end
  error(what .. " never came", 0)
end

describe("sleep, channel, semaphore, select: unlink the waiter, stop the timer; it did not happen", function()
  it("sleep", function()
    test.clock(function()
      cancelled(@(@sleep("1h")))
      cancelled(@(@every("1h"):wait()))
      @sleep("2h")
      assert.equal(7200, test.now())
    end)
  end)

  it("channel: a receiver takes nothing, a sender leaves nothing", function()
    local ch = @channel()
    cancelled(@(ch:recv()))
    assert.is_false(ch:try_send("nobody is there"))
    cancelled(@(ch:send("lost")))
    assert.same({ nil, "empty" }, { ch:try_recv() })
  end)

  it("semaphore: the permit goes to the next in line", function()
    local sem, got = @semaphore(1), nil
    @scope(function(s)
      local lease = sem:acquire()
      local first = s:spawn(sem.with, sem, @yield)
      s:spawn(sem.with, sem, function() got = true end)
      first:cancel()
      @yield()
      lease:release()
    end)
    assert.same({ true, 1 }, { got, sem.available })
  end)

  it("select: no case happens, and nobody stands in their lines", function()
    test.clock(function()
      local a, b, watch = @channel(1), @channel(), @watch(0)
      cancelled(@(@select { a = a, b = b, w = watch, t = @every("1h"), timeout = "1h" }))
      a:send(1)
      assert.same({ 1, false, 0 }, { #a, b:try_send(2), test.now() })
    end)
  end)
end)

describe("HTTP: remove the easy handle from the multi", function()
  it("the socket is closed, as the server sees; unknown once bytes left (err.sent)", function()
    raw_server.with(function() end, function(server)
      local e = cancelled(@(@http.post(server.url, { body = "x" })), function() return #server.requests == 1 end)
      assert.is_true(e.sent)
      server:wait(function() return server.ended == 1 end)
    end)
  end)

  it("a body that stalls", function()
    raw_server.saying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234", function(server)
      local _, e = @try(@timeout, "100ms", @(@http.get(server.url):text()))
      assert.equal("timeout", e.kind)
      server:wait(function() return server.ended == 1 end)
    end)
  end)

  it("before anything was sent it did not happen", function()
    assert.is_nil(cancelled(@(@http.get("http://127.0.0.1:1/"))).sent)
  end)

  it("by a task that the same turn of the loop has woken", function()
    raw_server.with(function(connection, request)
      if request.target == "/quick" then connection:write(raw_server.response(200, {}, "quick")) end
    end, function(server)
      @scope(function(s)
        local slow = {}
        for i = 1, 5 do slow[i] = s:spawn(@http.get, server.url .. "/slow") end
        server:wait(function() return #server.requests == 5 end)
        for i = 1, 5 do
          s:spawn(function()
            @http.get(server.url .. "/quick"):text()
            slow[i]:cancel()
          end)
        end
      end)
      server:wait(function() return server.ended >= 5 end)
    end)
  end)
end)

database.each_kind(function(kind, with)
  describe("SQLite read in " .. kind .. ": sqlite3_interrupt on the connection leased to this task", function()
    it("did not happen, and no other statement is hit", with(function(db)
      db.users.insert { name = "ann" }
      local other = @async(function()
        return db.value("with recursive c(x) as (select 1 union all select x + 1 from c where x < 300000) select count(*) from c")
      end)
      cancelled(@(db.value(database.ENDLESS)))
      assert.equal(300000, other:await())
      assert.equal(1, db.users.count())
    end))

    it("its thread is idle again after a timeout, and takes the next job", with(function(db)
      for _ = 1, 3 do
        assert.equal("timeout", fails(@timeout, "30ms", @(db.query(database.ENDLESS))).kind)
      end
      wait_until(function() return busy_threads() == 0 end, "the end of the statement")
      assert.equal(100000, db.value(
        "with recursive c(x) as (select 1 union all select x + 1 from c where x < 100000) select count(*) from c"))
    end, { readers = 1 }))
  end)

  describe("SQLite transaction in " .. kind, function()
    it("queued: removed", with(function(db)
      local go, began = database.gate(), false
      local holder = @async(function() db.transaction(go.wait) end)
      cancelled(@(db.transaction(function() began = true end)))
      go.open()
      holder:await()
      assert.is_false(began)
    end))

    it("running: interrupted, rolled back", with(function(db)
      local inside = false
      cancelled(function()
        db.transaction(function(tx)
          tx.users.insert { name = "ann" }
          inside = true
          tx.exec("insert into users (name) " .. database.ENDLESS)
        end)
      end, function() return inside end)
      assert.equal(0, db.users.count())
      wait_until(function() return busy_threads() == 0 end, "the end of the statement")
      db.users.insert { name = "bob" }
      assert.equal(1, db.users.count())
    end))

    it("in COMMIT: waited for. It did or did not, never half", with(function(db)
      for moment = 0, 30 do
        local before, returned = db.users.count(), false
        local task = @async(function()
          db.transaction(function(tx)
            tx.users.insert { name = "ann" }
            tx.users.insert { name = "bob" }
            returned = true
          end)
          return "committed"
        end)
        wait_until(function() return returned end, "the end of the body")
        for _ = 1, moment do @yield() end
        task:cancel()
        local done = @try(task.await, task)
        assert.equal(before + (done and 2 or 0), db.users.count())
      end
    end))
  end)
end)

describe("file", function()
  local dir, path, fifo
  before_each(function()
    dir = temp.new()
    path, fifo = dir .. "/f", dir .. "/fifo"
    temp.fifo(fifo)
  end)
  after_each(function() temp.remove(dir) end)

  -- Both ends, so that nobody waits for the other to open it.
  local function open_fifo()
    return assert(io.open(fifo, "r+b"))
  end

  local function open_now(target)
    for _, fd in ipairs(temp.list("/proc/self/fd")) do
      if uv.fs_readlink("/proc/self/fd/" .. fd) == target then return fd end
    end
  end

  it("uv_cancel before start: it leaves no trace", function()
    local other, blockers, seen = open_fifo(), {}, nil
    for i = 1, 4 do blockers[i] = @async(@file.write, fifo, ("x"):rep(2 ^ 20), { special = true }) end
    local task = @async(function()
      seen = fails(@file.write, path, "x")
      error(seen, 0)
    end)
    task:cancel()
    for i = 1, 4 do blockers[i]:cancel() end
    @try(task.await, task)
    assert.same({ "cancelled", nil, false }, { seen.kind, seen.sent, @file.exists(path) })
    other:close()
  end)

  it("else detached: late descriptors are closed", function()
    temp.write(path, ("x"):rep(1000000))
    local function descriptors() return #temp.list("/proc/self/fd") end
    @file.read(path)
    local before = descriptors()
    for moment = 0, 20 do
      local task = @async(@file.read, path)
      for _ = 1, moment do @yield() end
      task:cancel()
      @try(task.await, task)
    end
    wait_until(function() return descriptors() <= before end, "the closing of what was open")
  end)

  it("of a FIFO: the descriptor is closed, and there was no thread", function()
    for _ = 1, 8 do
      local task = @async(@file.read, fifo, { fifo = true })
      assert.truthy((open_now(fifo)))
      task:cancel()
      assert.equal("task_cancelled", fails(task.await, task).kind)
      assert.is_nil((open_now(fifo)))
    end
  end)

  it("a write that had begun: unknown", function()
    local other = open_fifo()
    local seen
    local task = @async(function()
      seen = fails(@file.write, fifo, ("x"):rep(2 ^ 20), { special = true })
      error(seen, 0)
    end)
    other:read(1)
    task:cancel()
    @try(task.await, task)
    other:close()
    assert.same({ "cancelled", true }, { seen.kind, seen.sent })
  end)

  it("write_atomic: old or new, never mixed", function()
    os.remove(fifo)
    local old, new = ("o"):rep(3000000), ("n"):rep(3000000)
    for moment = 1, 12 do
      temp.write(path, old)
      local task = @async(@file.write_atomic, path, new)
      for _ = 2, moment do @yield() end
      task:cancel()
      @try(task.await, task)
      wait_until(function() return #temp.list(dir) == 1 end, "the removal of the temporary file")
      local text = temp.read(path)
      assert.is_true(text == old or text == new)
    end
  end)
end)

describe("subprocess: TERM, grace, KILL, reap", function()
  local function is_running()
    return next(processes.children()) ~= nil
  end

  it("a run: ended, and reaped", function()
    assert.is_true(cancelled(@(@process.run { "sleep", "1000" }), is_running).sent)
    assert.same({}, processes.children())
  end)

  it("what was started beside: ended with its scope", function()
    cancelled(function()
      @process.spawn { "sleep", "1000" }
      @sleep("1h")
    end, is_running)
    assert.same({}, processes.children())
  end)

  it("one that ignores TERM: killed", function()
    local ready = false
    cancelled(function()
      local p = @process.spawn({ "sh", "-c", "trap '' TERM; echo; sleep 1000" }, { grace = "10ms" })
      p.stdout:read()
      ready = true
      p:wait()
    end, function()
      @sleep("1ms")
      return ready
    end)
    assert.same({}, processes.children())
  end)
end)

describe("another task's await: the waiter is unlinked; the awaited task goes on", function()
  it("and may be awaited by others, and again", function()
    test.clock(function()
      local other = @async(function()
        @sleep("1s")
        return "value"
      end)
      local patient = @async(@(other:await()))
      cancelled(@(other:await()))
      assert.equal("parked", other.state)
      assert.same({ "value", "value", 1 }, { patient:await(), other:await(), test.now() })
    end)
  end)
end)

-- Scopes that a coroutine of the user's has open when it is dropped, or when its task ends.
local database = require "spec.support.database"
local test = require "tusk.test"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

-- Until what has been dropped is collected, and its finalizers have run. The collector looks at every slot of the
-- stack: those that earlier calls have used are emptied first.
local function collect(done)
  for _ = 1, 1000 do
    select("#", unpack({}, 1, 200))
    collectgarbage()
    @sleep("1ms")
    if done() then return end
  end
  error("it was never collected", 0)
end

-- Steps into a generator once, and drops it.
local function drop(body)
  local step = coroutine.wrap(body)
  step()
end

-- The generator stays in somebody's hands, but its task ends.
local function leave(body)
  local step
  local task = @spawn(function()
    step = coroutine.wrap(body)
    step()
  end)
  task:await()
  return step
end

describe("what a scope in a generator has deferred", function()
  local log
  before_each(function() log = {} end)

  local function note(...)
    table.insert(log, table.concat({ ... }, " "))
  end

  local function nested()
    @scope(function(outer)
      outer:defer(function() note("outer", "first") end)
      outer:defer(function()
        @yield() -- it may wait
        note("outer", "second")
      end)
      @scope(function(inner)
        inner:defer(function()
          @yield()
          note("inner")
        end)
        coroutine.yield()
        note("went on")
      end)
    end)
  end

  it("runs when the generator was dropped, inner scopes first, last in, first out", function()
    drop(nested)
    collect(function() return #log == 3 end)
    assert.same({ "inner", "outer second", "outer first" }, log)
  end)

  it("runs when its task ends, which waits for that", function()
    leave(nested)
    assert.same({ "inner", "outer second", "outer first" }, log)
  end)

  it("runs in the task of who has stepped into it last", function()
    local step = coroutine.wrap(function()
      coroutine.yield()
      nested()
    end)
    step()
    @spawn(step):await()
    assert.equal(3, #log)
  end)

  it("runs though the task was cancelled", function()
    @scope(function(s)
      local task = s:spawn(function()
        local step = coroutine.wrap(nested)
        step()
        @sleep("1h")
      end)
      task:cancel()
    end)
    assert.equal(3, #log)
  end)

  it("closes its channels with an error", function()
    local ch
    drop(function()
      @scope(function(s)
        ch = s:channel(1)
        coroutine.yield()
      end)
    end)
    collect(function() return ch.closed end)
    assert.equal("closed", fails(ch.recv, ch).kind)
  end)

  it("has its grace, and what it fails with fails the task", function()
    test.clock(function()
      local task = @async(function()
        local step = coroutine.wrap(function()
          @scope({ grace = "2s" }, function(s)
            s:defer(function() error({ kind = "mine" }) end)
            s:defer(function() @sleep("1h") end)
            coroutine.yield()
          end)
        end)
        step()
      end)
      local e = fails(task.await, task)
      assert.same({ "timeout", 2, "mine" }, { e.kind, test.now(), e.suppressed[1].kind })
    end)
  end)

  it("runs once, also when somebody runs the generator on afterwards", function()
    local step = leave(nested)
    pcall(step)
    assert.same({ "inner", "outer second", "outer first", "went on" }, log)
  end)

  it("runs at the end of the program", function()
    local program = require "spec.support.program"
    local result = program.run { "-e", [[
      step = coroutine.wrap(function()
        @scope(function(s)
          s:defer(function() @sleep("1ms") print("tidied") end)
          coroutine.yield()
        end)
      end)
      step() ]] }
    assert.same({ 0, "tidied\n", "" }, { result.status, result.stdout, result.stderr })
  end)

  it("does not begin amid a collection, which may come while a task is made", function()
    local dropped, deferred, started = 2000, 0, 0
    for _ = 1, dropped do
      drop(function()
        @scope(function(s)
          s:defer(function() deferred = deferred + 1 end)
          coroutine.yield()
        end)
      end)
      @spawn(function(n)
        @yield()
        started = started + n
      end, 1)
      if math.random(8) == 1 then @yield() end
    end
    collect(function() return deferred == dropped end)
    assert.equal(dropped, started)
  end)

  it("keeps nothing alive: two thousand dropped generators leave no memory behind", function()
    local count = 0
    local function batch()
      for _ = 1, 200 do
        drop(function()
          @scope(function(s)
            s:defer(function() count = count + (s.name and 0 or 1) end)
            coroutine.yield()
          end)
        end)
      end
      local expected = count
      collect(function() return count > expected and count % 200 == 0 end)
      collectgarbage()
      collectgarbage()
      return collectgarbage("count")
    end
    batch()
    local before = batch()
    for _ = 1, 8 do batch() end
    assert.is_true(collectgarbage("count") < before + 100)
  end)
end)

describe("in a generator that is dropped,", function()
  for how, lose in pairs { dropped = drop, ["left by its task"] = leave } do
    it("a permit of sem:with is given back: " .. how, function()
      local sem = @semaphore(1)
      lose(function() sem:with(coroutine.yield) end)
      if how == "dropped" then assert.equal(0, sem.available) end
      collect(function() return sem.available == 1 end)
    end)

    it("the thing of pool:with is closed, and its place free: " .. how, function()
      local closed = 0
      local pool = @pool { open = @("thing"), close = function() @yield() closed = closed + 1 end, max = 1 }
      lose(function() pool:with(coroutine.yield) end)
      collect(function() return closed == 1 end)
      assert.same({ in_use = 0, idle = 0, max = 1 }, pool:stats())
      assert.equal("thing", pool:with(function(x) return x end))
    end)

    it("a transaction is rolled back, and the database outside of it again: " .. how, function()
      for _, kind in ipairs { "memory", "file" } do
        database.with(kind, function(db)
          db.exec "create table t (x)"
          lose(function()
            db.transaction(function(tx)
              tx.t.insert { x = 1 }
              coroutine.yield()
            end)
          end)
          local free
          collect(function() -- until then it is refused: it would wait for the one that this task has open
            free = free or @spawn(pcall, db.transaction, function(tx) tx.t.insert { x = 2 } end)
            if free.state ~= "done" then return false end
            if free:await() then return true end
            free = nil
          end)
          db.t.insert { x = 3 }
          assert.same({ { x = 2 }, { x = 3 } }, db.query("select x from t order by x"))
        end)
      end
    end)

    it("a savepoint is rolled back, the transaction around it is not: " .. how, function()
      database.with("file", function(db)
        db.exec "create table t (x)"
        db.transaction(function(tx)
          local gone
          tx.t.insert { x = 1 }
          lose(function()
            @scope(function(s)
              s:defer(function() gone = true end)
              tx.transaction(function(inner)
                inner.t.insert { x = 2 }
                coroutine.yield()
              end)
            end)
          end)
          collect(function() return gone end)
          tx.t.insert { x = 3 }
        end)
        assert.same({ { x = 1 }, { x = 3 } }, db.query("select x from t order by x"))
      end)
    end)
  end

  it("a transaction that is run on by another task is told that it is over", function()
    database.with("file", function(db)
      db.exec "create table t (x)"
      local step = leave(function()
        db.transaction(function(tx)
          tx.t.insert { x = 1 }
          coroutine.yield()
        end)
      end)
      assert.is_false((pcall(step)))
      assert.equal(0, db.t.count())
      db.transaction(function(tx) tx.t.insert { x = 2 } end)
      assert.equal(1, db.t.count())
    end)
  end)

  it("a permit that was given back is not given back again by another task that runs it on", function()
    local sem = @semaphore(2)
    local step = leave(function() sem:with(coroutine.yield) end)
    assert.equal(2, sem.available)
    pcall(step)
    assert.equal(2, sem.available)
  end)

  it("a transaction that a coroutine holds a savepoint of does not commit half", function()
    database.with("file", function(db)
      db.exec "create table t (x)"
      local step
      local e = fails(db.transaction, function(tx)
        step = coroutine.wrap(function()
          tx.transaction(function(inner)
            inner.t.insert { x = 2 }
            coroutine.yield()
          end)
        end)
        step()
      end)
      assert.equal("db.aborted", e.kind)
      assert.equal(0, db.t.count())
      assert.is_function(step)
    end)
  end)
end)

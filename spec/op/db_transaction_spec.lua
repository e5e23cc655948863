local database = require "spec.support.database"

local function failure(fn, ...)
  local _, e = @try(fn, ...)
  assert.is_not_nil(e, "it did not fail")
  return e
end

database.each_kind(function(kind, with)
  describe("a transaction in " .. kind, function()
    it("commits on return and passes all values through", with(function(db)
      local a, b, c = db.transaction(function(tx)
        tx.users.insert { name = "ann" }
        return 1, nil, 3
      end)
      assert.same({ 1, nil, 3 }, { a, b, c })
      assert.equal(1, db.users.count())
    end))

    it("rolls back on an error and raises that error", with(function(db)
      local own = {}
      local ok, e = pcall(db.transaction, function(tx)
        tx.users.insert { name = "ann" }
        error(own)
      end)
      assert.is_false(ok)
      assert.equal(own, e)
      assert.equal(0, db.users.count())
    end))

    it("rolls back when its task is cancelled", with(function(db)
      local inside = database.gate()
      local task = @async(function()
        db.transaction(function(tx)
          tx.users.insert { name = "ann" }
          inside.open()
          @sleep("1h")
        end)
      end)
      inside.wait()
      task:cancel()
      assert.equal("task_cancelled", failure(function() task:await() end).kind)
      assert.equal(0, db.users.count())
      assert.equal(1, db.transaction(function(tx) return tx.users.insert({ name = "bob" }).id end))
    end))

    it("rolls back when its time is over", with(function(db)
      local e = failure(@timeout, "30ms", function()
        db.transaction(function(tx)
          tx.users.insert { name = "ann" }
          tx.value(database.ENDLESS)
        end)
      end)
      assert.equal("timeout", e.kind)
      assert.equal(0, db.users.count())
    end))

    it("is what the database means in its task", with(function(db)
      failure(db.transaction, function(tx)
        db.users.insert { name = "ann" }
        assert.equal(1, tx.users.count())
        assert.equal(1, db.users.count())
        assert.equal("ann", db.table("users"):first().name)
        error("undo")
      end)
      assert.equal(0, db.users.count())
    end))

    it("reads what it has written, through every function", with(function(db)
      db.transaction(function(tx)
        assert.equal(1, tx.exec("insert into users (name) values (?)", "ann").last_id)
        assert.equal("ann", tx.one("select * from users where id = 1").name)
        assert.equal(1, #tx.query("select * from users"))
        assert.equal(2, tx.users.insert_many { { name = "b" }, { name = "c", age = 1 } })
        assert.equal(3, tx.value("select count(*) from users"))
        tx.exec("update users set age = 9")
        assert.equal(3, tx.table("users"):where("age", 9):count())
        tx.exec("create table t (a); insert into t values (1)")
        assert.equal(1, tx.t.count())
      end)
      assert.equal(1, db.t.count())
    end))

    it("forgets tables that were made in it and undone", with(function(db)
      failure(db.transaction, function(tx)
        tx.exec("create table t (a)")
        tx.t.insert { a = 1 }
        error("undo")
      end)
      assert.equal("db.table", failure(function() return db.t.count() end).kind)
    end))

    it("goes on after a statement that failed in it", with(function(db)
      db.transaction(function(tx)
        tx.users.insert { name = "ann", email = "a" }
        assert.equal("db.constraint", failure(tx.users.insert, { name = "bob", email = "a" }).kind)
        assert.equal("db.constraint", failure(tx.users.insert_many, { { name = "x" }, { name = "y", email = "a" } }).kind)
        assert.equal("db.table", failure(tx.exec, "insert into users (name) values ('q'); select * from nosuch").kind)
        tx.users.insert { name = "cy" }
      end)
      assert.same({ { name = "ann" }, { name = "cy" } }, db.query("select name from users order by id"))
    end))

    it("nests: an inner one that fails undoes itself only", with(function(db)
      db.transaction(function(tx)
        tx.users.insert { name = "ann" }
        failure(tx.transaction, function(inner)
          inner.users.insert { name = "bob" }
          error("undo")
        end)
        db.transaction(function() db.users.insert { name = "cy" } end)
        tx.transaction(function(a)
          a.transaction(function(b) b.users.insert { name = "dee" } end)
          failure(a.transaction, function(b)
            b.users.insert { name = "eve" }
            error("undo")
          end)
        end)
      end)
      assert.same({ { name = "ann" }, { name = "cy" }, { name = "dee" } }, db.query("select name from users order by id"))
    end))

    it("nests: all is undone when the outer one fails", with(function(db)
      failure(db.transaction, function(tx)
        tx.transaction(function(inner) inner.users.insert { name = "ann" } end)
        error("undo")
      end)
      assert.equal(0, db.users.count())
    end))

    it("runs after_commit in order once committed, not otherwise", with(function(db)
      local log = {}
      local function say(word) return function() log[#log + 1] = word .. db.users.count() end end
      db.transaction(function(tx)
        tx.after_commit(say "a")
        tx.users.insert { name = "ann" }
        failure(tx.transaction, function(inner)
          inner.after_commit(say "undone")
          error("undo")
        end)
        tx.transaction(function(inner) inner.after_commit(say "b") end)
        assert.same({}, log)
      end)
      failure(db.transaction, function(tx)
        tx.after_commit(say "never")
        error("undo")
      end)
      assert.same({ "a1", "b1" }, log)
    end))

    it("takes after_commit of the database itself for its own, in the same task", with(function(db)
      local said = {}
      db.transaction(function()
        db.after_commit(function() said[#said + 1] = "committed" end)
        assert.equal("operator", failure(@(@all(@(db.after_commit(print))))).kind)
        assert.same({}, said)
      end)
      assert.same({ "committed" }, said)
      assert.equal("operator", failure(db.after_commit, print).kind)
    end))

    it("is known to those inside, their children too, and to nobody else", with(function(db)
      local inside, seen = {}, nil
      assert.is_false(db.in_transaction())
      db.transaction(function(tx)
        inside = { db.in_transaction(), tx.in_transaction(), (@all(@(db.in_transaction()))) }
        db.transaction(function() seen = db.in_transaction() end)
      end)
      assert.same({ true, true, true, true }, { inside[1], inside[2], inside[3], seen })
      assert.is_false(db.in_transaction())
    end))

    it("raises what an after_commit raised, after the others, the work being kept", with(function(db)
      local ran
      local e = failure(db.transaction, function(tx)
        tx.users.insert { name = "ann" }
        tx.after_commit(function() error("late") end)
        tx.after_commit(function() ran = true end)
      end)
      assert.matches("late", tostring(e))
      assert.is_true(ran)
      assert.equal(1, db.users.count())
    end))

    it("is told of, once for each place, when it is held while it waits for something else", with(function(db)
      local test, told = require "tusk.test", {}
      local function held(pause)
        db.transaction(function(tx)
          tx.users.insert { name = "ann" }
          @sleep(pause)
          tx.users.count()
        end)
      end
      test.clock(function()
        test.fake("log", { warn = function(message) told[#told + 1] = message end }, function()
          held("900ms")
          assert.same({}, told)
          held("90s")
          held("90s")
          pcall(db.transaction, function()
            @sleep("2s")
            error("undone")
          end)
        end)
      end)
      assert.equal(2, #told)
      assert.matches("^the transaction at spec/op/db_transaction_spec.lua:%d+ was held for 90.0 s, 90.0 s of them in no statement", told[1])
      assert.matches("held for 2.0 s", told[2])
      assert.equal(3, db.users.count())
    end))

    it("fails and is undone when its constraints do not hold at the end", with(function(db)
      db.exec("create table c (p integer references users (id) deferrable initially deferred)")
      local e = failure(db.transaction, function(tx)
        tx.users.insert { name = "ann" }
        tx.c.insert { p = 99 }
      end)
      assert.equal("foreign_key", e.type)
      assert.equal(0, db.users.count())
      db.users.insert { name = "bob" }
    end))

    it("is of no use when it has ended", with(function(db)
      local kept
      db.transaction(function(tx) kept = tx end)
      assert.equal("closed", failure(kept.query, "select 1").kind)
      assert.equal("closed", failure(kept.users.insert, { name = "x" }).kind)
    end))

    it("takes no statement of another task's once it commits, and the next one does not either", with(function(db)
      local kept, over
      local late = @async(function()
        while not over do @yield() end
        return failure(@timeout, "5s", kept.exec, "insert into users (name) values ('late')")
      end)
      for _ = 1, 2 do
        db.transaction(function(tx)
          kept = kept or tx
          tx.users.insert { name = "ann" }
          over = true
        end)
      end
      assert.equal("closed", late:await().kind)
      assert.equal(0, db.users.count { name = "late" })
    end))

    it("lets no statement run outside it once SQLite has undone it", with(function(db)
      local e = failure(db.transaction, function(tx)
        tx.users.insert { name = "ann", email = "a" }
        failure(tx.exec, "insert or rollback into users (name, email) values ('x', 'a')")
        assert.equal("db.aborted", failure(tx.users.insert, { name = "bob" }).kind)
        assert.equal("db.aborted", failure(tx.exec, "insert into users (name) values ('cy')").kind)
      end)
      assert.equal("db.aborted", e.kind)
      assert.equal(0, db.users.count())
    end))

    it("may be used by child tasks, one statement after the other", with(function(db)
      db.transaction(function(tx)
        @map({ 1, 2, 3, 4, 5, 6, 7, 8 }, function(i)
          local id = tx.users.insert({ name = "n" .. i }).id
          assert.equal("n" .. i, tx.users.find(id).name)
        end)
      end)
      assert.equal(8, db.users.count())
    end))

    it("waits for the children that were started in it", with(function(db)
      db.transaction(function(tx)
        @spawn(function()
          @sleep("1ms")
          tx.users.insert { name = "late" }
        end)
      end)
      assert.equal(1, db.users.count())
    end))

    it("is rolled back when a child of it fails", with(function(db)
      local e = failure(db.transaction, function(tx)
        tx.users.insert { name = "ann" }
        @spawn(function()
          @sleep("1ms")
          error("child")
        end)
      end)
      assert.matches("child", tostring(e))
      assert.equal(0, db.users.count())
    end))

    it("keeps other tasks out of an open savepoint", with(function(db)
      db.transaction(function(tx)
        local inside, go = database.gate(), database.gate()
        local a = @async(function()
          failure(tx.transaction, function(inner)
            inner.users.insert { name = "undone" }
            inside.open()
            go.wait()
            error("undo")
          end)
        end)
        inside.wait()
        local b = @async(function() return tx.users.insert { name = "kept" }.name end)
        go.open()
        a:await()
        assert.equal("kept", b:await())
      end)
      assert.same({ { name = "kept" } }, db.query("select name from users"))
    end))

    it("makes a child's own write raise at once instead of waiting for its ancestor", with(function(db)
      db.transaction(function(tx)
        tx.users.insert { name = "ann" }
        local task = @async(function() return @async(function() db.users.insert { name = "bob" } end):await() end)
        local e = failure(function() task:await() end)
        assert.equal("db.busy", e.kind)
        assert.matches("transaction of the task that started this one", e.message)
        e = failure(function() @async(function() db.transaction(function() end) end):await() end)
        assert.equal("db.busy", e.kind)
        assert.equal("db.busy", failure(function() @async(function() db.users.insert_many { { name = "x" } } end):await() end).kind)
      end)
      assert.equal(1, db.users.count())
    end))

    it("makes wait, like anybody's, the writes of what the same task has started outside of it", with(function(db)
      @scope(function(s)
        local gate, kinds = database.gate(), {}
        local function write(name, fn)
          return s:async(function()
            gate.wait()
            fn()
            kinds[#kinds + 1] = name
          end)
        end
        local tasks = {
          write("row", function() db.users.insert { name = "row" } end),
          write("transaction", function() db.transaction(function(tx) tx.users.insert { name = "transaction" } end) end),
        }
        db.transaction(function(tx)
          tx.users.insert { name = "first" }
          gate.open()
          for _ = 1, 20 do @yield() end
          assert.same({ 0, 1 }, { #kinds, tx.users.count() })
        end)
        @all(tasks)
      end)
      assert.equal("first", db.users.find(1).name)
      assert.equal(3, db.users.count())
    end))

    it("makes another task's write wait until it has ended", with(function(db)
      local log, inside, go = {}, database.gate(), database.gate()
      local function first()
        db.transaction(function(tx)
          tx.users.insert { name = "first" }
          inside.open()
          go.wait()
          log[#log + 1] = "first"
        end)
      end
      local function second()
        inside.wait()
        @spawn(function() go.open() end)
        assert.equal(2, db.users.insert({ name = "second" }).id)
        log[#log + 1] = "second"
      end
      @all(first, second)
      assert.same({ "first", "second" }, log)
    end))

    it("is dropped from the line when it is cancelled while it waits to begin", with(function(db)
      db.users.insert { name = "ann" }
      local inside, go = database.gate(), database.gate()
      local holder = @async(function()
        db.transaction(function()
          inside.open()
          go.wait()
        end)
      end)
      inside.wait()
      local began
      local waiting = @async(function() db.transaction(function() began = true end) end)
      waiting:cancel()
      go.open()
      holder:await()
      assert.equal("task_cancelled", failure(function() waiting:await() end).kind)
      assert.is_nil(began)
      db.users.insert { name = "bob" }
      assert.equal(2, db.users.count())
    end))

    it("is undone by a timeout inside it that hits a write", with(function(db)
      local e = failure(db.transaction, function(tx)
        tx.users.insert { name = "ann" }
        local inner = failure(@timeout, "30ms", @(tx.exec("insert into users (name) " .. database.ENDLESS)))
        assert.equal("timeout", inner.kind)
      end)
      assert.equal("db.aborted", e.kind)
      assert.equal(0, db.users.count())
    end))

    it("survives a timeout inside it that hits a read", with(function(db)
      db.transaction(function(tx)
        tx.users.insert { name = "ann" }
        assert.equal("timeout", failure(@timeout, "30ms", @(tx.value(database.ENDLESS))).kind)
        tx.users.insert { name = "bob" }
      end)
      assert.equal(2, db.users.count())
    end))

    it("takes a mode, and refuses what it does not know", with(function(db)
      assert.equal(1, db.transaction({ mode = "deferred" }, function(tx) return tx.value("select 1") end))
      assert.equal(2, db.transaction({ mode = "exclusive", retries = 2 }, function(tx) return tx.value("select 2") end))
      assert.equal("argument", failure(db.transaction, { mode = "quick" }, function() end).kind)
      assert.equal("mode", failure(db.transaction, { moed = "x" }, function() end).suggestion)
      assert.equal("argument", failure(db.transaction).kind)
      assert.equal("operator", failure(function() db.after_commit(function() end) end).kind)
    end))
  end)
end)

database.each_kind(function(kind, with)
  describe("closing a database in " .. kind, function()
    it("is refused inside a transaction on it", with(function(db)
      db.transaction(function()
        assert.equal("argument", failure(db.close).kind)
        assert.equal("argument", failure(function() @async(function() db.close() end):await() end).kind)
      end)
    end))

    it("waits for another task's transaction", with(function(db)
      local inside, go = database.gate(), database.gate()
      local other = @async(function()
        db.transaction(function(tx)
          inside.open()
          go.wait()
          tx.users.insert { name = "ann" }
        end)
        return "committed"
      end)
      inside.wait()
      local closing = @async(db.close)
      go.open()
      assert.equal("committed", other:await())
      closing:await()
      assert.equal("closed", failure(db.users.count).kind)
    end))
  end)

  describe("transfers between accounts in " .. kind, function()
    local ROUNDS = tonumber(os.getenv("N")) or 40

    local function transfer(db, from, to, seed)
      db.transaction(function(tx)
        tx.exec("update users set age = age - 1 where id = ?", from)
        if seed % 3 == 0 then @sleep(0.0005) end
        if seed % 5 == 0 then tx.transaction(function(inner) inner.table("users"):where("id", to):increment("age") end)
        else tx.users.update(to, { age = tx.users.find(to).age + 1 }) end
        if seed % 7 == 0 then error("undo") end
      end)
    end

    it("keep the sum, whatever is cancelled or fails", with(function(db)
      local rows = {}
      for i = 1, 8 do rows[i] = { name = "n" .. i, age = 100 } end
      db.users.insert_many(rows)
      @map({ 1, 2, 3, 4, 5, 6 }, function(k)
        for i = 1, ROUNDS do
          local seed = k * 31 + i * 17
          @try(@timeout, 0.0003 + (seed % 11) * 0.0004, @(transfer(db, seed % 8 + 1, (seed + k) % 8 + 1, seed)))
          assert.equal(800, db.value("select sum(age) from users"))
        end
      end)
      assert.equal(800, db.value("select sum(age) from users"))
    end))
  end)
end)

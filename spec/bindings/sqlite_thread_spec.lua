local database = require "spec.support.database"
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local function failure(fn, ...)
  local _, e = @try(fn, ...)
  assert.is_not_nil(e, "it did not fail")
  return e
end

local tusk = require("luv").exepath() -- the program that runs this
local COUNT = "with recursive c(x) as (select 1 union all select x + 1 from c where x < ?) select count(*) from c"

database.each_kind(function(kind, with)
  describe("a database in " .. kind .. " and many tasks", function()
    it("ends a statement when its time is over, and works afterwards", with(function(db)
      for _ = 1, 5 do
        local e = failure(@timeout, "20ms", @(db.query(database.ENDLESS)))
        assert.equal("timeout", e.kind)
      end
      assert.equal(10, db.value(COUNT, 10))
      assert.equal("timeout", failure(@timeout, "20ms", @(db.exec("insert into users (name) " .. database.ENDLESS))).kind)
      assert.equal(0, db.users.count())
    end))

    it("ends a statement when its task is cancelled, and only that one", with(function(db)
      local long = @async(function() return db.value(database.ENDLESS) end)
      local other = @async(function() return db.value(COUNT, 200000) end)
      @sleep("5ms")
      long:cancel()
      assert.equal("task_cancelled", failure(function() long:await() end).kind)
      assert.equal(200000, other:await())
    end))

    it("drops a statement that was cancelled before its turn", with(function(db)
      local long = {}
      for i = 1, 12 do long[i] = @async(function() return db.value(database.ENDLESS) end) end
      local write = @async(function() db.exec("insert into users (name) select 'x' where (" .. database.ENDLESS .. ") > 0") end)
      local queued = @async(function() db.exec("insert into users (name) values ('queued')") end)
      queued:cancel()
      write:cancel()
      for _, task in ipairs(long) do task:cancel() end
      for _, task in ipairs(long) do failure(function() task:await() end) end
      failure(function() queued:await() end)
      failure(function() write:await() end)
      assert.equal(0, db.users.count())
    end))

    it("lets other tasks run while a statement takes long", with(function(db)
      local ticks, done = 0, false
      local ticker = @async(function()
        while not done do
          ticks = ticks + 1
          @sleep("1ms")
        end
      end)
      db.value(COUNT, 400000)
      done = true
      ticker:await()
      assert.is_true(ticks > 3)
    end))

    it("interleaves tasks that read and write", with(function(db)
      @map({ 1, 2, 3, 4, 5, 6, 7, 8 }, function(k)
        for i = 1, 25 do
          local id = db.users.insert({ name = "n" .. k, age = i }).id
          local row = db.users.find(id)
          assert.equal("n" .. k, row.name)
          assert.equal(i, row.age)
        end
      end)
      assert.equal(200, db.users.count())
    end))

    it("shows every task its own writes at once", with(function(db)
      db.users.insert_many { { name = "a", age = 0 }, { name = "b", age = 0 }, { name = "c", age = 0 } }
      @map({ 1, 2, 3 }, function(id)
        for i = 1, 60 do
          db.exec("update users set age = ? where id = ?", i, id)
          assert.equal(i, db.value("select age from users where id = ?", id))
        end
      end, { concurrency = 3 })
    end))

    it("does all rows or none when their writer is cancelled at any moment", with(function(db)
      local rows, many = {}, 400
      for i = 1, many do rows[i] = { name = "n" .. i } end
      for k = 1, 60 do
        local before = db.users.count()
        local writer = @async(db.users.insert_many, rows)
        @try(@timeout, 0.00005 * k, @(writer:await()))
        writer:cancel()
        local done = @try(writer.await, writer)
        assert.equal(before + (done or 0), db.users.count())
        db.transaction(function(tx) assert.equal(before + (done or 0), tx.users.count()) end)
      end
    end))

    it("runs a write once, however long it takes where it stands", with(function(db)
      local rows = {}
      for i = 1, 2000 do rows[i] = { name = "n" .. i } end
      db.users.insert_many(rows)
      for i = 1, 600 do
        db.exec("insert into orders (total) values ((select sum(id * id) from users where id <= ?))", 200 + 3 * i)
        assert.equal(i, db.orders.count())
      end
    end))

    it("keeps going through cancelled reads at any moment", with(function(db)
      db.users.insert { name = "ann" }
      for i = 1, 40 do
        @try(@timeout, i * 0.0002, @(db.value(COUNT, 100000)))
        assert.equal("ann", db.users.find(1).name)
      end
    end))
  end)
end)

describe("a database in a file", function()
  it("still answers what was asked before it was closed", function()
    temp.dir(function(dir)
      local db = @db.open(dir .. "/a.db")
      db.exec("create table t (n integer)")
      local read = @async(function() return db.value(COUNT, 100000) end)
      local write = @async(function() return db.exec("insert into t " .. COUNT, 50000).changes end)
      db.close()
      assert.equal("closed", failure(db.query, "select 1").kind)
      assert.equal(100000, read:await())
      assert.equal(1, write:await())
    end)
  end)

  it("is made with its folder, in WAL mode, with foreign keys", function()
    temp.dir(function(dir)
      local db = @db.open(dir .. "/data/app.db")
      assert.equal("wal", db.value("pragma journal_mode"))
      assert.equal(1, db.value("pragma foreign_keys"))
      db.exec("create table t (a)")
      db.close()
      db = @db.open("sqlite:" .. dir .. "/data/app.db")
      assert.equal(0, db.t.count())
      db.close()
    end)
  end)

  it("cannot be opened where there is no folder, and says which file", function()
    temp.dir(function(dir)
      local e = failure(@db.open, dir .. "/no/such/app.db")
      assert.equal("db.open", e.kind)
      assert.matches("no/such/app.db", e.message, 1, true)
    end)
  end)

  it("is named corrupt when it is no database", function()
    temp.dir(function(dir)
      local path = temp.write(dir .. "/x.db", ("not a database\n"):rep(500))
      assert.equal("db.corrupt", failure(@db.open, path).kind)
      assert.equal(("not a database\n"):rep(500), temp.read(path))
    end)
  end)

  it("can be opened to be read only", function()
    temp.dir(function(dir)
      local db = @db.open(dir .. "/a.db")
      db.exec("create table t (a); insert into t values (1)")
      db.close()
      db = @db.open(dir .. "/a.db", { readonly = true })
      assert.equal(1, db.t.count())
      assert.equal("db.readonly", failure(db.t.insert, { a = 2 }).kind)
      db.close()
    end)
  end)

  it("is seen by several handles of one process", function()
    temp.dir(function(dir)
      local a, b = @db.open(dir .. "/a.db"), @db.open(dir .. "/a.db", { readers = 1, cache_size = "1MiB", synchronous = "full" })
      a.exec("create table t (n integer)")
      a.t.insert { n = 1 }
      assert.equal(1, b.t.count())
      b.t.insert { n = 2 }
      assert.equal(2, a.value("select max(n) from t where rowid > 0"))
      a.close()
      b.close()
    end)
  end)

  it("raises db.busy when another connection keeps it locked too long", function()
    temp.dir(function(dir)
      local a, b = @db.open(dir .. "/a.db"), @db.open(dir .. "/a.db", { busy_timeout = "30ms" })
      a.exec("create table t (n integer)")
      a.transaction(function(tx)
        tx.t.insert { n = 1 }
        local e = failure(b.exec, "insert into t values (2)")
        assert.equal("db.busy", e.kind)
        assert.is_true(e.retryable)
        assert.equal("db.busy", failure(b.transaction, function() end).kind)
        assert.equal(0, b.t.count())
      end)
      assert.equal(1, b.t.count())
      a.close()
      b.close()
    end)
  end)

  it("ends its wait for another connection's lock when cancelled", function()
    temp.dir(function(dir)
      local a, b = @db.open(dir .. "/a.db"), @db.open(dir .. "/a.db", { busy_timeout = "1h" })
      a.exec("create table t (n integer)")
      a.transaction(function(tx)
        tx.t.insert { n = 1 }
        assert.equal("timeout", failure(@timeout, "20ms", @(b.exec("insert into t values (2)"))).kind)
        assert.equal("timeout", failure(@timeout, "20ms", @(b.transaction(function() end))).kind)
      end)
      b.exec("insert into t values (3)")
      assert.equal(2, b.t.count())
      a.close()
      b.close()
    end)
  end)

  it("sees a schema that another connection changed under cached statements", function()
    temp.dir(function(dir)
      local a, b = @db.open(dir .. "/a.db"), @db.open(dir .. "/a.db")
      a.exec("create table t (id integer primary key, n integer)")
      a.t.insert { n = 1 }
      assert.same({ id = 1, n = 1 }, b.t.find(1))
      a.exec("alter table t add column m default 5")
      assert.same({ id = 1, n = 1, m = 5 }, b.t.find(1))
      assert.equal(7, b.t.update(1, { m = 7 }).m)
      a.exec("drop table t; create table t (id integer primary key, z default 3)")
      assert.equal(3, b.t.insert({}).z)
      a.close()
      b.close()
    end)
  end)

  it("is full when the file may not grow", function()
    temp.dir(function(dir)
      local db = @db.open(dir .. "/a.db")
      db.exec("create table t (b)")
      local script = temp.write(dir .. "/full.lua", ([[
        local db = @db.open(%q)
        local _, e = @try(db.exec, "insert into t values (zeroblob(3000000))")
        io.write(tostring(e.kind), " ", db.t.count())
      ]]):format(dir .. "/a.db"))
      db.close()
      local pipe = io.popen("trap '' XFSZ; ulimit -f 1000; " .. tusk .. " run " .. script .. " 2>&1")
      local said = pipe:read("*a")
      pipe:close()
      assert.matches("^db%.[%a]+ 0$", said)
    end)
  end)

  it("ends with its host, whatever runs", function()
    temp.dir(function(dir)
      local path = dir .. "/a.db"
      local script = temp.write(dir .. "/end.lua", ([[
        local db = @db.open(%q)
        db.exec("create table t (n integer)")
        db.transaction(function(tx)
          tx.t.insert { n = 1 }
          @spawn(function() db.value(%q) end)
          @spawn(function() tx.value(%q) end)
          @spawn(function()
            @sleep("20ms")
            error("enough")
          end)
        end)
      ]]):format(path, database.ENDLESS, database.ENDLESS))
      local pipe = io.popen(tusk .. " run " .. script .. " 2>&1")
      local said = pipe:read("*a")
      pipe:close()
      assert.matches("enough", said)
      local db = @db.open(path)
      assert.equal(0, db.t.count())
      db.close()
    end)
  end)

  it("is let go when nothing uses it any more", function()
    temp.dir(function(dir)
      local function threads() return #temp.list("/proc/self/task") end
      local before = threads()
      for i = 1, 30 do
        local db = @db.open(dir .. "/" .. i .. ".db")
        db.exec("create table t (n integer)")
        db.t.count()
      end
      for _ = 1, 200 do
        if threads() <= before + 2 then break end
        collectgarbage()
        @sleep("5ms")
      end
      assert.is_true(threads() <= before + 2)
      local db = @db.open(dir .. "/1.db")
      assert.equal(0, db.t.count())
      db.close()
    end)
  end)

  it("keeps what was committed, and nothing else, when its process is killed", function()
    temp.dir(function(dir)
      local path = dir .. "/a.db"
      local writer = temp.write(dir .. "/writer.lua", ([[
        local db = @db.open(%q)
        for i = 1, math.huge do
          db.transaction(function(tx)
            tx.t.insert { pair = i }
            tx.t.insert { pair = i }
          end)
          io.write(i, "\n")
          io.flush()
        end
      ]]):format(path))
      local told = 0
      local first = @db.open(path)
      first.exec("create table t (id integer primary key, pair integer)")
      first.close()
      for _ = 1, 3 do
        program.start({ "run", writer }, {}, function(p)
          for _ = 1, 100 do p:read_line() end
          p:signal("sigkill")
          local r = p:wait()
          assert.equal("sigkill", r.signal)
          told = told + select(2, r.stdout:gsub("\n", ""))
        end)
        local db = @db.open(path)
        assert.equal("ok", db.value("pragma integrity_check"))
        assert.is_nil(db.one("select pair from t group by pair having count(*) % 2 = 1"))
        assert.is_true(db.t.count() >= 2 * told)
        db.close()
      end
    end)
  end)

  it("names a page that is damaged, and goes on with the others", function()
    temp.dir(function(dir)
      local path = dir .. "/a.db"
      local db = @db.open(path)
      db.exec("create table good (n integer); create table bad (s text); insert into good values (1)")
      for _ = 1, 50 do db.exec("insert into bad values (?)", ("x"):rep(3000)) end
      local root = db.value("select rootpage from sqlite_schema where name = 'bad'")
      db.close()
      local file = assert(io.open(path, "r+b"))
      file:seek("set", (root - 1) * 4096)
      file:write(("\255"):rep(4096))
      file:close()
      db = @db.open(path)
      assert.equal("db.corrupt", failure(function() return db.bad.count() end).kind)
      assert.equal("db.corrupt", failure(db.exec, "insert into bad values ('y')").kind)
      assert.equal(1, db.good.find(1).n)
      db.close()
    end)
  end)
end)

describe("a statement where the task cannot be suspended", function()
  it("fails before it is run, also when its answer would be at hand", function()
    database.with("file", function(db)
      db.exec("create table t (id integer primary key)")
      db.t.insert {}
      db.t.find(1)
      assert.equal(1, db.value("select id from t where id = 1"))
      local ok, e = pcall(table.sort, { 1, 2, 3 }, function(a, b)
        db.value("select id from t where id = 1")
        return a < b
      end)
      assert.is_false(ok)
      assert.matches("sort", tostring(e))
      assert.equal(1, db.t.count())
    end)
  end)
end)

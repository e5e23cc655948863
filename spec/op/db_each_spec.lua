-- @db.each: rows one by one, read ahead by a thread, in bounded memory.
local database = require "spec.support.database"
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local COUNT = "with recursive c(x) as (select 1 union all select x + 1 from c where x < ?) select x from c"

local function failure(fn, ...)
  local _, e = @try(fn, ...)
  assert.is_not_nil(e, "it did not fail")
  return e
end

local function fill(db, n)
  db.exec("insert into users (id, name) select x, 'name ' || x from (" .. COUNT .. ")", n)
end

local function ids(rows)
  local list = {}
  for row in rows do list[#list + 1] = row.id end
  return list
end

local function up_to(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

-- A sanitizer keeps what was freed for a while.
local ROOM = (os.getenv("SANITIZE") or "") == "" and 24 or 400

local function resident()
  return tonumber(io.open("/proc/self/statm"):read("*a"):match("^%d+ (%d+)")) * 4096
end

database.each_kind(function(kind, with)
  describe("@db.each in " .. kind, function()
    it("gives the rows that query gives, in its order", with(function(db)
      fill(db, 20000)
      local want = db.query("select id, name, email from users order by id desc")
      local i = 0
      for row in db.each("select id, name, email from users order by id desc") do
        i = i + 1
        assert.same(want[i], row)
      end
      assert.equal(20000, i)
    end))

    it("gives nothing where there is no row", with(function(db)
      local rows = db.each("select * from users")
      assert.is_nil(rows())
      assert.is_nil(rows())
    end))

    it("names its columns in order, also of no row", with(function(db)
      local rows = db.each("select name, id, age as years from users")
      assert.same({ "name", "id", "years" }, rows:columns())
      assert.is_nil(rows())
      assert.same({ "name", "id", "years" }, rows:columns())
      fill(db, 3)
      rows = db.each("select * from users")
      rows:close()
      assert.same({ "id", "name", "email", "age" }, rows:columns())
    end))

    it("takes parameters by position and by name", with(function(db)
      fill(db, 9)
      assert.same({ 8, 9 }, ids(db.each("select id from users where id > ? and id < ?", 7, 10)))
      assert.same({ 3 }, ids(db.each("select id from users where name = :name", { name = "name 3" })))
    end))

    it("keeps every type of value, however long", with(function(db)
      local row = db.each("select 1 i, 9007199254740993 big, 1.5 r, null n, x'00ff' b, ? s", ("long"):rep(100000))()
      assert.same({ i = 1, big = 9007199254740993LL, r = 1.5, b = "\0\255", s = ("long"):rep(100000) }, row)
    end))

    it("is a stream", with(function(db)
      fill(db, 1000)
      local sum = db.each("select id from users"):filter(function(row) return row.id % 2 == 0 end)
        :map(function(row)
          @yield()
          return row.id
        end, { concurrency = 8 }):fold(function(a, b) return a + b end, 0)
      assert.equal(250500, sum)
      assert.equal(3, #db.each("select id from users"):take(3):collect())
      assert.same({ 5, 5 }, { #@stream(db.each("select id from users limit 10")):chunks(5):collect()[1], 5 })
    end))

    it("raises at the call what is wrong with the statement", with(function(db)
      assert.same({ "db.table", "users" }, { failure(db.each, "select * from user").kind,
        failure(db.each, "select * from user").suggestion })
      assert.equal("db.column", failure(db.each, "select nme from users").kind)
      assert.equal("db.syntax", failure(db.each, "select * form users").kind)
      for _, wrong in ipairs {
        @(db.each()), @(db.each(db)), @(db.each("select ?")), @(db.each("select ?", {})), @(db.each("")),
        @(db.each("select 1; select 2")), @(db.each("insert into users (name) values ('x') returning id")),
        @(db.each("pragma user_version")), @(db.each("select ?", function() end)),
      } do
        assert.equal("argument", failure(wrong).kind)
      end
      assert.matches("db_each_spec.lua", failure(db.each, "select nme from users").site.file)
    end))

    it("raises what fails on the way after the rows before it, again and again", with(function(db)
      fill(db, 3000)
      db.exec("update users set age = case id when 2500 then -9223372036854775808 else 1 end")
      local n, rows = 0, db.each("select id, abs(age) from users")
      local function read() for _ in rows do n = n + 1 end end
      assert.equal("db.error", failure(read).kind)
      assert.equal(2499, n)
      assert.equal("db.error", failure(read).kind)
      assert.equal(3000, db.users.count())
    end))

    it("shows the rows as they were when it began, whatever is written meanwhile", with(function(db)
      fill(db, 5000)
      local seen = 0
      for row in db.each("select id, name from users") do
        seen = seen + 1
        assert.equal("name " .. row.id, row.name)
        if seen % 500 == 1 then
          db.exec("insert into users (id, name) values (?, 'late')", 10000 + seen)
          db.exec("update users set name = 'changed' where id > ?", row.id)
          db.exec("delete from users where id = 4999")
        end
      end
      assert.equal(5000, seen)
      assert.equal(5009, db.users.count())
    end))

    it("survives a change of the schema under it", with(function(db)
      fill(db, 5000)
      local rows = db.each("select * from users")
      rows()
      db.exec("alter table users add column more text default 'x'")
      db.exec("drop table orders")
      assert.equal(4999, #ids(rows))
      assert.equal("x", db.each("select * from users")().more)
      rows = db.each("select id from users")
      db.exec("drop table users")
      assert.equal(5000, #ids(rows))
    end))

    it("gives back its statement when it is closed, again without effect", with(function(db)
      fill(db, 5000)
      local rows = db.each("select id from users")
      rows()
      rows:close()
      rows:close()
      assert.is_nil(rows())
      db.each((database.ENDLESS:gsub("count%(%*%)", "x"))):close()
      assert.equal(5000, db.users.count())
    end))

    it("is closed when the scope ends that it was begun in", with(function(db)
      fill(db, 5000)
      local left = {}
      for i = 1, 70 do
        @scope(function()
          left[i] = db.each("select id, name from users")
          left[i]()
        end)
      end
      local e = failure(function() for _ in left[70] do end end)
      assert.same({ "closed", "the stream of rows is closed" }, { e.kind, e.message })
      db.exec("drop table orders")
    end))

    it("stops its statement when its task is cancelled, and everything else goes on", with(function(db)
      local function slow() return db.each(database.ENDLESS) end
      for _ = 1, 5 do assert.equal("timeout", failure(@timeout, "5ms", slow).kind) end
      local rows = db.each("select x from (with recursive c(x) as (select 1 union all select x + 1 from c) select x from c)"
        .. " where x < 3")
      assert.same({ 1, 2 }, { rows().x, rows().x })
      assert.equal("timeout", failure(@timeout, "5ms", function() rows() end).kind)
      assert.equal("closed", failure(rows).kind)
      fill(db, 10)
      assert.equal(10, #ids(db.each("select id from users")))
    end))

    it("lets many be open at once in one task", with(function(db)
      fill(db, 2000)
      local open, sum = {}, 0
      for i = 1, 20 do open[i] = db.each("select id from users order by id") end
      for _ = 1, 2000 do
        for i = 1, 20 do sum = sum + open[i]().id end
      end
      assert.equal(20 * 2001000, sum)
      for i = 1, 20 do assert.is_nil(open[i]()) end
    end))

    it("refuses more than 64 at once, saying so", with(function(db)
      fill(db, 5)
      local open = {}
      for i = 1, 64 do open[i] = db.each("select id from users") end
      local e = failure(db.each, "select id from users")
      assert.equal("db.busy", e.kind)
      assert.matches("64 streams of rows are open", e.message)
      open[7]:close()
      assert.same(up_to(5), ids(db.each("select id from users")))
    end))

    it("collects what loops have left by break", with(function(db)
      fill(db, 5000)
      for i = 1, 200 do
        for row in db.each("select id from users where id >= ?", i) do
          assert.equal(i, row.id)
          if row.id == i then break end
        end
      end
    end))

    it("is interleaved by tasks", with(function(db)
      fill(db, 3000)
      local sums = @map({ 1, 2, 3, 4, 5, 6 }, function(k)
        local sum = 0
        for row in db.each("select id from users") do
          sum = sum + row.id
          if row.id % 1000 == k then db.exec("update users set age = ? where id = ?", k, row.id) end
        end
        return sum
      end, { concurrency = 6 })
      for _, sum in ipairs(sums) do assert.equal(4501500, sum) end
    end))

    it("lets others run while it is read without waiting", with(function(db)
      fill(db, 20000)
      local turns, done = 0, false
      local other = @async(function()
        while not done do
          turns = turns + 1
          @yield()
        end
      end)
      assert.equal(20000, #ids(db.each("select id from users")))
      done = true
      other:await()
      assert.is_true(turns >= 30)
    end))

    it("refuses two readers at once", with(function(db)
      local rows = db.each("select x from (with recursive c(x) as (select 1 union all select x + 1 from c) select x from c)"
        .. " where x < 2")
      rows()
      @scope(function(s)
        s:spawn(function() rows() end)
        @yield()
        assert.matches("another task is reading", failure(rows).message)
        s:cancel()
      end)
    end))

    it("ends with its database", with(function(db)
      fill(db, 50000)
      local rows = db.each("select id, name from users")
      rows()
      local reader = @async(function() return failure(function() for _ in rows do @yield() end end) end)
      local waiter = @async(function() return failure(db.each, database.ENDLESS) end)
      for _ = 1, 3 do @yield() end
      db.close()
      assert.equal("closed", reader:await().kind)
      assert.equal("closed", waiter:await().kind)
      assert.equal("closed", failure(db.each, "select 1").kind)
    end))
  end)

  describe("tx.each in " .. kind, function()
    it("reads what the transaction has written, as it was when it began", with(function(db)
      fill(db, 10)
      db.transaction(function(tx)
        tx.exec("delete from users where id > 5")
        local seen = {}
        for row in tx.each("select id from users order by id") do
          seen[#seen + 1] = row.id
          tx.exec("insert into users (id, name) values (?, 'copy')", row.id + 100)
          assert.equal(5 + #seen, tx.value("select count(*) from users"))
        end
        assert.same(up_to(5), seen)
        assert.equal(10, #ids(db.each("select id from users")))
      end)
      assert.equal(10, db.users.count())
    end))

    it("goes on across savepoints, one undone", with(function(db)
      fill(db, 4000)
      db.transaction(function(tx)
        local rows, n = tx.each("select id from users order by id"), 0
        for row in rows do
          n = n + 1
          if row.id % 1000 == 0 then
            pcall(tx.transaction, function(inner)
              inner.exec("delete from users")
              error("undone")
            end)
          end
        end
        assert.equal(4000, n)
      end)
      assert.equal(4000, db.users.count())
    end))

    it("ends with its transaction", with(function(db)
      fill(db, 5000)
      local left, undone
      db.transaction(function(tx)
        left = tx.each("select id from users")
        left()
      end)
      assert.equal("closed", failure(function() for _ in left do end end).kind)
      pcall(db.transaction, function(tx)
        undone = tx.each("select id from users")
        error("no")
      end)
      assert.equal("closed", failure(function() for _ in undone do end end).kind)
      assert.equal(5000, db.users.count())
    end))

    it("raises db.aborted when SQLite has undone the transaction", with(function(db)
      fill(db, 20000)
      local e = failure(db.transaction, function(tx)
        local rows = tx.each("select id, name from users")
        pcall(tx.exec, "insert or rollback into users (id, name) values (1, 'x')")
        tx.each("select 1")
        rows:close()
      end)
      assert.equal("db.aborted", e.kind)
    end))

    it("is not held up by a stream outside, nor seen by it", with(function(db)
      fill(db, 3000)
      local outside = db.each("select id from users")
      outside()
      db.transaction(function(tx)
        tx.exec("delete from users where id > 10")
        @scope(function(s)
          s:spawn(function() assert.equal(2999, #ids(outside)) end)
        end)
        assert.equal(10, #ids(tx.each("select id from users")))
      end)
    end))
  end)
end)

describe("@db.each over a file", function()
  it("reads a million rows in the memory of a few", function()
    database.with("file", function(db)
      collectgarbage()
      local before, most, sum = resident(), 0, 0
      for row in db.each("select x as id, 'name of ' || x as name from (" .. COUNT .. ")", 1000000) do
        sum = sum + row.id
        if row.id % 100000 == 0 then most = math.max(most, resident()) end
      end
      assert.equal(500000500000, sum)
      assert.is_true(most - before < ROOM * 1024 * 1024, "it grew by " .. most - before .. " bytes")
    end)
  end)

  it("lets others read and write while it is open", function()
    database.with("file", function(db)
      db.exec("create table t (id integer primary key)")
      db.exec("insert into t select x from (" .. COUNT .. ")", 5000)
      local rows = db.each("select id from t")
      rows()
      for i = 1, 20 do db.exec("insert into t values (?)", 10000 + i) end
      assert.equal(5020, db.value("select count(*) from t"))
      assert.equal(10020, db.each("select max(id) m from t")().m)
      assert.equal(4999, #ids(rows))
    end)
  end)

  it("names a page that is damaged, after the rows before it", function()
    temp.dir(function(dir)
      local path = dir .. "/a.db"
      local db = @db.open(path)
      db.exec("create table t (id integer primary key, s text)")
      for i = 1, 500 do db.exec("insert into t values (?, ?)", i, ("x"):rep(900)) end
      db.close()
      local file = assert(io.open(path, "r+b"))
      local pages = file:seek("end") / 4096
      file:seek("set", math.floor(pages * 0.9) * 4096)
      file:write(("\255"):rep(4096))
      file:close()
      db = @db.open(path)
      local n = 0
      local e = failure(function() for _ in db.each("select * from t") do n = n + 1 end end)
      assert.equal("db.corrupt", e.kind)
      assert.is_true(n > 100)
      db.close()
    end)
  end)

  it("reads from one that is opened to be read only", function()
    temp.dir(function(dir)
      local db = @db.open(dir .. "/a.db")
      db.exec("create table t (id integer primary key); insert into t values (1), (2)")
      db.close()
      db = @db.open(dir .. "/a.db", { readonly = true })
      assert.same({ 1, 2 }, ids(db.each("select id from t")))
      db.close()
    end)
  end)

  it("ends with its host, in files, in memory and in transactions", function()
    temp.dir(function(dir)
      local script = temp.write(dir .. "/end.lua", ([[
        kept = {}
        for _, url in ipairs { %q, ":memory:" } do
          local db = @db.open(url)
          db.exec("create table t (id integer primary key, s text)")
          db.exec("insert into t select x, 'name' || x from (%s)", 20000)
          local open, endless = db.each("select * from t"), db.each("select x from (%s) where x < 2")
          open()
          endless()
          @spawn(endless)
          @spawn(function()
            db.transaction(function(tx)
              local inside = tx.each("select * from t")
              inside()
              tx.exec("delete from t where id = 7")
              kept[#kept + 1] = inside
              @sleep("10s")
            end)
          end)
          kept[#kept + 1] = open
        end
        @sleep("10ms")
        error("enough")
      ]]):format(dir .. "/a.db", COUNT, (database.ENDLESS:gsub("count%(%*%)", "x"))))
      local r = program.run { "run", script }
      assert.equal(1, r.status)
      assert.matches("enough", r.stderr)
      local db = @db.open(dir .. "/a.db")
      assert.equal(20000, db.t.count())
      db.close()
    end)
  end)

  it("is the first thing asked of a database", function()
    temp.dir(function(dir)
      local db = @db.open(dir .. "/a.db")
      assert.equal(7, db.each("select 7 n")().n)
      db.close()
    end)
  end)
end)

describe("@db.each in memory", function()
  it("refuses to keep more than it should when the database is changed meanwhile", function()
    database.with("memory", function(db)
      db.exec("create table t (n integer)")
      local rows = db.each((database.ENDLESS:gsub("count%(%*%)", "zeroblob(100000) z, x")))
      assert.equal(1, rows().x)
      db.exec("insert into t values (1)")
      local e = failure(function() for _ in rows do end end)
      assert.equal("db.aborted", e.kind)
      assert.matches("more than 64 MiB", e.message)
      assert.equal(1, db.t.count())
    end)
  end)

  it("makes a child raise that would wait for its ancestor's transaction", function()
    database.with("memory", function(db)
      db.exec("create table t (n integer)")
      db.transaction(function()
        @scope(function(s)
          s:spawn(function() assert.equal("db.busy", failure(db.each, "select * from t").kind) end)
        end)
      end)
    end)
  end)
end)

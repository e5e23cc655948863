local temp = require "spec.support.temp"
local database = require "spec.support.database"
local null = require "tusk.null"

local function failure(fn, ...)
  local _, e = @try(fn, ...)
  assert.is_not_nil(e, "it did not fail")
  return e
end

describe("@db", function()
  it("is one database in memory unless configured", function()
    @db.exec("create table notes (id integer primary key, text text)")
    @db.notes.insert { text = "x" }
    assert.equal("x", @db.notes.find(1).text)
    assert.equal("x", @query("select text from notes")[1].text)
    assert.equal("x", (require "tusk").db.value("select text from notes"))
    @db.exec("drop table notes")
  end)

  it("puts the place of the call into its errors", function()
    local e = failure(function() return @db.nosuch.find(1) end)
    assert.equal("db.nosuch.find", e.op)
    assert.matches("db_spec", e.site.file)
    local line = debug.getinfo(1, "l").currentline
    e = failure(function() local _ = @db.query("selct") end)
    assert.equal(line + 1, e.site.line)
  end)

  it("has no function of a reserved name that it lacks", function()
    assert.equal("operator", failure(function() return @db.jobs end).kind)
  end)

  it("refuses what is no regular file, without waiting for it", function()
    temp.dir(function(dir)
      assert.equal(0, os.execute(("mkfifo '%s/fifo'"):format(dir)))
      for _, path in ipairs { dir .. "/fifo", "/dev/zero" } do
        local e = failure(function() return @db.open(path).value("select 1") end)
        assert.equal("db.open", e.kind)
        assert.matches("not a regular file", e.message)
      end
    end)
  end)

  it("refuses a url of another engine and unknown options", function()
    assert.equal("argument", failure(@db.open, "postgres://x/y").kind)
    assert.equal("argument", failure(@db.open).kind)
    local e = failure(@db.open, ":memory:", { readonyl = true })
    assert.equal("readonly", e.suggestion)
    assert.equal("argument", failure(@db.open, ":memory:", { synchronous = "maybe" }).kind)
  end)
end)

database.each_kind(function(kind, with)
  describe("@db.<table> in " .. kind, function()
    it("inserts a row and returns it with its key and defaults", with(function(db)
      assert.same({ id = 1, name = "ann", age = 3 }, db.users.insert { name = "ann", age = 3 })
      db.exec("create table d (id integer primary key, n integer default 7)")
      assert.same({ id = 1, n = 7 }, db.d.insert {})
    end))

    it("finds a row by its key, or nil", with(function(db)
      db.users.insert { name = "ann" }
      assert.equal("ann", db.users.find(1).name)
      assert.is_nil(db.users.find(2))
    end))

    it("finds by a key that is text, and by rowid where there is no key", with(function(db)
      db.exec("create table k (code text primary key, n integer); create table plain (n integer)")
      db.k.insert { code = "a", n = 1 }
      db.plain.insert { n = 5 }
      assert.equal(1, db.k.find("a").n)
      assert.equal(5, db.plain.find(1).n)
      assert.is_true(db.k.delete("a"))
    end))

    it("refuses a key of several columns by name", with(function(db)
      db.exec("create table pair (a, b, primary key (a, b))")
      local e = failure(db.pair.find, 1)
      assert.equal("argument", e.kind)
      assert.matches("a, b", e.message)
      db.pair.insert { a = 1, b = 2 }
      assert.equal(2, db.pair.find_by { a = 1 }.b)
    end))

    it("finds by conditions", with(function(db)
      db.users.insert_many { { name = "ann", age = 1 }, { name = "bob", age = 1 }, { name = "cy" } }
      assert.equal("bob", db.users.find_by { name = "bob", age = 1 }.name)
      assert.is_nil(db.users.find_by { name = "bob", age = 2 })
      assert.equal("cy", db.users.find_by { age = null }.name)
      assert.equal(2, #db.users.all { age = 1 })
      assert.equal(3, #db.users.all())
      assert.equal(3, #db.users.all {})
    end))

    it("counts, and says whether there is any", with(function(db)
      assert.equal(0, db.users.count())
      assert.is_false(db.users.exists())
      db.users.insert_many { { name = "ann", age = 1 }, { name = "bob" } }
      assert.equal(2, db.users.count())
      assert.equal(1, db.users.count { age = 1 })
      assert.is_true(db.users.exists { name = "bob" })
      assert.is_false(db.users.exists { name = "zed" })
    end))

    it("inserts many rows, all or none", with(function(db)
      assert.equal(3, db.users.insert_many { { name = "a" }, { name = "b", age = 2 }, { name = "c" } })
      assert.matches("row 3: a function cannot be a parameter",
        failure(db.users.insert_many, { { name = "x" }, { name = "x", age = 2 }, { name = "x", age = print } }).message)
      assert.equal(0, db.users.insert_many {})
      local rows = {}
      for i = 1, 2500 do rows[i] = { name = "n" .. i, age = i } end
      assert.equal(2500, db.users.insert_many(rows))
      assert.equal(2503, db.users.count())
      assert.equal("db.constraint", failure(db.users.insert_many, { { name = "x", email = "e" }, { name = "y", email = "e" } }).kind)
      assert.equal("db.constraint", failure(db.users.insert_many, { { name = "x", email = "e" }, { email = "f" } }).kind)
      assert.equal(2503, db.users.count())
      rows[2400] = { name = "x", agee = 1 }
      assert.equal("age", failure(db.users.insert_many, rows).suggestion)
      rows[2400] = "x"
      assert.equal("argument", failure(db.users.insert_many, rows).kind)
      rows[2400] = { name = "x", age = print }
      assert.matches("row 2400: a function", failure(db.users.insert_many, rows).message)
      rows[2400] = { name = db.raw("'x'") }
      assert.matches("row 2400: a table", failure(db.users.insert_many, rows).message)
      assert.equal(2503, db.users.count())
      db.transaction(function(tx)
        rows[2400] = { age = 1 }
        assert.equal("db.constraint", failure(tx.users.insert_many, rows).kind)
        rows[2400] = nil
        assert.equal(2399, tx.users.insert_many { unpack(rows, 1, 2399) })
      end)
      assert.equal(4902, db.users.count())
    end))

    it("lets others run while it inserts very many", with(function(db)
      local rows, turns, done = {}, 0, false
      for i = 1, 20000 do rows[i] = { name = "n" .. i } end
      local other = @async(function()
        while not done do
          turns = turns + 1
          @yield()
        end
      end)
      assert.equal(20000, db.users.insert_many(rows))
      done = true
      other:await()
      assert.is_true(turns >= 40)
    end))

    it("updates by key and returns the row, nil if there is none", with(function(db)
      db.users.insert { name = "ann" }
      assert.same({ id = 1, name = "ann", age = 9 }, db.users.update(1, { age = 9 }))
      assert.same({ id = 1, name = "ann" }, db.users.update(1, { age = null }))
      assert.is_nil(db.users.update(2, { age = 9 }))
    end))

    it("upserts on a unique column or the key", with(function(db)
      assert.equal(1, db.users.upsert({ name = "ann", email = "a" }, { on = "email" }).id)
      assert.same({ id = 1, name = "anna", email = "a" }, db.users.upsert({ name = "anna", email = "a" }, { on = "email" }))
      assert.equal("zoe", db.users.upsert({ id = 1, name = "zoe" }).name)
      assert.equal(1, db.users.count())
    end))

    it("deletes by key and says whether it did", with(function(db)
      db.users.insert { name = "ann" }
      assert.is_true(db.users.delete(1))
      assert.is_false(db.users.delete(1))
    end))

    it("names the columns there are for one that is not", with(function(db)
      for _, call in ipairs {
        function() db.users.find_by { emial = "x" } end, function() db.users.insert { emial = "x" } end,
        function() db.users.update(1, { emial = "x" }) end, function() db.users.insert_many { { emial = "x" } } end,
        function() db.users.upsert({ name = "x" }, { on = "emial" }) end, function() db.users.all { emial = 1 } end,
      } do
        local e = failure(call)
        assert.equal("db.column", e.kind)
        assert.equal('table "users" has no column "emial"', e.message)
        assert.equal("email", e.suggestion)
        assert.same({ "columns: id, name, email, age" }, e.help)
      end
    end))

    it("names the tables there are for one that is not", with(function(db)
      local e = failure(function() return db.usres.find(1) end)
      assert.equal("db.table", e.kind)
      assert.equal('there is no table "usres"', e.message)
      assert.equal("users", e.suggestion)
      assert.same({ "tables: orders, users" }, e.help)
    end))

    it("sees tables and columns made meanwhile", with(function(db)
      assert.equal("db.table", failure(function() return db.later.count() end).kind)
      db.exec("create table later (a)")
      assert.equal(0, db.later.count())
      db.exec("alter table later add column b")
      assert.equal(2, db.later.insert { b = 2 }.b)
      db.exec("drop table later")
      assert.equal("db.table", failure(function() return db.later.count() end).kind)
    end))

    it("refuses a call that says too little", with(function(db)
      for _, call in ipairs {
        function() db.users.find(nil) end, function() db.users.find(null) end, function() db.users.find {} end,
        function() db.users:find(1) end, function() db.users.find_by {} end, function() db.users.find_by { email = nil } end,
        function() db.users.find_by(1) end, function() db.users.update(1, {}) end, function() db.users.update(nil, { age = 1 }) end,
        function() db.users.delete(nil) end, function() db.users.insert() end, function() db.users.upsert({ name = "x" }, { no = 1 }) end,
        function() db.users.insert_many { name = "x" } end, function() db.users.find_by { name = { 1 } } end,
      } do
        assert.equal("argument", failure(call).kind)
      end
    end))

    it("refuses a table as a value, an empty one too", with(function(db)
      for _, value in ipairs { {}, { 1 }, { a = 1 } } do
        for _, call in ipairs {
          function() db.users.insert { name = value } end,
          function() db.users.insert_many { { name = value } } end,
          function() db.users.update(1, { name = value }) end,
          function() db.users.upsert { name = value } end,
          function() db.table("users"):where("id", 1):update { name = value } end,
        } do
          local e = failure(call)
          assert.equal("argument", e.kind)
          assert.truthy(e.message:find("name: a table is not a value", 1, true), e.message)
        end
      end
    end))

    it("takes a table that is called for a function, misspelt", with(function(db)
      local e = failure(function() db.querry("select 1") end)
      assert.equal("argument", e.kind)
      assert.equal("query", e.suggestion)
    end))

    it("names the nearest of its functions for one it lacks", with(function(db)
      local e = failure(function() return db.users.fnid(1) end)
      assert.equal("operator", e.kind)
      assert.equal("find", e.suggestion)
    end))

    it("reaches any name by quoting it", with(function(db)
      db.exec [[create table "odd ""name" ("a b" integer primary key, "select" text); create table query (n)]]
      local odd = 'odd "name'
      assert.same({ ["a b"] = 1, select = "x" }, db[odd].insert { select = "x" })
      assert.equal("x", db[odd].find(1).select)
      assert.equal(1, db.table("query"):insert({ n = 1 }).n)
    end))

    it("never takes a value for SQL", with(function(db)
      local evil = "x'; drop table users; --"
      db.users.insert { name = evil }
      assert.equal(evil, db.users.find_by { name = evil }.name)
      assert.equal("db.column", failure(db.users.find_by, { ["name = '' or 1 --"] = 1 }).kind)
    end))

    it("is closed by close, and then says so", with(function(db)
      db.users.insert { name = "ann" }
      db.close()
      assert.equal("closed", failure(db.query, "select 1").kind)
      assert.equal("closed", failure(db.users.find, 1).kind)
    end))
  end)

  describe("the query builder in " .. kind, function()
    local function people(fn)
      return with(function(db)
        db.users.insert_many {
          { name = "ann", age = 20, email = "a" }, { name = "bob", age = 30, email = "b" },
          { name = "cy", age = 40 }, { name = "dee", age = 50 },
        }
        fn(db, function() return db.table("users") end)
      end)
    end
    local function names(rows)
      local list = {}
      for i, row in ipairs(rows) do list[i] = row.name end
      return table.concat(list, " ")
    end

    it("selects by equality, operators, tables and lists", people(function(_, users)
      assert.equal("bob", names(users():where("name", "bob"):get()))
      assert.equal("cy dee", names(users():where("age", ">", 30):order_by("id"):get()))
      assert.equal("ann", names(users():where { name = "ann", age = 20 }:get()))
      assert.equal("ann dee", names(users():where("age", "<", 25):or_where("age", ">=", 50):order_by("age"):get()))
      assert.equal("ann cy", names(users():where_in("name", { "cy", "ann", "x" }):order_by("name"):get()))
      assert.equal("", names(users():where_in("name", {}):get()))
      assert.equal("bob dee", names(users():where_not_in("name", { "cy", "ann" }):order_by("name"):get()))
      assert.equal("cy dee", names(users():where_null("email"):order_by("id"):get()))
      assert.equal("ann bob", names(users():where_not_null("email"):order_by("id"):get()))
      assert.equal("cy dee", names(users():where("email", null):order_by("id"):get()))
      assert.equal("bob", names(users():where("name", "like", "b%"):get()))
    end))

    it("orders, limits and skips", people(function(_, users)
      assert.equal("dee cy", names(users():order_by("age", "desc"):limit(2):get()))
      assert.equal("bob cy", names(users():order_by("id"):limit(2):offset(1):get()))
      assert.equal("dee", names(users():order_by("id"):offset(3):get()))
      assert.equal("cy", users():order_by("id"):offset(2):first().name)
    end))

    it("chooses columns", people(function(_, users)
      assert.same({ name = "ann", age = 20 }, users():select("name", "age"):where("id", 1):first())
      assert.same({ name = "ann" }, users():select { "users.name" }:where("users.id", 1):first())
    end))

    it("gives the first or nil, and counts", people(function(_, users)
      assert.is_nil(users():where("id", 99):first())
      assert.equal(2, users():where("age", ">", 30):count())
      assert.equal(1, users():where("age", ">", 30):limit(1):count())
    end))

    it("inserts, and gives the row or its key", people(function(_, users)
      assert.equal(5, users():insert({ name = "eve" }).id)
      assert.equal(6, users():insert_get_id { name = "fay" })
      assert.equal(2, users():insert_many { { name = "g" }, { name = "h" } })
    end))

    it("updates, increments and deletes, and counts what it reached", people(function(db, users)
      assert.equal(2, users():where("age", ">", 30):update { age = 0 })
      assert.equal(1, users():where("id", 1):increment("age"))
      assert.equal(1, users():where("id", 1):increment("age", -0.5))
      assert.equal(20.5, db.users.find(1).age)
      assert.equal(2, users():where("age", 0):delete())
      assert.equal(2, users():count())
    end))

    it("refuses to update or delete without a where", people(function(db, users)
      assert.equal("argument", failure(function() users():update { age = 1 } end).kind)
      assert.equal("argument", failure(function() users():delete() end).kind)
      assert.equal("argument", failure(function() users():where("id", 1):limit(1):delete() end).kind)
      assert.equal(4, db.users.count())
    end))

    it("refuses conditions that say nothing", people(function(_, users)
      for _, call in ipairs {
        function() users():where {} end, function() users():where { email = nil } end, function() users():where("email", nil) end,
        function() users():where("email") end, function() users():where("email", "~", 1) end, function() users():where("age", "=", {}) end,
        function() users():order_by("id", "down") end, function() users():limit(-1) end, function() users():limit("1") end,
        function() users():select() end, function() users().where("id", 1) end,
      } do
        assert.equal("argument", failure(call).kind)
      end
    end))

    it("names the columns there are, and its own methods", people(function(_, users)
      assert.equal("email", failure(function() users():where("emial", 1):get() end).suggestion)
      assert.equal("age", failure(function() users():where("id", 1):increment("aeg") end).suggestion)
      assert.equal("where", failure(function() users():wehre("id", 1) end).suggestion)
    end))

    it("shows its SQL and parameters", people(function(_, users)
      local text, params = users():select("name"):where("age", ">", 1):or_where { name = "x" }:order_by("id", "desc"):limit(3):to_sql()
      assert.equal('SELECT "name" FROM "users" WHERE "age" > ? OR ("name" = ?) ORDER BY "id" DESC LIMIT ?', text)
      assert.same({ 1, "x", 3 }, params)
    end))
  end)
end)

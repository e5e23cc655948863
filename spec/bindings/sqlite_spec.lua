local database = require "spec.support.database"
local null = require "tusk.null"

local function failure(fn, ...)
  local _, e = @try(fn, ...)
  assert.is_not_nil(e, "it did not fail")
  return e
end

database.each_kind(function(kind, with)
  describe("statements on a database in " .. kind, function()
    it("give rows as a list of tables", with(function(db)
      db.exec("insert into users (name, age) values ('ann', 30), ('bob', 40)")
      assert.same({ { name = "ann", age = 30 }, { name = "bob", age = 40 } },
        db.query("select name, age from users order by id"))
    end))

    it("give an empty list, nil and nil where there is no row", with(function(db)
      assert.same({}, db.query("select * from users"))
      assert.is_nil(db.one("select * from users where id = ?", 1))
      assert.is_nil(db.value("select name from users where id = ?", 1))
    end))

    it("give the first row, or its first column", with(function(db)
      db.exec("insert into users (name) values ('ann'), ('bob')")
      assert.same({ id = 1, name = "ann" }, db.one("select id, name from users order by id"))
      assert.equal("ann", db.value("select name, id from users order by id"))
    end))

    it("tell how many rows changed and the last key", with(function(db)
      assert.same({ changes = 1, last_id = 1 }, db.exec("insert into users (name) values (?)", "ann"))
      assert.same({ changes = 1, last_id = 2 }, db.exec("insert into users (name) values (?)", "bob"))
      assert.same({ changes = 2 }, db.exec("update users set age = 1"))
      assert.same({ changes = 0 }, db.exec("delete from users where id = 99"))
    end))

    it("give the rows of RETURNING, all of them changed", with(function(db)
      db.exec("insert into users (name) values ('ann'), ('bob'), ('cy')")
      assert.equal(1, db.value("update users set age = 5 returning id"))
      assert.equal(3, db.value("select count(*) from users where age = 5"))
      assert.same({ { id = 2 } }, db.query("delete from users where name = 'bob' returning id"))
    end))

    it("take parameters by position", with(function(db)
      assert.same({ a = 1, b = "x" }, db.one("select ? as a, ? as b", 1, "x"))
    end))

    it("take parameters by name from a lone table, absent ones being NULL", with(function(db)
      assert.same({ a = 1, c = 1 }, db.one("select :a as a, :b as b, $a as c", { a = 1 }))
    end))

    it("refuse a name that the statement does not have", with(function(db)
      local e = failure(db.one, "select :a as a", { b = 1 })
      assert.equal("argument", e.kind)
      assert.matches('no parameter ":b"', e.message)
    end))

    it("refuse too few and too many parameters", with(function(db)
      assert.matches("has 2 parameters, 1 given", failure(db.query, "select ?, ?", 1).message)
      assert.matches("has 1 parameter, 2 given", failure(db.query, "select ?", 1, 2).message)
      assert.matches("have names", failure(db.query, "select :a").message)
      assert.equal("argument", failure(db.query, "select :a", { 1 }).kind)
    end))

    it("refuse a table for parameters without names", with(function(db)
      for _, sql in ipairs { "select ?", "select :a, ?2", "with n(i) as (select ?) select i from n" } do
        assert.matches("parameter %d of the statement has no name", failure(db.query, sql, { a = 1 }).message)
        assert.equal("argument", failure(db.exec, sql, {}).kind)
      end
    end))

    it("refuse what cannot be a parameter, naming which", with(function(db)
      assert.matches("parameter 2: a function", failure(db.query, "select ?, ?", 1, print).message)
      assert.matches("parameter 1: a table", failure(db.query, "select ?, ?", {}, 1).message)
      assert.matches("parameter :b: a function", failure(db.query, "select :a, :b", { a = 1, b = print }).message)
      assert.matches("parameter :a is not a number", failure(db.query, "select :a", { a = 0 / 0 }).message)
      assert.matches("NaN", failure(db.query, "select ?", 0 / 0).message)
    end))

    it("refuse a statement that is not a string", with(function(db)
      assert.matches("sql: a string expected, got nil", failure(db.query).message)
      assert.matches("with a dot", failure(db.query, db, "select 1").message)
    end))

    it("keep every type of value", with(function(db)
      local row = db.one("select ? as i, ? as d, ? as s, ? as t, ? as f, ? as n, ? as x",
        12, 1.5, "text", true, false, nil, null)
      assert.same({ i = 12, d = 1.5, s = "text", t = 1, f = 0 }, row)
    end))

    it("store whole numbers as integers, others as reals", with(function(db)
      assert.same({ a = "integer", b = "real", c = "integer", d = "real", e = "text", f = "null", g = "blob" },
        db.one("select typeof(?) a, typeof(?) b, typeof(?) c, typeof(?) d, typeof(?) e, typeof(?) f, typeof(?) g",
          1, 1.5, 2 ^ 53, 2 ^ 60, "x", null, db.blob("x")))
    end))

    it("keep 64-bit integers exact", with(function(db)
      for _, n in ipairs { 9223372036854775807LL, -9223372036854775807LL - 1, 9007199254740993LL } do
        assert.equal(n, db.value("select ?", n))
      end
      assert.equal("number", type(db.value("select ?", 5LL)))
      assert.equal(2 ^ 53, db.value("select 9007199254740992"))
    end))

    it("refuse an unsigned integer that does not fit", with(function(db)
      assert.equal("argument", failure(db.value, "select ?", 0xffffffffffffffffULL).kind)
    end))

    it("keep bytes, zero bytes and those that are not UTF-8 included", with(function(db)
      local bytes = "a\0b\255\0"
      assert.equal(bytes, db.value("select ?", bytes))
      assert.equal(bytes, db.value("select ?", db.blob(bytes)))
      assert.equal("", db.value("select ?", ""))
      assert.equal("", db.value("select ?", db.blob("")))
    end))

    it("keep long values", with(function(db)
      local long = ("0123456789"):rep(300000)
      db.exec("insert into users (name) values (?)", long)
      assert.equal(long, db.value("select name from users"))
      assert.equal(#long, db.value("select length(?)", long))
      assert.equal(long, db.users.find(1).name)
    end))

    it("take the last of columns with the same name", with(function(db)
      assert.same({ a = 2 }, db.one("select 1 as a, 2 as a"))
    end))

    it("give columns any name", with(function(db)
      assert.same({ ['q"\\\n'] = 1, ["end"] = 2 }, db.one([[select 1 as "q""\]] .. "\n" .. [[", 2 as "end"]]))
    end))

    it("give rows of very many columns", with(function(db)
      local columns = {}
      for i = 1, 300 do columns[i] = i .. " as c" .. i end
      local row = db.one("select " .. table.concat(columns, ", "))
      assert.equal(1, row.c1)
      assert.equal(300, row.c300)
    end))

    it("give long answers whole and in order", with(function(db)
      local rows = db.query("with recursive c(x) as (select 1 union all select x + 1 from c where x < 3210) select x from c")
      assert.equal(3210, #rows)
      for i, row in ipairs(rows) do assert.equal(i, row.x) end
    end))

    it("see the columns of a table that was altered", with(function(db)
      db.exec("insert into users (name) values ('ann')")
      local text = "select * from users where id = ?"
      assert.is_nil(db.one(text, 1).city)
      db.exec("alter table users add column city text default 'Ulm'")
      assert.equal("Ulm", db.one(text, 1).city)
      db.exec("alter table users drop column age")
      assert.same({ id = 1, name = "ann", city = "Ulm" }, db.one(text, 1))
    end))

    it("run a script of several statements in order", with(function(db)
      db.exec [[
        create table t (a); -- a comment; with a semicolon
        insert into t values (1); /* another; one */
        insert into t values (2);
      ]]
      assert.equal(2, db.value("select count(*) from t"))
    end))

    it("undo a script of which a statement fails", with(function(db)
      local e = failure(db.exec, "create table t (a); insert into t values (1); insert into nosuch values (1)")
      assert.equal("db.table", e.kind)
      assert.equal("db.table", failure(db.query, "select * from t").kind)
    end))

    it("refuse several statements where one is asked for", with(function(db)
      assert.matches("one statement at a time", failure(db.query, "select 1; select 2").message)
      assert.matches("one statement at a time", failure(db.exec, "select ?; select 2", 1).message)
      assert.matches("empty", failure(db.query, " -- nothing").message)
    end))

    it("accept a semicolon and comments at the end", with(function(db)
      assert.equal(1, db.value("select 1; -- done\n ; /* really */"))
    end))

    it("tell a syntax error", with(function(db)
      local e = failure(db.query, "selct 1")
      assert.equal("db.syntax", e.kind)
      assert.matches('near "selct"', e.message)
      assert.equal("db.syntax", failure(db.exec, "insert into").kind)
    end))

    it("name the columns there are for one that is not", with(function(db)
      local e = failure(db.query, "select emial from users")
      assert.equal("db.column", e.kind)
      assert.equal('table "users" has no column "emial"', e.message)
      assert.equal("email", e.suggestion)
      assert.same({ "columns: id, name, email, age" }, e.help)
      assert.equal("db.column", failure(db.exec, "insert into users (nme) values (1)").kind)
      assert.equal("db.column", failure(db.exec, "update users set emial = 1").kind)
    end))

    it("take no double-quoted word for a string", with(function(db)
      assert.equal("db.column", failure(db.query, 'select "nosuch" from users').kind)
    end))

    it("name the tables there are for one that is not", with(function(db)
      for _, text in ipairs { "select * from usres", "insert into usres (id) values (1)" } do
        local e = failure(db.exec, text)
        assert.equal("db.table", e.kind)
        assert.equal("users", e.suggestion)
        assert.same({ "orders", "users" }, e.tables)
      end
    end))

    it("tell which constraint was broken", with(function(db)
      db.exec("insert into users (name, email) values ('ann', 'a')")
      local e = failure(db.exec, "insert into users (name, email) values ('bob', 'a')")
      assert.equal("db.constraint", e.kind)
      assert.equal("unique", e.type)
      assert.equal("users.email", e.constraint)
      assert.same({ "email" }, e.columns)
      assert.equal("not_null", failure(db.exec, "insert into users (name) values (null)").type)
      assert.equal("foreign_key", failure(db.exec, "insert into orders (user_id) values (99)").type)
      assert.equal("primary_key", failure(db.exec, "insert into users (id, name) values (1, 'x')").type)
    end))

    it("go on after a failure", with(function(db)
      for _ = 1, 300 do failure(db.exec, "insert into users (name) values (?)", nil) end
      db.exec("insert into users (name) values (?)", "ann")
      assert.equal(1, db.users.count())
    end))

    it("refuse transaction control, naming the way", with(function(db)
      for _, text in ipairs { "begin", "COMMIT", "rollback", "savepoint a", "BEGIN IMMEDIATE" } do
        local e = failure(db.exec, text)
        assert.equal("argument", e.kind)
        assert.matches("@db.transaction", e.message)
      end
      db.transaction(function(tx) assert.matches("@db.transaction", failure(tx.exec, "COMMIT").message) end)
    end))

    it("refuse ATTACH and settings of one connection", with(function(db)
      assert.matches("@db.open", failure(db.exec, "attach 'x.db' as x").message)
      assert.matches("options", failure(db.exec, "pragma foreign_keys = off").message)
      assert.is_true(failure(db.query, "select load_extension('x')"):is("db"))
    end))

    it("allow a PRAGMA that reads and one that belongs to the file", with(function(db)
      assert.equal(1, db.value("pragma foreign_keys"))
      db.exec("pragma user_version = 7")
      assert.equal(7, db.value("pragma user_version"))
      assert.equal("id", db.one("pragma table_info(users)").name)
    end))

    it("run VACUUM", with(function(db)
      db.exec("vacuum")
      db.exec("insert into users (name) values ('ann')")
      assert.equal(1, db.users.count())
    end))

    it("keep more statements than are cached", with(function(db)
      for i = 1, 700 do assert.equal(i, db.value("select " .. i)) end
      for i = 1, 700 do assert.equal(i, db.one("select " .. i .. " as n" .. i)["n" .. i]) end
    end))
  end)
end)

-- What goes in comes out, through tables and the builder; several databases; a schema that others change.
local database = require "spec.support.database"
local null = require "tusk.null"
local temp = require "spec.support.temp"

local function failure(fn, ...)
  local _, e = @try(fn, ...)
  assert.is_not_nil(e, "it did not fail")
  return e
end

database.each_kind(function(kind, with)
  describe("values of tables in " .. kind, function()
    it("are exact 64-bit integers, as keys too", with(function(db)
      local big = 9007199254740993LL
      local row = db.users.insert { id = big, name = "ann", age = 0x7fffffffffffffffLL }
      assert.equal(big, row.id)
      assert.equal(0x7fffffffffffffffLL, db.users.find(big).age)
      assert.is_nil(db.users.find(9007199254740992LL))
      assert.equal(big, db.table("users"):where("id", big):first().id)
      assert.equal(1, db.table("users"):where_in("id", { 1, big }):count())
      assert.equal(big, db.each("select id from users")().id)
      assert.equal(-0x7fffffffffffffffLL - 1, db.users.update(big, { age = -0x7fffffffffffffffLL - 1 }).age)
      assert.equal(big + 1, db.table("users"):insert_get_id { name = "next" })
      assert.is_true(db.users.delete(big))
      assert.equal(2, db.users.insert_many { { id = 5LL, name = "a" }, { id = big, name = "b" } })
    end))

    it("are bytes, as text or as blobs", with(function(db)
      local bytes = "\0\255\1'\"\n"
      db.exec("create table files (id integer primary key, data blob, kind text)")
      local row = db.files.insert { data = db.blob(bytes), kind = bytes }
      assert.same({ id = 1, data = bytes, kind = bytes }, row)
      assert.equal("blob text", db.value("select typeof(data) || ' ' || typeof(kind) from files"))
      assert.equal(1, db.files.find_by { data = db.blob(bytes) }.id)
      assert.is_nil(db.files.find_by { data = bytes })
      assert.equal(1, db.table("files"):where("data", db.blob(bytes)):count())
      assert.equal(2, db.files.insert_many { { data = db.blob("") }, { data = db.blob(("x"):rep(2000000)) } })
      assert.equal(2000000, #db.files.find(3).data)
      local sizes = db.each("select data from files order by id"):map(function(r) return #r.data end):collect()
      assert.same({ #bytes, 0, 2000000 }, sizes)
    end))

    it("can be NULL, said so", with(function(db)
      db.users.insert { name = "ann", age = null, email = nil }
      assert.equal(1, db.users.count { age = null })
      assert.equal(1, db.table("users"):where("age", null):update { age = 3 })
      assert.equal(0, db.table("users"):where("age", "!=", null):update { age = null } - 1)
      assert.is_nil(db.users.find(1).age)
    end))

    it("are upserted on a key of several columns, and a change alone is no insert", with(function(db)
      db.exec("create table stock (shop text, item text, n integer default 7, primary key (shop, item))")
      assert.same({ shop = "a", item = "x", n = 1 }, db.stock.upsert({ shop = "a", item = "x", n = 1 }, { on = { "shop", "item" } }))
      assert.same({ shop = "a", item = "x", n = 2 }, db.stock.upsert({ shop = "a", item = "x", n = 2 }, { on = { "item", "shop" } }))
      assert.same({ shop = "a", item = "x", n = 2 }, db.stock.upsert({ shop = "a", item = "x" }, { on = { "shop", "item" } }))
      assert.equal(1, db.stock.count())
      assert.equal("argument", failure(db.stock.upsert, { shop = "a", item = "x" }).kind)
      assert.equal("db.error", failure(db.stock.upsert, { shop = "a", item = "x" }, { on = "n" }).kind)
      assert.equal("item", failure(db.stock.upsert, { shop = "a", item = "x" }, { on = "itm" }).suggestion)
      assert.equal(9, db.stock.upsert({ shop = "b", item = "x", n = db.raw("4 + 5") }, { on = { "shop", "item" } }).n)
    end))
  end)
end)

describe("several databases", function()
  it("are apart, with transactions of their own at the same time", function()
    temp.dir(function(dir)
      local list = {}
      for i = 1, 5 do
        list[i] = @db.open(dir .. "/" .. i .. ".db")
        list[i].exec("create table t (id integer primary key, n integer)")
      end
      list[6] = @db.open(":memory:")
      list[6].exec("create table t (id integer primary key, n integer)")
      list[1].transaction(function(first)
        first.t.insert { n = 1 }
        list[6].transaction(function(sixth)
          sixth.t.insert { n = 6 }
          list[2].t.insert { n = 2 }
          assert.same({ 1, 1, 1 }, { first.t.count(), sixth.t.count(), list[2].t.count() })
          for row in list[2].each("select n from t") do first.t.insert { n = row.n } end
        end)
      end)
      local counts = {}
      for i, db in ipairs(list) do counts[i] = db.t.count() end
      assert.same({ 2, 1, 0, 0, 0, 1 }, counts)
      for _, db in ipairs(list) do db.close() end
    end)
  end)

  it("can be one file, to write and only to read", function()
    temp.dir(function(dir)
      local db = @db.open(dir .. "/a.db")
      db.exec("create table t (id integer primary key, n integer)")
      local reader = @db.open(dir .. "/a.db", { readonly = true })
      db.t.insert { n = 1 }
      assert.equal(1, reader.t.find(1).n)
      for _, write in ipairs {
        @(reader.t.insert { n = 2 }), @(reader.exec("delete from t")), @(reader.table("t"):where("n", 1):delete()),
        @(reader.t.insert_many { { n = 1 }, { n = 2 } }),
      } do
        assert.equal("db.readonly", failure(write).kind)
      end
      assert.equal(1, reader.transaction({ mode = "deferred" }, function(tx) return tx.t.count() end))
      reader.close()
      db.close()
    end)
  end)
end)

describe("a schema that another connection changes", function()
  local function with(fn)
    return function()
      temp.dir(function(dir)
        local a, b = @db.open(dir .. "/a.db"), @db.open(dir .. "/a.db")
        a.exec("create table users (id integer primary key, name text not null, age integer)")
        a.users.insert { name = "ann", age = 1 }
        assert.equal("ann", a.users.find(1).name)
        assert.equal(1, a.table("users"):where("age", 1):count())
        fn(a, b)
        a.close()
        b.close()
      end)
    end
  end

  it("has the columns that were added", with(function(a, b)
    b.exec("alter table users add column email text default 'none'")
    assert.equal("x", a.users.update(1, { email = "x" }).email)
    assert.equal(1, a.table("users"):where("email", "x"):count())
    assert.equal("x", a.users.find(1).email)
  end))

  it("has not those that were renamed or dropped, and says which there are", with(function(a, b)
    b.exec("alter table users rename column name to title")
    assert.equal("title", a.users.find_by { title = "ann" }.title and "title")
    b.exec("alter table users drop column age")
    local e = failure(a.users.insert, { title = "bob", age = 3 })
    assert.same({ "db.column", "age" }, { e.kind, e.column })
    assert.same({ "id", "title" }, failure(a.users.insert, { title = "bob", age = 3 }).columns)
    assert.equal(2, a.users.insert { title = "bob" }.id)
    assert.equal("title", failure(a.users.find_by, { titel = "ann" }).suggestion)
  end))

  it("is read anew when a table was made anew", with(function(a, b)
    b.exec("drop table users; create table users (code text primary key, name text); insert into users values ('x', 'cy')")
    failure(a.users.find, 1)
    assert.equal("cy", a.users.find("x").name)
    b.exec("drop table users")
    assert.equal("db.table", failure(a.users.find, "x").kind)
    assert.equal("db.table", failure(a.users.count).kind)
    b.exec("create table users (id integer primary key)")
    assert.equal(0, a.users.count())
    assert.equal(1, a.users.insert {}.id)
  end))
end)

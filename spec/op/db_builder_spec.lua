-- The query builder across tables: joins, groups, expressions, streams of rows.
local database = require "spec.support.database"

local function failure(fn, ...)
  local _, e = @try(fn, ...)
  assert.is_not_nil(e, "it did not fail")
  return e
end

local function list_of(rows, ...)
  local lines = {}
  for i, row in ipairs(rows) do
    local parts = {}
    for k = 1, select("#", ...) do parts[k] = tostring(row[select(k, ...)]) end
    lines[i] = table.concat(parts, " ")
  end
  return lines
end

database.each_kind(function(kind, with_empty)
  local function with(fn)
    return with_empty(function(db)
      db.users.insert_many { { name = "ann", age = 20 }, { name = "bob", age = 30 }, { name = "cy", age = 40 } }
      db.orders.insert_many { { user_id = 1, total = 5 }, { user_id = 1, total = 7.5 }, { user_id = 2, total = 1 } }
      fn(db, function(name) return db.table(name or "users") end)
    end)
  end

  describe("the query builder in " .. kind .. ", over several tables,", function()
    it("joins", with(function(_, from)
      local q = from():join("orders", "orders.user_id", "users.id"):select("name", "total"):order_by("orders.id")
      assert.same({ "ann 5", "ann 7.5", "bob 1" }, list_of(q:get(), "name", "total"))
      assert.same({ "bob 1" }, list_of(from():join("orders", "user_id", "=", "users.id"):select("users.name", "total")
        :where("orders.total", "<", 5):get(), "name", "total"))
      assert.equal(3, from():join("orders", "user_id", "<=", "users.id"):where("users.id", "<", 3):where("total", ">", 4):count() - 1)
    end))

    it("joins with those that have no counterpart", with(function(_, from)
      local q = from():left_join("orders", "user_id", "users.id"):where_null("total"):select("users.*")
      assert.same({ id = 3, name = "cy", age = 40 }, q:first())
      assert.equal(4, from():left_join("orders", "user_id", "users.id"):count())
    end))

    it("gives tables other names", with(function(db)
      local q = db.table("users as a"):join("users as b", "a.id", "<", "b.id"):select("a.name as one", "b.name as two")
      assert.same({ "ann bob", "ann cy", "bob cy" }, list_of(q:order_by("one"):order_by("two"):get(), "one", "two"))
      assert.equal('SELECT "a"."name" AS "one", "b"."name" AS "two" FROM "users" AS "a" JOIN "users" AS "b" ON "a"."id" < "b"."id"'
        .. ' ORDER BY "one" ASC, "two" ASC', (q:to_sql()))
    end))

    it("groups, with conditions on groups", with(function(db, from)
      local q = from("orders"):select("user_id", db.raw("count(*) as n"), db.raw("sum(total) as sum")):group_by("user_id")
      assert.same({ "2 1 1", "1 2 12.5" }, list_of(q:order_by("sum"):get(), "user_id", "n", "sum"))
      assert.equal(2, q:count())
      assert.same({ "1" }, list_of(q:having("n", ">", 1):get(), "user_id"))
      assert.equal(1, q:count())
      assert.is_true(q:exists())
      q = from():join("orders", "user_id", "users.id"):group_by("users.id"):having(db.raw("count(*)"), ">=", 2):select("name")
      assert.same({ { name = "ann" } }, q:get())
    end))

    it("adds up, averages, and finds the least and the greatest", with(function(_, from)
      assert.same({ 13.5, 4.5, 1, 7.5 }, { from("orders"):sum("total"), from("orders"):avg("total"), from("orders"):min("total"),
        from("orders"):max("total") })
      assert.equal(12.5, from():join("orders", "user_id", "users.id"):where("name", "ann"):sum("total"))
      assert.same({ 0 }, { from():where("id", 99):sum("age"), from():where("id", 99):max("age") })
      assert.equal("argument", failure(function() from():group_by("name"):sum("age") end).kind)
    end))

    it("takes expressions where a column, a value or a condition may be", with(function(db, from)
      assert.equal("ANN", from():select(db.raw("upper(name) as name")):first().name)
      assert.same({ "cy" }, list_of(from():where(db.raw("age % ?", 20), 0):where("age", ">", db.raw("? + ?", 10, 15)):get(), "name"))
      assert.same({ "bob" }, list_of(from():where(db.raw("length(name) = ? and age > ?", 3, 20)):get(), "name"))
      assert.equal("cy", from():order_by(db.raw("length(name)")):first().name)
      assert.equal(1, from():where("id", 1):update { age = db.raw("age * ?", 2) })
      assert.equal(40, db.users.find(1).age)
      assert.equal(50, db.users.update(1, { age = db.raw("age + 10") }).age)
      assert.equal(3, db.users.insert { name = "dee", age = db.raw("(select count(*) from users)") }.age)
      for _, wrong in ipairs { @(db.raw()), @(db.raw("")), @(db.raw("1; drop table users")), @(db.raw("?", {})) } do
        assert.equal("argument", failure(wrong).kind)
      end
    end))

    it("puts conditions in brackets", with(function(_, from)
      local q = from():where("age", ">", 20):where(function(any)
        any:where("name", "bob"):or_where("name", "ann"):or_where(function(all)
          all:where("name", "cy"):where("age", 40)
        end)
      end)
      assert.equal('SELECT * FROM "users" WHERE "age" > ? AND ("name" = ? OR "name" = ? OR ("name" = ? AND "age" = ?))', (q:to_sql()))
      assert.same({ "bob", "cy" }, list_of(q:get(), "name"))
      assert.equal("argument", failure(function() from():where(function() end) end).kind)
      assert.equal("argument", failure(function() from():where(function(inner) inner:where("id", 1):limit(1) end) end).kind)
    end))

    it("keeps the order of parameters", with(function(db, from)
      local statement, params = from():select("name", db.raw("? as tag", "t")):join("orders", "user_id", "users.id")
        :where("age", "<", 50):group_by(db.raw("name || ?", "g")):having(db.raw("count(*)"), ">", 0):order_by(db.raw("name = ?", "o"))
        :limit(2):offset(1):to_sql()
      assert.same({ "t", 50, "g", 0, "o", 2, 1 }, params)
      assert.equal('SELECT "users"."name", ? as tag FROM "users" JOIN "orders" ON "orders"."user_id" = "users"."id" WHERE'
        .. ' "users"."age" < ? GROUP BY name || ? HAVING count(*) > ? ORDER BY name = ? ASC LIMIT ? OFFSET ?', statement)
    end))

    it("names what is unknown or not clear", with(function(_, from)
      local function joined() return from():join("orders", "user_id", "users.id") end
      local e = failure(function() joined():where("totl", 1):get() end)
      assert.same({ "db.column", "total" }, { e.kind, e.suggestion })
      e = failure(function() joined():where("orders.totl", 1):get() end)
      assert.same({ "db.column", "total", "orders" }, { e.kind, e.suggestion, e.table })
      e = failure(function() joined():where("order.total", 1):get() end)
      assert.same({ "db.table", "orders" }, { e.kind, e.suggestion })
      e = failure(function() joined():where("id", 1):get() end)
      assert.matches('"id" is in users and in orders: write "users.id"', e.message)
      assert.equal("users", failure(function() from():join("usrs", "a", "b"):get() end).suggestion)
      assert.matches("there twice", failure(function() from():join("users", "users.id", "users.id"):get() end).message)
      for _, wrong in ipairs {
        function() from():join("orders") end, function() from():join("orders", "user_id", "~", "users.id") end,
        function() from():join("orders", "user_id", 5) end, function() from():group_by() end, function() from():having("n") end,
        function() joined():update { age = 1 } end, function() joined():where("age", 1):delete() end, function() joined():insert {} end,
        function() from():group_by("name").get() end,
      } do
        assert.equal("argument", failure(wrong).kind)
      end
    end))

    it("sees a column that was added to a joined table", with(function(db, from)
      from():join("orders", "user_id", "users.id"):get()
      local other = db.table("orders")
      db.query("alter table orders add column note text default 'n'")
      assert.equal("n", from():join("orders", "user_id", "users.id"):select("note"):first().note)
      assert.equal("n", other:where("note", "n"):first().note)
    end))

    it("can use tables with the names of its functions", with(function(db)
      db.exec('create table raw (id integer primary key, "each" integer); insert into raw values (1, 2)')
      assert.equal(2, db.table("raw"):where("each", 2):first()["each"])
    end))
  end)

  describe("the query builder in " .. kind .. ", streaming,", function()
    it("gives rows one by one", with(function(db, from)
      db.exec("insert into users (name, age) with recursive c(x) as (select 1 union all select x + 1 from c where x < 5000) "
        .. "select 'n', x from c")
      local sum = 0
      for row in from():where("name", "n"):select("age"):each() do sum = sum + row.age end
      assert.equal(12502500, sum)
      assert.equal(2, #from():order_by("id"):each():take(2):collect())
      assert.equal("name", failure(function() from():where("nmae", 1):each() end).suggestion)
      db.transaction(function(tx)
        tx.users.delete(3)
        assert.equal(1, tx.table("users"):where("id", "<", 4):order_by("id"):each()().id)
        assert.equal(2, tx.table("users"):where("id", "<", 4):count())
      end)
    end))

    it("gives portions until it is told to stop", with(function(db, from)
      for i = 4, 25 do db.users.insert { id = i, name = "n" .. i } end
      local sizes = {}
      local function take(rows) sizes[#sizes + 1] = #rows end
      assert.equal(25, from():order_by("id"):chunk(10, take))
      assert.same({ 10, 10, 5 }, sizes)
      assert.equal(20, from():order_by("id"):chunk(10, function(rows) return rows[1].id < 11 end))
      assert.equal(0, from():where("id", 99):chunk(10, take))
      assert.same({ 10, 10, 5 }, sizes)
      assert.equal("x", failure(function() from():chunk(5, function() error("x", 0) end) end).message)
      for _, wrong in ipairs { @(from():chunk(0, take)), @(from():chunk(1.5, take)), @(from():chunk(5)) } do
        assert.equal("argument", failure(wrong).kind)
      end
      from():order_by("id"):chunk(10, function(rows)
        for _, row in ipairs(rows) do db.users.update(row.id, { age = 1 }) end
      end)
      assert.equal(25, db.users.count { age = 1 })
    end))
  end)
end)

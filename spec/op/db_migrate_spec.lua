-- @db.migrate: each file of a folder once.
local app = require "spec.support.app"
local core = require "tusk.core"
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local USERS = "create table users (id integer primary key, name text not null);\n"
local ORDERS = "create table orders (id integer primary key, user_id integer references users (id));\n"

local function failure(fn, ...)
  local _, e = @try(fn, ...)
  assert.is_not_nil(e, "it did not fail")
  return e
end

-- fn(db, dir, write): write(name, text) makes a migration.
local function with(files, fn)
  return function()
    temp.dir(function(top)
      local dir = top .. "/migrations"
      @file.mkdir(dir)
      local function write(name, text) temp.write(dir .. "/" .. name, text) end
      for name, text in pairs(files) do write(name, text) end
      local db = @db.open(top .. "/a.db")
      local ok, e = pcall(fn, db, dir, write)
      @shield(function() @try(db.close) end)
      if not ok then error(e, 0) end
    end)
  end
end

local function states(db, dir)
  local list = {}
  for i, m in ipairs(db.migrate(dir, { plan = true })) do list[i] = m.file .. " " .. m.state end
  return list
end

describe("@db.migrate", function()
  it("applies each file once, in order", with({ ["001_users.sql"] = USERS, ["002_orders.sql"] = ORDERS }, function(db, dir, write)
    assert.same({ "001_users.sql", "002_orders.sql" }, db.migrate(dir))
    assert.same({}, db.migrate(dir))
    assert.equal(0, db.orders.count())
    write("010_more.sql", "")
    @file.rename(dir .. "/010_more.sql", dir .. "/003_tags.sql")
    write("003_tags.sql", "alter table users add column tag text; insert into users (name, tag) values ('ann', 'x');")
    assert.same({ "003_tags.sql" }, db.migrate(dir))
    assert.equal("x", db.users.find(1).tag)
  end))

  it("does nothing with an empty folder, and ignores what is no SQL", with({ ["README.md"] = "x", [".001_a.sql"] = "x" }, function(db, dir)
    assert.same({}, db.migrate(dir))
    assert.is_false(@db.open(":memory:").tusk_migrations ~= nil and #db.query("select * from sqlite_schema") > 0)
  end))

  it("keeps what was applied before one that fails, of which nothing is kept", with({
    ["001_users.sql"] = USERS, ["002_bad.sql"] = "create table t (n);\n\n-- here\ninsert into t (m)\nvalues (1);\n",
  }, function(db, dir, write)
    local e = failure(db.migrate, dir)
    assert.same({ "db.column", "002_bad.sql", dir .. "/002_bad.sql", 4 }, { e.kind, e.migration, e.site.file, e.site.line })
    assert.matches('^migration "002_bad.sql": table "t" has no column "m"', e.message)
    assert.same({ "001_users.sql applied", "002_bad.sql pending" }, states(db, dir))
    assert.is_nil(db.value("select 1 from sqlite_schema where name = 't'"))
    write("002_bad.sql", "create table t (n);\ninsert into t frm;\n")
    e = failure(db.migrate, dir)
    assert.same({ "db.syntax", 2 }, { e.kind, e.site.line })
    write("002_bad.sql", "insert into users (id, name)\nvalues (1, null)")
    assert.same({ "db.constraint", 1 }, { failure(db.migrate, dir).kind, failure(db.migrate, dir).site.line })
    write("002_bad.sql", "begin; create table t (n); commit;")
    assert.matches("transactions are not written in SQL", failure(db.migrate, dir).message)
    write("002_bad.sql", "create table t (n);")
    assert.same({ "002_bad.sql" }, db.migrate(dir))
  end))

  it("notices a file that was changed, but for its line ends", with({ ["001_users.sql"] = USERS }, function(db, dir, write)
    db.migrate(dir)
    write("001_users.sql", (USERS:gsub("\n", "\r\n")))
    assert.same({}, db.migrate(dir))
    write("001_users.sql", USERS .. "-- more\n")
    local e = failure(db.migrate, dir)
    assert.same({ "db.migration", "001_users.sql" }, { e.kind, e.migration })
    assert.matches('^"001_users.sql" has been changed since it was applied %(%d+%-%d%d%-%d%dT', e.message)
    assert.equal("db.migration", failure(db.migrate, dir, { plan = true }).kind)
  end))

  it("notices a file that is gone, and one that comes too late", with({ ["001_a.sql"] = USERS, ["002_b.sql"] = ORDERS }, function(db, dir, write)
    db.migrate(dir)
    @file.remove(dir .. "/002_b.sql")
    assert.matches('^"002_b.sql" was applied to the database, but is not in ', failure(db.migrate, dir).message)
    write("002_b.sql", ORDERS)
    write("000_late.sql", "select 1")
    assert.matches('^"000_late.sql" comes before "002_b.sql", which is applied', failure(db.migrate, dir).message)
  end))

  it("refuses names without a number, twice the same, and gaps", with({
    ["001_a.sql"] = USERS, ["03_b.sql"] = "", ["3_c.sql"] = "", ["more.sql"] = "", ["5x.sql"] = "",
  }, function(db, dir)
    local e = failure(db.migrate, dir)
    assert.equal("db.migration", e.kind)
    assert.same({
      '"5x.sql" has no number: name it like "4_x.sql"', '"more.sql" has no number: name it like "4_more.sql"',
      'there is no migration 2 between "001_a.sql" and "03_b.sql"', '"03_b.sql" and "3_c.sql" have the same number',
    }, e.problems)
    assert.is_nil(db.value("select 1 from sqlite_schema"))
  end))

  it("takes dates for numbers, which have gaps", with({
    ["20240131120000_a.sql"] = USERS, ["20250203090000_b.sql"] = ORDERS,
  }, function(db, dir)
    assert.equal(2, #db.migrate(dir))
  end))

  it("can rebuild a table that others refer to", with({
    ["001_a.sql"] = USERS .. ORDERS .. "insert into users values (1, 'ann'); insert into orders values (1, 1);",
    ["002_b.sql"] = [[create table new_users (id integer primary key, name text not null, email text);
      insert into new_users (id, name) select id, name from users;
      drop table users;
      alter table new_users rename to users;]],
  }, function(db, dir)
    assert.equal(2, #db.migrate(dir))
    assert.equal("ann", db.table("orders"):join("users", "users.id", "orders.user_id"):select("name"):where_null("email"):first().name)
    assert.equal("db.constraint", failure(db.exec, "insert into orders values (2, 2)").kind)
  end))

  it("leaves nothing that refers to what is not there", with({
    ["001_a.sql"] = USERS .. ORDERS .. "insert into users values (1, 'ann'); insert into orders values (7, 1);",
    ["002_b.sql"] = "delete from users;",
  }, function(db, dir)
    local e = failure(db.migrate, dir)
    assert.same({ "db.constraint", 'migration "002_b.sql": row 7 of "orders" refers to a row of "users" that is not there' },
      { e.kind, e.message })
    assert.equal(1, db.users.count())
    assert.equal("db.constraint", failure(db.exec, "delete from users").kind)
  end))

  it("refuses to be called in a transaction, and what is no folder", with({ ["001_a.sql"] = USERS }, function(db, dir)
    assert.equal("argument", failure(db.transaction, function(tx) tx.migrate(dir) end).kind)
    assert.equal("argument", failure(db.transaction, function() db.migrate(dir) end).kind)
    assert.equal("file.not_found", failure(db.migrate, dir .. "/nosuch").kind)
    for _, wrong in ipairs { @(db.migrate()), @(db.migrate(5)), @(db.migrate(dir, { pln = true })), @(db.migrate(dir, { plan = 1 })) } do
      assert.equal("argument", failure(wrong).kind)
    end
    assert.same({ "001_a.sql pending" }, states(db, dir))
  end))

  it("is undone when it is cancelled, and done when it is asked again", with({
    ["001_a.sql"] = USERS, ["002_b.sql"] = "create table t (n); insert into t with recursive c(x) as (select 1 union all select x + 1 "
      .. "from c where x < 3000000) select x from c;",
  }, function(db, dir)
    assert.equal("timeout", failure(@timeout, "20ms", @(db.migrate(dir))).kind)
    assert.same({ "001_a.sql applied", "002_b.sql pending" }, states(db, dir))
    @file.write(dir .. "/002_b.sql", "create table t (n)")
    assert.same({ "002_b.sql" }, db.migrate(dir))
  end))

  it("keeps nothing of one for which the disk has no room, and can be asked again", with({
    ["001_a.sql"] = USERS, ["002_b.sql"] = "create table t (b);\ninsert into t values (zeroblob(3000000));\n",
  }, function(db, dir)
    local path = dir:gsub("migrations$", "a.db")
    db.close()
    local script = temp.write(dir .. "/full.lua", ("local _, e = @try(@db.open(%q).migrate, %q)\n"
      .. "print(e.kind:match('^db%%.'), e.migration, e.site.line)\n"):format(path, dir))
    local r = program.run({ "-c", ("trap '' XFSZ; ulimit -f 1000; exec %s run %s"):format(program.path(), script) }, { program = "/bin/sh" })
    assert.equal("db.\t002_b.sql\t2\n", r.stdout)
    db = @db.open(path)
    assert.same({ "001_a.sql applied", "002_b.sql pending" }, states(db, dir))
    assert.same({ "002_b.sql" }, db.migrate(dir))
    assert.equal("ok", db.value("pragma integrity_check"))
    db.close()
  end))

  it("is applied whole or not at all when its process is killed", with({
    ["001_a.sql"] = "create table t (n);", ["002_b.sql"] = "insert into t with recursive c(x) as (select 1 union all select x + 1 "
      .. "from c where x < 200000) select x from c;",
  }, function(db, dir)
    local path = dir:gsub("migrations$", "a.db")
    db.close()
    for i = 1, 6 do
      program.start({ "-e", ("io.write('on') io.stdout:flush() @db.open(%q).migrate(%q)"):format(path, dir) }, {}, function(p)
        p:read_until("on")
        @sleep(0.002 * i)
        p:signal("sigkill")
        p:wait()
      end)
      local again = @db.open(path)
      local plan = again.migrate(dir, { plan = true })
      local rows = plan[1].state == "applied" and again.value("select count(*) from t") or 0
      assert.equal(plan[2].state == "applied" and 200000 or 0, rows)
      assert.equal("ok", again.value("pragma integrity_check"))
      again.close()
    end
    db = @db.open(path)
    db.migrate(dir)
    assert.equal(200000, db.value("select count(*) from t"))
    db.close()
  end))

  it("is done once by two tasks, and by processes at the same time", with({
    ["001_a.sql"] = USERS, ["002_b.sql"] = ORDERS, ["003_c.sql"] = "insert into users (name) values ('only')",
  }, function(db, dir)
    local path = dir:gsub("migrations$", "b.db")
    local other = @db.open(path)
    local first, second = @all(@(#db.migrate(dir)), @(#db.migrate(dir)))
    assert.equal(3, first + second)
    local code = ("local n = #@db.open(%q).migrate(%q) print(n)"):format(path, dir)
    local counts = @map({ 1, 2, 3, 4 }, function() return tonumber(program.run({ "-e", code }).stdout) end)
    assert.equal(3, counts[1] + counts[2] + counts[3] + counts[4])
    assert.equal(1, other.users.count())
    other.close()
  end))

  it("waits for a transaction of another connection as long as it has time", with({ ["001_a.sql"] = USERS }, function(_, dir)
    local path = dir:gsub("migrations$", "c.db")
    local holder, db = @db.open(path), @db.open(path, { busy_timeout = "1ms" })
    holder.exec("create table held (n)")
    local warned, line = 0, core.Queue.new()
    local function told()
      warned = warned + 1
      line:wake()
    end
    require("tusk.test").fake("log", { warn = told }, function()
      @scope(function(s)
        local done
        holder.transaction(function(tx)
          tx.exec("insert into held values (1)")
          done = s:async(db.migrate, dir)
          line:park()
        end)
        assert.same({ "001_a.sql" }, done:await())
      end)
    end)
    assert.equal(1, warned)
    holder.close()
    db.close()
  end))

  it("works on a database in memory", with({ ["001_a.sql"] = USERS }, function(_, dir)
    local db = @db.open(":memory:")
    assert.same({ "001_a.sql" }, db.migrate(dir))
    assert.same({}, db.migrate(dir))
    assert.equal(0, db.users.count())
  end))
end)

describe("a script directory with migrations", function()
  local FILES = {
    ["main.lua"] = 'print(@db.value("select count(*) from sqlite_schema where name = \'users\'"))',
    ["migrations/001_users.sql"] = USERS,
  }

  local function with_config(text, more)
    local files = {}
    for name, content in pairs(FILES) do files[name] = content end
    for name, content in pairs(more or {}) do files[name] = content end
    files["tusk.lua"] = text
    return files
  end

  it("is told what is not applied when it starts, and nothing is applied silently", function()
    local r = app.run(FILES)
    assert.same({ 0, "0\n" }, { r.status, r.stdout })
    assert.matches("1 of 1 migration not applied: tusk db migrate ", r.stderr, 1, true)
  end)

  it("applies them before its plugins are set up, if the configuration says so", function()
    local r = app.run(with_config("return { db = { migrate = true } }", {
      ["plugins/a.lua"] = 'return { name = "a", setup = function() print("in setup", @db.users.count()) end }',
    }))
    assert.same({ 0, "in setup\t0\n1\n" }, { r.status, r.stdout })
    assert.matches("migration applied", r.stderr, 1, true)
  end)

  it("does not start when one fails", function()
    local r = app.run(with_config("return { db = { migrate = true } }", { ["migrations/002_bad.sql"] = "create tabel t;" }))
    assert.same({ 3, "" }, { r.status, r.stdout })
    assert.matches("migrations/002_bad.sql:1", r.stderr, 1, true)
  end)
end)

-- tusk db: migrations and SQL from the command line.
local app = require "spec.support.app"
local golden = require "spec.support.golden"
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local FILES = {
  ["migrations/001_users.sql"] = "create table users (id integer primary key, name text not null, note text);\n",
  ["migrations/002_orders.sql"] = "create table orders (id integer primary key, user_id integer references users (id));\n",
}

-- Runs `tusk db …` in a directory of its own; dates look alike.
local function with(files, fn)
  return function()
    app.with(files, function(dir)
      fn(function(args, input)
        local r = program.run({ "db", unpack(args) }, { cwd = dir, stdin = input })
        for _, stream in ipairs { "stdout", "stderr" } do
          r[stream] = r[stream]:gsub("%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ", "2026-01-01T00:00:00Z")
        end
        return r
      end, dir)
    end)
  end
end

local function is(status, stdout, stderr, r)
  assert.same({ status, stdout, stderr }, { r.status, r.stdout, r.stderr })
end

describe("tusk db status and migrate", function()
  it("tell and do what is to be done", with(FILES, function(run, dir)
    local said = {}
    local function note(r)
      said[#said + 1] = ("exit %d\n%s%s"):format(r.status, r.stdout, r.stderr)
    end
    note(run { "status" })
    assert.is_false(@file.exists(dir .. "/data"))
    note(run { "migrate" })
    note(run { "migrate", "." })
    note(run { "status" })
    temp.write(dir .. "/migrations/003_tags.sql", "create table tags (n);")
    note(run { "status" })
    temp.write(dir .. "/migrations/002_orders.sql", "create table orders (n);")
    note(run { "status" })
    assert.equal(golden.text("db_status"), table.concat(said, "--\n"))
  end))

  it("look without changing anything", with(FILES, function(run, dir)
    local path = dir .. "/data/tusk.db"
    local db = @db.open(path)
    db.exec("create table t (n)")
    db.close()
    local text = @file.read(path)
    local before = text:sub(1, 18) .. "\1\1" .. text:sub(21) -- not in WAL mode
    @file.write(path, before)
    assert.equal(1, run({ "status" }).status)
    assert.is_true(before == @file.read(path))
  end))

  it("use the database of the configuration", with(FILES, function(run, dir)
    is(0, "applied  001_users.sql\napplied  002_orders.sql\n./other.db is up to date\n", "", run { "migrate", "--set", "db.url=./other.db" })
    assert.is_true(@file.exists(dir .. "/other.db"))
    temp.write(dir .. "/tusk.lua", 'return { db = { url = "x.db" }, environments = { production = { db = { url = "./other.db" } } } }')
    is(0, "./other.db is up to date, nothing to apply\n", "", run { "migrate", "--env", "production" })
    assert.equal(1, run({ "status" }).status)
    assert.is_false(@file.exists(dir .. "/x.db"))
  end))

  it("point at the line of a migration that fails", with({
    ["migrations/001_bad.sql"] = "create table t (n);\n\ninsert into t (m) values (1);\n",
  }, function(run)
    local r = run { "migrate" }
    assert.same({ 1, "" }, { r.status, r.stdout })
    assert.matches('error[db.column]: migration "001_bad.sql": table "t" has no column "m"\n  ┌─ ./migrations/001_bad.sql:3\n', r.stderr, 1, true)
  end))

  it("say what is wrong with a call", with({ ["main.lua"] = "" }, function(run)
    for _, case in ipairs {
      { {}, "error[usage]: tusk db needs a command: status, migrate, console\n" },
      { { "stats" }, 'error[usage]: tusk db has no command "stats" (did you mean "status"?)\n' },
      { { "status", "nosuch" }, "error[usage]: nosuch: no such directory\n" },
      { { "status" }, "error[usage]: . has no folder migrations\n" },
      { { "status", "main.lua" }, "error[usage]: main.lua is not a directory\n" },
      { { "status", ".", "." }, "error[usage]: tusk db status takes one directory\n" },
      { { "migrate", "--readonly" }, "error[usage]: --readonly is for tusk db console\n" },
    } do
      is(2, "", case[2], run(case[1]))
    end
    assert.equal(3, run({ "status", "--set", "db.nosuch=1" }).status)
  end))

  it("refuse a database in memory", with(FILES, function(run)
    is(2, "", "error[usage]: the database is in memory: there is nothing to keep (db.url)\n", run { "migrate", "--set", "db.url=:memory:" })
  end))
end)

describe("tusk db console", function()
  it("answers with tables", with(FILES, function(run)
    run { "migrate" }
    local r = run({ "console" }, temp.read("spec/cli/golden/db_console.sql"))
    assert.equal(golden.text("db_console"), ("exit %d\n%s%s"):format(r.status, r.stdout, r.stderr))
  end))

  it("opens a file, and only to be read if that is asked", with(FILES, function(run)
    run { "migrate" }
    is(0, "1 row changed\n", "", run({ "console", "data/tusk.db" }, "insert into users (name) values ('ann');\n"))
    is(1, "name\n----\nann\n", "error: attempt to write a readonly database\n",
      run({ "console", "data/tusk.db", "--readonly" }, "delete from users; select name from users;"))
    is(2, "", "error[usage]: nosuch.db: no such directory or file\n", run { "console", "nosuch.db" })
  end))

  it("prints any number of rows, and stops with its reader", with(FILES, function(run)
    local r = run({ "console" }, "with recursive c(x) as (select 1 union all select x + 1 from c where x < 20000) select x from c;")
    assert.equal(0, r.status)
    assert.equal(20002, select(2, r.stdout:gsub("\n", "")))
    assert.matches("^x\n%-+\n1 *\n2 *\n", r.stdout)
    assert.matches("\n20000\n$", r.stdout)
  end))

  it("says when its input ends too early, or nothing is given", with(FILES, function(run)
    is(0, "", "", run({ "console" }, ""))
    is(1, "", "error: the input ends within a statement: is a semicolon missing?\n", run({ "console" }, "select 1"))
    is(0, "", "", run({ "console" }, "\n-- nothing\n;\n\n"))
  end))

  it("ends at once when it is interrupted within a statement", with(FILES, function(_, dir)
    program.start({ "db", "console", dir }, {}, function(p)
      p:send("select 1 as n;\nwith recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c;\n")
      p:read_until("\n1\n")
      p:signal("sigint")
      assert.equal(130, p:wait().status)
    end)
  end))
end)

describe("tusk check", function()
  it("looks at the names of migrations", function()
    app.with({ ["main.lua"] = "", ["migrations/001_a.sql"] = "", ["migrations/003_b.sql"] = "", ["migrations/c.sql"] = "" }, function(dir)
      local r = program.run({ "check", "." }, { cwd = dir })
      assert.same({ 1, "" }, { r.status, r.stdout })
      assert.matches('error[db.migration]: ./migrations: "c.sql" has no number: name it like "004_c.sql"', r.stderr, 1, true)
      assert.matches('error[db.migration]: ./migrations: there is no migration 2 between "001_a.sql" and "003_b.sql"', r.stderr, 1, true)
    end)
  end)
end)

describe("tusk test", function()
  it("applies the migrations of a directory that applies them at its start", function()
    app.with({
      ["main.lua"] = "", ["tusk.lua"] = "return { db = { migrate = true } }", ["migrations/001_a.sql"] = FILES["migrations/001_users.sql"],
      ["spec/a_spec.lua"] = 'it("has users", function() assert.equal(0, @db.users.count()) end)',
    }, function(dir)
      local r = program.run { "test", dir .. "/spec" }
      assert.matches("1 passed, 0 failed", r.stdout)
    end)
  end)
end)

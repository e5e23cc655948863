-- The plugin: repositories that tusk.lua declares.
local app = require "spec.support.app"

local TABLES = [[
  create table users (id integer primary key, name text);
  create table profiles (id integer primary key, user_id integer, bio text);
  create table codes (code text primary key, name text);
]]

local function run(tables, main)
  return app.run({
    ["tusk.lua"] = ("return { plugins = { repository = { ttl = '5m', tables = { %s } } } }"):format(tables),
    ["main.lua"] = ("@db.exec [[%s]] %s"):format(TABLES, main),
  }, { "--set", "db.url=:memory:" })
end

describe("the plugin repository", function()
  it("makes a repository of each table, with its options, under @repository", function()
    local r = run([[users = { children = { profile = { table = "profiles", key = "user_id" } } }, codes = { key = "code" }]], [[
      @repository.users.create { name = "Ann", profile = { bio = "climbs" } }
      @repository.codes.create { code = "CH", name = "Switzerland" }
      print(@repository.users.find(1).profile.bio, @repository.codes.find_many({ "AT", "CH" })[2].name)]])
    assert.equal("climbs\tSwitzerland\n", r.stdout, r.stderr)
  end)

  it("tells which tables there are where one is misspelt", function()
    local r = run("users = {}, codes = {}", "\n  @repository.user.find(1)")
    assert.equal(1, r.status)
    assert.matches('no function "user" (did you mean "users"?)', r.stderr, 1, true)
    assert.matches("main.lua:5:3", r.stderr, 1, true)
  end)

  it("does not start with an option that there is not", function()
    local r = run("users = { tll = 1 }", "")
    assert.equal(3, r.status)
    assert.matches('unknown option "tll" (did you mean "ttl"?)', r.stderr, 1, true)
    r = run("users = 1", "")
    assert.equal(3, r.status)
    assert.matches("tables.users: table expected, got number 1", r.stderr, 1, true)
  end)

  it("may be told its times from outside", function()
    local r = app.run({ ["tusk.lua"] = "return { plugins = { repository = { tables = { users = {} } } } }",
      ["main.lua"] = ("@db.exec [[%s]] @db.users.insert { name = 'Ann' } @repository.users.find(1)"):format(TABLES)
        .. " @db.exec \"update users set name = 'Bob'\" @sleep(0.02) print(@repository.users.find(1).name)" },
      { "--set", "db.url=:memory:", "--set", "plugins.repository.ttl=10ms" })
    assert.equal("Bob\n", r.stdout, r.stderr)
  end)
end)

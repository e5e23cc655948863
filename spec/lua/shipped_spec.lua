-- The plugins that come with Tusk: loaded when a tusk.lua lists them or a plugin requires them, and as libraries.
local app = require "spec.support.app"
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local LISTED = "return { plugins = { repository = { tables = { users = {} } } } }"
local TABLE = [[@db.exec "create table users (id integer primary key, name text)"]]
local IN_MEMORY = { "--set", "db.url=:memory:" }

local function run(files, args)
  args = args or {}
  return app.run(files, { IN_MEMORY[1], IN_MEMORY[2], unpack(args) })
end

local function refused(files, args)
  local r = run(files, args)
  assert.equal(3, r.status, r.stdout .. r.stderr)
  return r.stderr
end

describe("a plugin that comes with Tusk", function()
  it("is there when tusk.lua lists it, with its settings, and no local file", function()
    local r = run { ["tusk.lua"] = LISTED,
      ["main.lua"] = TABLE .. " @db.users.insert { name = 'Ann' } print(@repository.users.find(1).name)" }
    assert.equal("Ann\n", r.stdout, r.stderr)
    assert.equal(0, r.status)
  end)

  it("is not there when nobody lists it, and its operator is known to be its", function()
    local files = { ["main.lua"] = "print(@api.user(1))" }
    local r = run(files)
    assert.equal(1, r.status)
    assert.matches("there is no operator @api\n", r.stderr, 1, true)
    assert.matches("the plugin api_client, which comes with Tusk, provides it; list it in tusk.lua: plugins = { api_client = {} }",
      r.stderr, 1, true)
    app.with(files, function(dir)
      assert.matches("the plugin api_client, which comes with Tusk", program.run({ "check", dir }).stderr, 1, true)
    end)
  end)

  it("says what was being set up when what it was given is wrong", function()
    local r = run { ["tusk.lua"] = "return { plugins = { repository = { tables = { users = { tll = 1 } } } } }", ["main.lua"] = "" }
    assert.equal(3, r.status)
    assert.matches('tables.users: unknown option "tll" (did you mean "ttl"?)', r.stderr, 1, true)
    assert.matches("while the plugin repository was set up, with plugins.repository of tusk.lua", r.stderr, 1, true)
    r = run { ["plugins/git.lua"] = 'return require("tusk.plugins.api_client").plugin("git", { bsae = "http://x" })', ["main.lua"] = "" }
    assert.matches('unknown option "bsae"', r.stderr, 1, true)
    assert.matches("in plugins/git.lua", r.stderr, 1, true)
    r = run { ["plugins/git.lua"] = 'return require("tusk.plugins.api_client").plugin("git", { base = "http://x", endpoints = { a = { "GET /", absnt = 1 } } })',
      ["main.lua"] = "" }
    assert.matches('endpoints.a: unknown option "absnt" (did you mean "absent"?)', r.stderr, 1, true)
    assert.matches("while the plugin git (plugins/git.lua) was set up, with plugins.git of tusk.lua", r.stderr, 1, true)
  end)

  it("may be listed for one environment alone", function()
    local files = { ["tusk.lua"] = "return { environments = { production = { plugins = { repository = {} } } } }",
      ["main.lua"] = "print(type(@repository))" }
    assert.equal("table\n", run(files, { "--env", "production" }).stdout)
    assert.equal(1, run(files).status)
  end)

  it("is there when another plugin requires it, or its operator, by name", function()
    for _, need in ipairs { "repository", "@repository" } do
      local r = run { ["plugins/a.lua"] = ("return { name = 'a', requires = { %q }, setup = function() print(@repository) end }")
        :format(need) }
      assert.equal("@repository\n", r.stdout, r.stderr)
    end
  end)

  it("gives way to a local plugin of the same name", function()
    local r = run { ["tusk.lua"] = "return { plugins = { repository = { greeting = 'mine' } } }",
      ["plugins/mine.lua"] = [[return { name = "repository", config = { greeting = { type = "string" } },
        setup = function(_, cfg) print(cfg.greeting) end }]] }
    assert.equal("mine\n", r.stdout, r.stderr)
  end)

  it("that has the operator of a local one is refused, both named", function()
    local said = refused { ["tusk.lua"] = LISTED,
      ["plugins/a.lua"] = "return { name = 'a', operators = { repository = {} } }" }
    assert.matches("@repository has two providers: a (plugins/a.lua) and repository", said, 1, true)
  end)

  it("is suggested where tusk.lua lists a plugin that is neither local nor shipped", function()
    local said = refused { ["tusk.lua"] = "return { plugins = { repositroy = {} } }", ["main.lua"] = "" }
    assert.matches('plugins.repositroy: there is no such plugin (did you mean "repository"?)', said, 1, true)
  end)

  it("is not loaded by a setting alone: it must be listed, and that is said", function()
    local said = refused({ ["main.lua"] = "" }, { "--set", "plugins.repository.ttl=1m" })
    assert.matches("plugins.repository: that plugin comes with Tusk, but is not listed: plugins = { repository = {} }", said, 1, true)
  end)

  it("has a configuration like any other, shown with its sources and checked", function()
    app.with({ ["tusk.lua"] = LISTED, ["main.lua"] = "" }, function(dir)
      local r = program.run { "check", dir, "--show-config", "--set", "plugins.repository.ttl=5m" }
      assert.equal(0, r.status, r.stderr)
      assert.matches("plugins.repository.ttl%s+300%s+%-%-set", r.stdout)
    end)
    assert.matches('plugins.repository.tll: there is no such setting (did you mean "ttl"?)',
      refused { ["tusk.lua"] = "return { plugins = { repository = { tll = 1 } } }", ["main.lua"] = "" }, 1, true)
  end)

  it("is there for the specs of a directory too", function()
    app.with({ ["tusk.lua"] = LISTED, ["main.lua"] = "", ["spec/a_spec.lua"] =
      TABLE .. " it('works', function() assert.is_nil(@repository.users.find(1)) end)" }, function(dir)
      local r = program.run { "test", dir .. "/spec" }
      assert.equal(0, r.status, r.stdout .. r.stderr)
    end)
  end)
end)

describe("the source tree of Tusk", function()
  it("is no script directory: its specs have none of the plugins set up", function()
    local r = program.run { "test", "spec/lua/dots_spec.lua" }
    assert.equal(0, r.status, r.stdout .. r.stderr)
    assert.is_false((pcall(require("tusk.operators").get, "repository")))
    assert.equal(2, program.run({ "run", "." }).status)
  end)
end)

describe("require of a shipped plugin", function()
  it("gives its library, without its being listed, as often as wanted", function()
    local r = run {
      ["plugins/users.lua"] = [[
        local repository = require "tusk.plugins.repository"
        return { name = "users", operators = { users = repository.new("users"), people = repository.new("people") } }]],
      ["main.lua"] = TABLE .. [[ @db.exec "create table people (id integer primary key)"
        @db.users.insert { name = "Ann" }
        print(@users.find(1).name, @people.find(1))]] }
    assert.equal("Ann\tnil\n", r.stdout, r.stderr)
  end)

  it("works in a script as well, from any folder", function()
    temp.dir(function(dir)
      local r = program.run({ "-e", "print(type(require('tusk.plugins.repository').new))" }, { cwd = dir })
      assert.equal("function\n", r.stdout, r.stderr)
    end)
  end)

  it("is shadowed by no file of the user's", function()
    local r = run { ["tusk/plugins/repository.lua"] = "return 'mine'", ["lib/tusk/plugins/repository/init.lua"] = "return 'mine'",
      ["main.lua"] = "print(type(require 'tusk.plugins.repository'))" }
    assert.equal("table\n", r.stdout, r.stderr)
  end)

  it("of one that there is not says where it was looked for", function()
    local _, err = @try(require, "tusk.plugins.nothing")
    assert.matches("module 'tusk.plugins.nothing' not found:.*no file '/[^\n]*/nothing/nothing.lua'\n\tno file '/[^\n]*/nothing/init.lua'", err.message)
  end)

  it("cannot leave the folder", function()
    for _, name in ipairs { "tusk.plugins...secret", "tusk.plugins./etc/passwd", "tusk.plugins." } do
      local _, err = @try(require, name)
      assert.matches("not found", err.message, 1, true)
    end
  end)
end)

describe("a mistake in a call of a shipped plugin", function()
  it("is placed at the caller's line, under the name he has called", function()
    local r = run { ["tusk.lua"] = LISTED, ["main.lua"] = TABLE .. "\n\n  @repository.users.find(nil)" }
    assert.equal(1, r.status)
    assert.matches("@repository.users.find: find(id): a key expected", r.stderr, 1, true)
    assert.matches("main.lua:3:3", r.stderr, 1, true)
  end)

  it("is so when an operator that the plugin uses finds it", function()
    local r = run { ["tusk.lua"] = LISTED, ["main.lua"] = TABLE .. "\n\n  @repository.users.create { nmae = 'Ann' }" }
    assert.matches('table "users" has no column "nmae"', r.stderr, 1, true)
    assert.matches('did you mean "name"', r.stderr, 1, true)
    assert.matches("main.lua:3:3", r.stderr, 1, true)
  end)
end)

describe("a task that a shipped plugin has of its own", function()
  local function compiled(text) return assert(load(text, "=[tusk.plugins.example]")) end

  it("is told of by the place in the plugin, since nobody called it", function()
    local task = @async(compiled "\n  @sleep '1h'")
    local place
    for _, t in ipairs(require("tusk").ps()) do
      if t.op == "sleep" then place = t.site end
    end
    task:cancel()
    assert.same({ "[tusk.plugins.example]", 2, 3 }, { place.file, place.line, place.column })
  end)

  it("is reached by TERM while it computes, like anybody's", function()
    local code = "print('on') io.stdout:flush() load('while true do end', '=[tusk.plugins.example]')()"
    local r = program.start({ "-e", code }, {}, function(p)
      p:read_until "on"
      p:signal "sigterm"
      return p:wait()
    end)
    assert.equal(143, r.status, r.stderr)
  end)

  it("fails there, unless it was called from somewhere", function()
    local _, err = @try(function() return @async(compiled "@file.read '/nowhere'"):await() end)
    assert.same({ "[tusk.plugins.example]", "file.read" }, { err.site.file, err.op })
    _, err = @try(compiled "@file.read '/nowhere'")
    assert.same({ "spec/lua/shipped_spec.lua", "try" }, { err.site.file, err.op })
  end)
end)

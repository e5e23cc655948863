-- Plugins in a script directory: found, set up, running, ended.
local app = require "spec.support.app"
local program = require "spec.support.program"

local function plugin(name, fields)
  return ("return { name = %q, %s }"):format(name, fields or "")
end

-- A plugin that prints what becomes of it.
local function teller(name, fields)
  return plugin(name, ("setup = function() print('%s up') end, teardown = function() print('%s down') end, %s")
    :format(name, name, fields or ""))
end

-- Runs the directory until it says `sign`, then sends TERM.
local function stopped(files, sign, fn)
  local result
  app.with(files, function(dir)
    result = program.start({ "run", dir, "--shutdown-timeout", "5s" }, {}, function(p)
      p:read_until(sign)
      if fn then fn(p) end
      p:signal("sigterm")
      return p:wait()
    end)
  end)
  return result
end

describe("a plugin", function()
  it("is a file, or a folder with init.lua, and nothing else is one", function()
    local r = app.run {
      ["plugins/a.lua"] = teller "a", ["plugins/b/init.lua"] = teller "b",
      ["plugins/c/other.lua"] = teller "c", ["plugins/notes.txt"] = "no plugin" }
    assert.are.equal(0, r.status, r.stderr)
    assert.are.equal("a up\nb up\nb down\na down\n", r.stdout)
  end)

  it("may be a function alone: its setup, named like its file", function()
    local r = app.run { ["plugins/greet.lua"] = "return function(ctx) print(ctx.name) end" }
    assert.are.equal(0, r.status, r.stderr)
    assert.are.equal("greet\n", r.stdout)
  end)

  it("knows its name, its folder and the script directory", function()
    local r = app.run {
      ["plugins/a.lua"] = "return function(ctx) print(ctx.name, ctx.dir, ctx.root == ctx.dir:match('^(.*)/plugins')) end",
      ["plugins/b/init.lua"] = "return function(ctx) print(ctx.name, ctx.dir, ctx.dir:find(ctx.root, 1, true)) end" }
    assert.are.equal("a\tplugins\ttrue\nb\tplugins/b\t1\t", (r.stdout:gsub("\t/.-/plugins", "\tplugins"):match("^(.*\t)%d+\n$")))
  end)

  it("may wait in its body, its setup and its teardown", function()
    local r = app.run {
      ["plugins/a.lua"] = [[
        @sleep(0.001)
        return { name = "a", setup = function() @sleep(0.001) print("up") end,
          teardown = function() @sleep(0.001) print("down") end }]],
      ["main.lua"] = "print('main')" }
    assert.are.equal("up\nmain\ndown\n", r.stdout, r.stderr)
  end)

  it("has the configured database and cache in its body too", function()
    app.with({
      ["plugins/a.lua"] = [[
        @db.exec "create table t (n)"
        @cache.set("a", 1)
        return { name = "a", config = { must = { type = "string", default = "x" } } }]],
      ["tusk.lua"] = "return { db = { url = env('FILE') }, plugins = { a = { must = 'y' } } }",
      ["main.lua"] = "print(@db.value 'select count(*) from t', @cache.get 'a')" }, function(dir)
      local r = program.run({ "run", dir }, { env = { FILE = dir .. "/here.db" } })
      assert.are.equal("0\t1\n", r.stdout, r.stderr)
      assert.is_true(@file.exists(dir .. "/here.db"))
    end)
  end)

  it("finds modules in lib and beside main.lua", function()
    local r = app.run {
      ["plugins/a.lua"] = "return function() print(require('one').n + require('two').n + require('three').n) end",
      ["lib/one.lua"] = "return { n = 1 }", ["lib/two/init.lua"] = "return { n = 2 }", ["three.lua"] = "return { n = 3 }" }
    assert.are.equal("6\n", r.stdout, r.stderr)
  end)

  it("has its operators known to main and to those who require it", function()
    local r = app.run {
      ["plugins/a.lua"] = [[return { name = "a", requires = { "@users" }, setup = function() print(@users.find(1)) end }]],
      ["plugins/z.lua"] = [[return { name = "z", operators = { users = { find = function(id) return "user " .. id end } } }]],
      ["main.lua"] = "print(@users.find(2))" }
    assert.are.equal("user 1\nuser 2\n", r.stdout, r.stderr)
  end)

  it("may provide a function as an operator", function()
    local r = app.run {
      ["plugins/a.lua"] = plugin("a", "operators = { greet = function(name) return 'hello ' .. name end }"),
      ["main.lua"] = "print(@greet('you'))" }
    assert.are.equal("hello you\n", r.stdout, r.stderr)
  end)

  it("is told of a misspelt function of its operator, at the caller's place", function()
    local r = app.run {
      ["plugins/a.lua"] = plugin("a", "operators = { users = { find = print } }"),
      ["main.lua"] = "\n  @users.fnid(2)" }
    assert.are.equal(1, r.status)
    assert.matches('@users: no function "fnid" (did you mean "find"?)', r.stderr, 1, true)
    assert.matches("main.lua:2:3", r.stderr, 1, true)
  end)
end)

describe("plugins", function()
  local BROKEN = {
    { "one that nobody provides", { ["plugins/a.lua"] = plugin("a", "requires = { 'b' }") }, "a requires b" },
    { "a circle", { ["plugins/a.lua"] = plugin("a", "requires = { 'b' }"),
      ["plugins/b.lua"] = plugin("b", "requires = { 'a' }") }, "in a circle: a → b → a" },
    { "two providers", { ["plugins/a.lua"] = plugin("a", "operators = { x = {} }"),
      ["plugins/b.lua"] = plugin("b", "operators = { x = {} }") }, "@x has two providers" },
    { "an operator of the host's", { ["plugins/a.lua"] = plugin("a", "operators = { db = {} }") }, "cannot be replaced" },
    { "an unknown field", { ["plugins/a.lua"] = plugin("a", "setpu = 1") }, 'did you mean "setup"' },
    { "a file that returns nothing", { ["plugins/a.lua"] = "local x = 1" }, "must return a table" },
    { "a syntax error", { ["plugins/a.lua"] = "return {" }, "plugins/a.lua:1" },
    { "a body that fails", { ["plugins/a.lua"] = "error('no luck')" }, "no luck" },
    { "a body that uses an unknown operator", { ["plugins/a.lua"] = "@nothing()" }, "no operator @nothing" },
  }
  for _, case in ipairs(BROKEN) do
    it("with " .. case[1] .. " end with status 3 before anything is set up", function()
      local files = { ["plugins/c.lua"] = teller "c", ["main.lua"] = "print('main')" }
      for name, text in pairs(case[2]) do files[name] = text end
      local r = app.run(files)
      assert.are.equal(3, r.status, r.stderr)
      assert.are.equal("", r.stdout)
      assert.matches(case[3], r.stderr, 1, true)
    end)
  end

  it("are set up before those that require them, and torn down after", function()
    local r = app.run {
      ["plugins/a.lua"] = teller("a", "requires = { 'b' }"), ["plugins/b.lua"] = teller("b", "requires = { '@c' }"),
      ["plugins/c.lua"] = teller("c", "operators = { c = {} }"), ["main.lua"] = "print('main')" }
    assert.are.equal("c up\nb up\na up\nmain\na down\nb down\nc down\n", r.stdout, r.stderr)
  end)

  it("that do not need each other are set up side by side", function()
    local meet = "return function() %s = true while not %s do @sleep(0.001) end print('met') end"
    local r = app.run {
      ["plugins/a.lua"] = meet:format("HERE", "THERE"), ["plugins/b.lua"] = meet:format("THERE", "HERE") }
    assert.are.equal("met\nmet\n", r.stdout, r.stderr)
    assert.are.equal(0, r.status)
  end)

  it("end with status 3 when a setup fails: its error, no main, the others torn down in reverse", function()
    local r = app.run {
      ["plugins/a.lua"] = teller "a", ["plugins/b.lua"] = teller("b", "requires = { 'a' }"),
      ["plugins/c.lua"] = plugin("c", [[requires = { 'b' },
        setup = function() @file.read("/nowhere") end, teardown = function() print("c down") end]]),
      ["plugins/d.lua"] = teller("d", "requires = { 'c' }"), ["main.lua"] = "print('main')" }
    assert.are.equal(3, r.status)
    assert.are.equal("a up\nb up\nb down\na down\n", r.stdout)
    assert.matches("error[file.not_found]: @file.read:", r.stderr, 1, true)
    assert.matches("plugins/c.lua:2", r.stderr, 1, true)
    assert.is_nil(r.stderr:find("d was not started", 1, true))
  end)

  it("do not wait for a slow setup once another has failed", function()
    local r = app.run {
      ["plugins/a.lua"] = "return function() @sleep('1h') end",
      ["plugins/b.lua"] = "return function() @sleep(0.001) error('no luck') end" }
    assert.are.equal(3, r.status)
    assert.matches("no luck", r.stderr, 1, true)
    assert.is_nil(r.stderr:find("not ended", 1, true))
  end)

  it("that both fail are both told of", function()
    local r = app.run {
      ["plugins/a.lua"] = "return function() error('first') end", ["plugins/b.lua"] = "return function() error('second') end" }
    assert.are.equal(3, r.status)
    assert.matches("first", r.stderr, 1, true)
    assert.matches("second", r.stderr, 1, true)
  end)

  it("whose teardown fails are told of; the others are torn down, the status is 1", function()
    local r = app.run {
      ["plugins/a.lua"] = teller "a", ["plugins/b.lua"] = plugin("b", "teardown = function() error('no luck') end"),
      ["plugins/c.lua"] = teller "c" }
    assert.are.equal(1, r.status)
    assert.are.equal("a up\nc up\nc down\na down\n", r.stdout)
    assert.matches("no luck", r.stderr, 1, true)
  end)

  it("are torn down when main fails", function()
    local r = app.run { ["plugins/a.lua"] = teller "a", ["main.lua"] = "error('no luck')" }
    assert.are.equal(1, r.status)
    assert.are.equal("a up\na down\n", r.stdout)
    assert.matches("main.lua:1", r.stderr, 1, true)
  end)

  it("may still use each other's operators in their teardown", function()
    local r = app.run {
      ["plugins/a.lua"] = plugin("a", "operators = { say = function(x) print('say ' .. x) end }"),
      ["plugins/b.lua"] = plugin("b", "requires = { '@say' }, teardown = function() @say('goodbye') end") }
    assert.are.equal("say goodbye\n", r.stdout, r.stderr)
  end)
end)

describe("a plugin's tasks", function()
  it("end with main, even if they would never end", function()
    local r = app.run {
      ["plugins/a.lua"] = [[return function(ctx)
        @spawn(function()
          ctx.scope:defer(function() print("ended") end)
          @sleep("1h")
        end)
      end]],
      ["main.lua"] = "print('main')" }
    assert.are.equal(0, r.status, r.stderr)
    assert.are.equal("main\nended\n", r.stdout)
  end)

  it("that fail are told of, others go on, the status is 1", function()
    local r = app.run {
      ["plugins/a.lua"] = [[return function() @spawn(function() @sleep(0.001) error("no luck") end) end]],
      ["main.lua"] = "@sleep(0.05) print('main')" }
    assert.are.equal(1, r.status)
    assert.are.equal("main\n", r.stdout)
    assert.matches("no luck", r.stderr, 1, true)
  end)

  it("end before its teardown", function()
    local r = app.run {
      ["plugins/a.lua"] = [[return { name = "a",
        setup = function() @spawn(function() pcall(@sleep, "1h") print("task ends") end) end,
        teardown = function() print("down") end }]] }
    assert.are.equal("task ends\ndown\n", r.stdout, r.stderr)
  end)
end)

describe("services", function()
  local FOREVER = "services = { loop = function(ctx) print(ctx.name .. ' serves') @sleep('1h') end }"

  it("keep a directory alive without a main, and end on TERM with status 143", function()
    local r = stopped({ ["plugins/a.lua"] = plugin("a", FOREVER) }, "a serves")
    assert.are.equal(143, r.status)
    assert.is_nil(r.stderr:find("error", 1, true), r.stderr)
  end)

  it("keep it alive after main has ended", function()
    local r = stopped({ ["plugins/a.lua"] = teller("a", FOREVER), ["main.lua"] = "@sleep(0.001) print('main ends')" },
      "main ends")
    assert.are.equal(143, r.status)
    assert.matches("a down\n$", r.stdout)
  end)

  it("that end let it end", function()
    local r = app.run { ["plugins/a.lua"] = plugin("a", "services = { once = function() @sleep(0.001) print('done') end }") }
    assert.are.equal(0, r.status, r.stderr)
    assert.are.equal("done\n", r.stdout)
  end)

  it("that fail are run again when they say so, and given their context each time", function()
    local r = app.run { ["plugins/a.lua"] = plugin("a", [[services = { often = {
      backoff = { base = 0 }, max = 5,
      run = function(ctx)
        runs = (runs or 0) + 1
        print(ctx.name, runs)
        if runs < 3 then error("no luck") end
      end } }]]) }
    assert.are.equal(0, r.status, r.stderr)
    assert.are.equal("a\t1\na\t2\na\t3\n", r.stdout)
    assert.matches("service starts again", r.stderr, 1, true)
    assert.matches("a.often", r.stderr, 1, true)
  end)

  it("that fail too often are told of by name", function()
    local r = app.run { ["plugins/a.lua"] = plugin("a",
      "services = { bad = { backoff = { base = 0 }, max = 3, run = function() error('no luck') end } }") }
    assert.are.equal(1, r.status)
    assert.matches('task %d+ "a.bad"', r.stderr)
    assert.are.equal(2, select(2, r.stderr:gsub("service starts again", "")))
  end)

  it("that fail are told of by name, the others serve on", function()
    local r = stopped({
      ["plugins/a.lua"] = plugin("a", "services = { bad = function() error('no luck') end }"),
      ["plugins/b.lua"] = plugin("b", FOREVER) }, "b serves")
    assert.are.equal(143, r.status)
    assert.matches('task %d+ "a.bad"', r.stderr)
  end)
end)

describe("on.ready", function()
  local TELL = "on = { ready = function(ctx) print(ctx.name .. ' ready') end }"

  it("is told when all plugins are set up, before main runs", function()
    local r = app.run { ["plugins/a.lua"] = plugin("a", TELL), ["plugins/b.lua"] = teller("b", "requires = { 'a' }"),
      ["main.lua"] = "print('main')" }
    assert.are.equal("b up\na ready\nmain\nb down\n", r.stdout, r.stderr)
  end)

  it("is a task of the plugin's, that ends with it, and whose failure is told of", function()
    local r = app.run {
      ["plugins/a.lua"] = plugin("a", "on = { ready = function() @sleep(0) error('no luck') end }"),
      ["plugins/b.lua"] = plugin("b", "on = { ready = function() @sleep('1h') end }"), ["main.lua"] = "@sleep(0.01) print('main')" }
    assert.are.equal("main\n", r.stdout)
    assert.are.equal(1, r.status)
    assert.matches("no luck", r.stderr, 1, true)
    assert.matches('"a on.ready"', r.stderr, 1, true)
  end)

  it("is not told when a setup fails", function()
    local r = app.run { ["plugins/a.lua"] = plugin("a", TELL), ["plugins/b.lua"] = "return function() error('no luck') end" }
    assert.are.equal(3, r.status)
    assert.are.equal("", r.stdout)
  end)
end)

describe("the end of a directory", function()
  local LOOP = "services = { loop = function() @sleep('1h') end }"

  it("asks on.shutdown first, then ends tasks, then tears down; last started first", function()
    local hook = "on = { shutdown = function() print('%s asked') end },"
    local r = stopped({
      ["plugins/a.lua"] = teller("a", hook:format("a") .. LOOP),
      ["plugins/b.lua"] = teller("b", "requires = { 'a' }," .. hook:format("b")),
      ["main.lua"] = "print('main')" }, "main")
    assert.are.equal("a up\nb up\nmain\nb asked\nb down\na asked\na down\n", r.stdout, r.stderr)
  end)

  it("asks on.shutdown while the plugin's tasks still run, so that it can drain them", function()
    local r = stopped({ ["plugins/a.lua"] = [[
      local left, ask = 3, false
      return { name = "a",
        services = { loop = function() while left > 0 do @sleep(0.001) if ask then left = left - 1 end end end },
        on = { shutdown = function() ask = true while left > 0 do @sleep(0.001) end print("drained") end } }]],
      ["main.lua"] = "print('main')" }, "main")
    assert.are.equal("main\ndrained\n", r.stdout, r.stderr)
    assert.are.equal(143, r.status)
  end)

  -- A plugin whose queue is worked off by a task of its own, slowly; and itself, that is told to stop.
  local DRAINS = [[
    local left = 3
    return { name = "a", services = { work = function() while left > 0 do @sleep "1ms" left = left - 1 end end },
      on = { shutdown = function()
        if SIGNALS then kill() end
        for _ = 1, 1000 do if left > 0 then @sleep "1ms" end end
        print(left, "left")
      end } }]]
  local KILL = [[local ffi = require "ffi"
    ffi.cdef "int kill(int pid, int signal); int getpid(void);"
    function _G.kill() ffi.C.kill(ffi.C.getpid(), 15) end
    ]]

  it("lets it drain them when the signal comes while main computes", function()
    local r = app.run { ["plugins/a.lua"] = DRAINS, ["main.lua"] = KILL .. "kill() for i = 1, 1e9 do local x = i end" }
    assert.are.same({ 143, "0\tleft\n" }, { r.status, r.stdout }, r.stderr)
  end)

  it("lets it drain them when the signal comes then", function()
    local r = app.run { ["plugins/a.lua"] = DRAINS, ["main.lua"] = KILL .. "_G.SIGNALS = true error('main is over')" }
    assert.are.same({ 143, "0\tleft\n" }, { r.status, r.stdout }, r.stderr)
  end)

  it("goes on when on.shutdown fails", function()
    local r = stopped({
      ["plugins/a.lua"] = teller("a", "on = { shutdown = function() error('no luck') end }," .. LOOP),
      ["main.lua"] = "print('main')" }, "main")
    assert.are.equal(143, r.status)
    assert.matches("a down\n$", r.stdout)
    assert.matches("no luck", r.stderr, 1, true)
  end)

  it("cuts a setup short that is under way", function()
    local r = stopped({
      ["plugins/a.lua"] = teller "a",
      ["plugins/b.lua"] = plugin("b", [[requires = { "a" }, setup = function() print("b begins") @sleep("1h") end,
        teardown = function() print("b down") end]]) }, "b begins")
    assert.are.equal(143, r.status, r.stderr)
    assert.are.equal("a up\nb begins\na down\n", r.stdout)
    assert.is_nil(r.stderr:find("error", 1, true), r.stderr)
  end)

  it("names what does not end in time, and leaves it behind", function()
    local r
    app.with({ ["plugins/a.lua"] = plugin("stubborn", [[teardown = function() @sleep("1h") end]]),
      ["main.lua"] = "print('main') @sleep('1h')" }, function(dir)
      r = program.start({ "run", dir, "--shutdown-timeout", "100ms" }, {}, function(p)
        p:read_until("main")
        p:signal("sigterm")
        return p:wait()
      end)
    end)
    assert.are.equal(143, r.status)
    assert.matches('not ended within 0.1s: .*"plugin stubborn"', r.stderr)
  end)

  it("is a deadline for on.shutdown, which leaves the others their time", function()
    local hook = "on = { shutdown = function() print('%s', @remaining() > 5 and @remaining() <= 9) end }"
    local r = app.run { ["plugins/a.lua"] = plugin("a", hook:format "a"),
      ["plugins/b.lua"] = plugin("b", "requires = { 'a' }," .. hook:format "b"), ["main.lua"] = "" }
    assert.are.same({ 0, "b\ttrue\na\ttrue\n" }, { r.status, r.stdout }, r.stderr)
  end)

  it("cuts an on.shutdown short that would not end, and says so", function()
    local r = app.run({ ["plugins/a.lua"] = plugin("a", "on = { shutdown = function() @sleep('1h') end }"), ["main.lua"] = "" },
      { "--shutdown-timeout", "100ms" })
    assert.are.equal(1, r.status, r.stderr)
    assert.matches("timed out after", r.stderr, 1, true)
  end)

  it("comes at once with a second signal", function()
    local r
    app.with({ ["plugins/a.lua"] = plugin("a", [[teardown = function() print("slow") @sleep("1h") end]]),
      ["main.lua"] = "print('main') @sleep('1h')" }, function(dir)
      r = program.start({ "run", dir }, {}, function(p)
        p:read_until("main")
        p:signal("sigterm")
        p:read_until("slow")
        p:signal("sigint")
        return p:wait()
      end)
    end)
    assert.are.equal(130, r.status)
  end)

  it("is 124 when --timeout has passed, and plugins are torn down", function()
    local r = app.run({ ["plugins/a.lua"] = teller "a", ["main.lua"] = "@sleep('1h')" }, { "--timeout", "50ms" })
    assert.are.equal(124, r.status)
    assert.are.equal("a up\na down\n", r.stdout)
  end)

  it("is 124 too when something would not end then", function()
    local r = app.run({ ["plugins/a.lua"] = plugin("stubborn", [[teardown = function() @sleep("1h") end]]),
      ["main.lua"] = "@sleep('1h')" }, { "--timeout", "50ms", "--shutdown-timeout", "100ms" })
    assert.are.equal(124, r.status)
    assert.matches("not ended within 0.1s", r.stderr)
  end)
end)

describe("an operator of a plugin that is not set up yet", function()
  it("is told whose it is, and how to wait for it", function()
    local r = app.run({ ["plugins/a.lua"] = "return function() @late() end",
      ["plugins/b.lua"] = [[return { name = "b", operators = { late = print }, setup = function() @sleep("10ms") end }]] })
    assert.are.equal(3, r.status)
    assert.truthy(r.stderr:find('the plugin "b", which provides @late, is not set up at this moment', 1, true), r.stderr)
    assert.truthy(r.stderr:find('requires = { "@late" }', 1, true), r.stderr)
  end)
end)

describe("the cache", function()
  it("takes its url from the configuration, and refuses one it cannot be kept at", function()
    local function run(url)
      return app.run({ ["tusk.lua"] = ("return { cache = { url = %q } }"):format(url),
        ["main.lua"] = [[@cache.set("k", 1) print(@cache.get("k"))]] })
    end
    assert.are.equal("1\n", run("memory:").stdout)
    local r = run("memcached://127.0.0.1")
    assert.are.equal(1, r.status)
    assert.truthy(r.stderr:find('cache.url: "memcached://127.0.0.1" is no cache; write "memory:" or "redis://host:port/db"', 1, true), r.stderr)
  end)
end)

describe("a main.lua that is run as a script", function()
  it("is told how its plugins are loaded", function()
    app.with({ ["plugins/a.lua"] = [[return { name = "a", operators = { paint = print } }]], ["main.lua"] = "@paint(1)" }, function(dir)
      for _, args in ipairs { { dir .. "/main.lua" }, { "run", dir .. "/main.lua" } } do
        local r = program.run(args)
        assert.are.equal(1, r.status)
        assert.truthy(r.stderr:find("plugins are loaded with their directory: tusk run " .. dir, 1, true), r.stderr)
      end
    end)
  end)
end)

describe("the default database", function()
  it("is opened with the options that stand beside its url", function()
    local r = app.run({ ["tusk.lua"] = [[return { db = { url = ":memory:", synchronous = "full", busy_timeout = "2s",
      cache_size = "1MiB", readers = 1 } }]], ["main.lua"] = [[print(@db.value("pragma synchronous"), @db.value("pragma cache_size"))]] })
    assert.are.equal(0, r.status, r.stderr)
    assert.are.equal("2\t-1024\n", r.stdout)
  end)
end)

describe("the specs of a directory", function()
  it("have its plugins, in the environment test, with a database in memory", function()
    app.with({
      ["tusk.lua"] = "return { environments = { test = { plugins = { a = { n = 7 } } } } }",
      ["main.lua"] = "error('not run')",
      ["plugins/a.lua"] = [[
        local n
        return { name = "a", config = { n = { type = "integer" } }, setup = function(_, cfg) n = cfg.n end,
          operators = { n = function() return n end }, teardown = function() print("down") end }]],
      ["spec/a_spec.lua"] = [[
        it("is configured", function() assert.are.equal(7, @n()) end)
        it("has a database", function() @db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY)") @db.t.insert{} end)]],
    }, function(dir)
      for _, path in ipairs { "", "/spec", "/spec/a_spec.lua" } do
        local r = program.run { "test", dir .. path }
        assert.are.equal(0, r.status, r.stdout .. r.stderr)
        assert.matches("2 passed, 0 failed, 0 skipped\ndown\n$", r.stdout)
      end
      assert.is_false(@file.exists(dir .. "/data"))
      for _, flags in ipairs { {}, { "--filter=data" }, { "-o", "TAP" }, { "--filter", "data", "spec" } } do
        local r = program.run({ "test", unpack(flags) }, { cwd = dir })
        assert.are.equal(0, r.status, r.stdout .. r.stderr)
        assert.matches("down\n$", r.stdout)
      end
    end)
  end)

  it("have its plugins where there are only plugins and specs", function()
    app.with({ ["plugins/a.lua"] = [[return { name = "a", operators = { one = function() return 1 end } }]],
      ["spec/a_spec.lua"] = [[it("works", function() assert.are.equal(1, @one()) end)]] }, function(dir)
      local r = program.run { "test", dir }
      assert.are.equal(0, r.status, r.stdout .. r.stderr)
    end)
  end)

  it("are not run when a plugin cannot be set up", function()
    app.with({ ["main.lua"] = "", ["plugins/a.lua"] = "return function() error('no luck') end",
      ["spec/a_spec.lua"] = "print('here')" }, function(dir)
      local r = program.run { "test", dir .. "/spec" }
      assert.are.equal(3, r.status)
      assert.are.equal("", r.stdout)
      assert.matches("no luck", r.stderr, 1, true)
    end)
  end)
end)

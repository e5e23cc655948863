-- One configuration out of defaults, tusk.lua, its environments, variables and --set.
local app = require "spec.support.app"
local config = require "tusk.config"
local program = require "spec.support.program"
local schema = require "tusk.schema"
local temp = require "spec.support.temp"

-- One field's value as its plugin gets it, or nil and what is wrong.
local function read(field, value, text)
  local problems = {}
  local values = schema.read({ f = field }, { f = { value = value, source = "here", text = text } }, "s", problems)
  return values.f, problems[1]
end

describe("a field", function()
  it("takes values of its type as they are", function()
    assert.are.equal("x", read({ type = "string" }, "x"))
    assert.are.equal(1.5, read({ type = "number" }, 1.5))
    assert.are.equal(3, read({ type = "integer" }, 3))
    assert.is_false(read({ type = "boolean" }, false))
    assert.are.same({ "a", "b" }, read({ type = "list" }, { "a", "b" }))
    assert.are.same({ a = 1 }, read({ type = "table" }, { a = 1 }))
  end)

  it("takes durations and sizes, as seconds and bytes", function()
    assert.are.equal(0.25, read({ type = "duration" }, "250ms"))
    assert.are.equal(5400, read({ type = "duration" }, "1h30m"))
    assert.are.equal(2, read({ type = "duration" }, 2))
    assert.are.equal(65536, read({ type = "size" }, "64KiB"))
    assert.are.equal(10, read({ type = "size" }, 10))
  end)

  it("refuses what is of another type, and says where it came from", function()
    local wrong = { string = 1, number = "x", integer = 1.5, boolean = "yes", duration = "5 minutes", size = "many",
      list = { a = 1 }, table = "x" }
    for kind, value in pairs(wrong) do
      local got, problem = read({ type = kind }, value)
      assert.is_nil(got)
      assert.matches("^s.f: " .. kind .. " expected, got .+ %(here%)$", problem)
    end
  end)

  it("refuses a number that is none", function()
    assert.matches("number expected", (select(2, read({ type = "number" }, 0 / 0))))
    assert.matches("integer expected", (select(2, read({ type = "integer" }, math.huge))))
  end)

  it("reads text from outside by its type", function()
    assert.are.equal(42, read({ type = "integer" }, "42", true))
    assert.are.equal("42", read({ type = "string" }, "42", true))
    assert.is_true(read({ type = "boolean" }, "true", true))
    assert.is_false(read({ type = "boolean" }, "0", true))
    assert.are.equal(30, read({ type = "duration" }, "30s", true))
    assert.are.equal(30, read({ type = "duration" }, "30", true))
    assert.are.equal(1024, read({ type = "size" }, "1KiB", true))
    assert.are.same({ "a", "b c" }, read({ type = "list" }, "a, b c", true))
  end)

  it("refuses text that its type cannot be", function()
    assert.matches('integer expected, got "ten"', (select(2, read({ type = "integer" }, "ten", true))))
    assert.matches('boolean expected, got "maybe"', (select(2, read({ type = "boolean" }, "maybe", true))))
    assert.matches("table expected", (select(2, read({ type = "table" }, "{}", true))))
  end)

  it("has one of its choices", function()
    local field = { type = "string", choices = { "red", "green" } }
    assert.are.equal("red", read(field, "red"))
    assert.are.equal('s.f: "blue" is not one of red, green (here)', select(2, read(field, "blue")))
  end)

  it("never shows a secret", function()
    local _, problem = read({ type = "integer", secret = true }, "hunter2")
    assert.are.equal("s.f: integer expected, got *** (here)", problem)
  end)
end)

-- What came of layers: values and problems of section "db" or any other.
local function resolve(file, opts, fields)
  opts = opts or {}
  opts.path = opts.path or "tusk.lua"
  local tree, problems = config.layers(file, opts, fields)
  return config.resolve(tree, problems, fields)
end

local FIELDS = { app = { n = { type = "integer", default = 1 } } }

describe("a section", function()
  it("has its defaults, and false is one", function()
    local values, sources = resolve({}, {}, { a = { t = { type = "duration", default = "1m" }, b = { type = "boolean", default = false } } })
    assert.are.same({ t = 60, b = false }, values.a)
    assert.are.same({ t = "default", b = "default" }, sources.a)
  end)

  it("is told every mistake at once", function()
    local _, err = @try(resolve, { app = { n = "x", m = 1 }, ap = {} }, { set = { "nonsense" } },
      { app = { n = { type = "integer" }, url = { type = "string", required = true, doc = "where it is" } } })
    assert.are.equal("config", err.kind)
    assert.are.equal("5 mistakes in the configuration", err.message)
    assert.are.same({
      "--set nonsense: write --set KEY=VALUE",
      'ap: there is no such section (did you mean "app"?)',
      "app.m: there is no such setting (tusk.lua)",
      'app.n: integer expected, got "x" (tusk.lua)',
      "app.url: is required (tusk.lua, TUSK_APP__URL or --set) – where it is",
    }, err.help)
  end)

  it("that nobody knows may be one of tusk.lua's own, misspelt", function()
    local _, err = @try(resolve, { plugin = {} }, {}, {})
    assert.are.equal('plugin: there is no such section (did you mean "plugins"?)', err.message)
  end)

  it("that is no table is a mistake, not a crash", function()
    for _, file in ipairs { { app = 1 }, { plugins = true }, { plugins = { users = "x" } }, { environments = "x" },
      { environments = { test = 1 } } } do
      local _, err = @try(resolve, file, { environment = "test" }, FIELDS)
      assert.are.equal("config", err.kind)
      assert.matches("table", err.message)
    end
  end)
end)

describe("a value", function()
  local file = { app = { n = 2 }, environments = { production = { app = { n = 3 } } } }

  it("is the one of tusk.lua before the default", function()
    local values, sources = resolve(file, {}, FIELDS)
    assert.are.equal(2, values.app.n)
    assert.are.equal("tusk.lua", sources.app.n)
  end)

  it("is the one of the environment before that", function()
    local values, sources = resolve(file, { environment = "production" }, FIELDS)
    assert.are.equal(3, values.app.n)
    assert.are.equal("tusk.lua (production)", sources.app.n)
  end)

  it("is the one of the variable before that", function()
    local values, sources = resolve(file, { environment = "production", variables = { TUSK_APP__N = "4" } }, FIELDS)
    assert.are.equal(4, values.app.n)
    assert.are.equal("TUSK_APP__N", sources.app.n)
  end)

  it("is the one of --set before all, and the last --set", function()
    local values, sources = resolve(file,
      { environment = "production", variables = { TUSK_APP__N = "4" }, set = { "app.n=5", "app.n=6" } }, FIELDS)
    assert.are.equal(6, values.app.n)
    assert.are.equal("--set", sources.app.n)
  end)

  it("of a plugin is reached the same way", function()
    local fields = { ["plugins.api_client"] = { base = { type = "string" }, tries = { type = "integer" } } }
    local values = resolve({ plugins = { api_client = { base = "a" } } },
      { variables = { TUSK_PLUGINS__API_CLIENT__TRIES = "3" }, set = { "plugins.api_client.base=b=c" } }, fields)
    assert.are.same({ base = "b=c", tries = 3 }, values["plugins.api_client"])
  end)

  it("set by a variable reaches names with capitals and dashes", function()
    local fields = { ["plugins.my-api"] = { baseUrl = { type = "string" } } }
    local values = resolve({}, { variables = { TUSK_PLUGINS__MY_API__BASEURL = "x" } }, fields)
    assert.are.equal("x", values["plugins.my-api"].baseUrl)
  end)

  it("in no section of the variables' form is left alone", function()
    assert.are.equal(1, resolve({}, { variables = { TUSK_ENV = "test", TUSK_STRESS = "1" } }, FIELDS).app.n)
  end)
end)

describe("tusk.lua", function()
  local function load(text)
    local result, err
    temp.dir(function(dir)
      result, err = @try(config.read_file, temp.write(dir .. "/tusk.lua", text))
    end)
    return result, err
  end

  it("need not be there", function()
    assert.are.same({}, config.read_file("/nowhere/tusk.lua"))
  end)

  it("returns a table that it may compute", function()
    assert.are.same({ db = { url = "a-b" } }, load 'return { db = { url = ("%s-%s"):format("a", "b") } }')
    assert.are.same({ n = 3 }, load "local t = {} for i = 1, 3 do table.insert(t, i) end return { n = #t }")
  end)

  it("reads the environment, with a default", function()
    assert.are.same({ a = os.getenv "PATH", b = "d" },
      load 'return { a = env("PATH"), b = env("TUSK_SPEC_UNSET", "d") }')
  end)

  it("has neither files nor programs nor modules nor the host", function()
    for _, name in ipairs { "os", "io", "require", "dofile", "load", "loadstring", "debug", "package", "ffi", "_G",
      "setmetatable", "getfenv", "print", "error", "pcall", "coroutine" } do
      local result = load(("return { there = %s ~= nil }"):format(name))
      assert.is_false(result.there, name)
    end
  end)

  it("has no method of strings that could take gigabytes", function()
    for _, name in ipairs { "rep", "dump", "gsub", "find" } do
      assert.is_false(load(("return { there = (''). %s ~= nil }"):format(name)).there, name)
      assert.is_function((""):upper()[name])
    end
  end)

  it("cannot use operators", function()
    local _, err = load "return {\n  x = @file.read('/etc/passwd') }"
    assert.are.equal("config", err.kind)
    assert.matches("configuration cannot use operators", err.message)
    assert.are.equal(2, err.site.line)
  end)

  it("that never ends is stopped", function()
    for _, text in ipairs { "while true do end", "local function f() return f() end return f()",
      "for i = 1, 1e12 do end return {}", "local t = {} for i = 1, 1e12 do t[i] = i end" } do
      local _, err = load(text)
      assert.are.equal("config", err.kind, text)
      assert.matches("takes too long", err.message)
    end
  end)

  it("that takes too much memory is stopped", function()
    local _, err = load "local s = 'x' while true do s = s .. s end"
    assert.are.equal("config", err.kind)
    assert.matches("takes too much memory", err.message)
  end)

  it("that cannot be read is told, not passed over", function()
    temp.dir(function(dir)
      @file.mkdir(dir .. "/tusk.lua")
      local _, err = @try(config.read_file, dir .. "/tusk.lua")
      assert.are.equal("config", err.kind)
      assert.matches("cannot read .*/tusk.lua", err.message)
    end)
  end)

  it("must return a table", function()
    local _, err = load "return 7"
    assert.matches("tusk.lua must return a table$", err.message)
  end)

  it("with a syntax error is told with its place", function()
    local _, err = load "return {\n  db = \n}"
    assert.are.equal("config", err.kind)
    assert.matches("tusk.lua:3:", err.message)
  end)

  it("that fails is told with its place", function()
    local _, err = load "local x = nil\nreturn { a = x.y }"
    assert.are.equal("config", err.kind)
    assert.matches("tusk.lua:2: attempt to index", err.message)
  end)
end)

describe("a directory's configuration", function()
  local PRINT = {
    ["plugins/p.lua"] = [[return { name = "p", config = { n = { type = "integer", default = 1 } },
      setup = function(_, cfg) print(cfg.n) end }]],
  }

  local function run(files, args, opts)
    for name, text in pairs(PRINT) do files[name] = files[name] or text end
    return app.run(files, args, opts)
  end

  it("reaches the plugin, with each layer before the last", function()
    local tusk = "return { plugins = { p = { n = 2 } }, environments = { production = { plugins = { p = { n = 3 } } } } }"
    local variable = { env = { TUSK_PLUGINS__P__N = "4" } }
    assert.are.equal("1\n", run({}).stdout)
    assert.are.equal("2\n", run({ ["tusk.lua"] = tusk }).stdout)
    assert.are.equal("3\n", run({ ["tusk.lua"] = tusk }, { "--env", "production" }).stdout)
    assert.are.equal("4\n", run({ ["tusk.lua"] = tusk }, { "--env", "production" }, variable).stdout)
    assert.are.equal("5\n", run({ ["tusk.lua"] = tusk }, { "--set", "plugins.p.n=5" }, variable).stdout)
  end)

  it("takes the environment's name from TUSK_ENV, and from --env before it", function()
    local files = { ["tusk.lua"] = "return { environments = { a = { plugins = { p = { n = 7 } } } } }" }
    assert.are.equal("7\n", run(files, {}, { env = { TUSK_ENV = "a" } }).stdout)
    assert.are.equal("1\n", run(files, { "--env", "b" }, { env = { TUSK_ENV = "a" } }).stdout)
  end)

  it("with mistakes ends with status 3 and all of them, before any setup", function()
    local r = run({ ["tusk.lua"] = "return { plugins = { p = { n = 'x' }, q = {} }, db = { ulr = 'a' } }" })
    assert.are.equal(3, r.status)
    assert.are.equal("", r.stdout)
    assert.matches("3 mistakes in the configuration", r.stderr, 1, true)
    assert.matches('db.ulr: there is no such setting (did you mean "url"?) (tusk.lua)', r.stderr, 1, true)
    assert.matches('plugins.p.n: integer expected, got "x" (tusk.lua)', r.stderr, 1, true)
    assert.matches("plugins.q: there is no such plugin", r.stderr, 1, true)
  end)

  it("is shown by tusk check, with where it came from and no secret", function()
    app.with({
      ["plugins/p.lua"] = [[return { name = "p", config = { token = { type = "string", secret = true },
        headers = { type = "table" }, list = { type = "list" } } }]],
      ["tusk.lua"] = [[return { plugins = { p = { token = "hunter2", headers = { b = "hunter2", a = 1 }, list = { "hunter2" } } } }]],
    }, function(dir)
      local r = program.run { "check", dir, "--show-config", "--set", "log.level=warn" }
      assert.are.equal(0, r.status, r.stderr)
      assert.matches('log.level%s+"warn"%s+%-%-set\n', r.stdout)
      assert.matches("plugins.p.token%s+%*%*%*%s+" .. dir:gsub("%p", "%%%0") .. "/tusk.lua\n", r.stdout)
      assert.matches("plugins.p.headers%s+{ a, b }%s", r.stdout)
      assert.matches("plugins.p.list%s+{ 1 of them }%s", r.stdout)
      assert.is_nil(r.stdout:find("hunter2", 1, true))
    end)
  end)

  local SHOW = { ["main.lua"] = 'print(@env.get("A"), @env.get("B"), @env.get("C"))' }

  local function show(files, args, opts)
    for name, text in pairs(SHOW) do files[name] = text end
    return app.run(files, args, opts).stdout
  end

  it("reads .env, then .env.local, then .env of the environment; the process's own goes before", function()
    local files = { [".env"] = "A=1\nB=1\nC=1\n", [".env.local"] = "B=2\nC=2\n", [".env.production"] = "C=3\n" }
    assert.are.equal("1\t2\t2\n", show(files))
    assert.are.equal("1\t2\t3\n", show(files, { "--env", "production" }))
    assert.are.equal("mine\t2\t2\n", show(files, {}, { env = { A = "mine" } }))
  end)

  it("reads no .env.local in tests", function()
    assert.are.equal("1\t3\tnil\n", show({ [".env"] = "A=1\nB=1\n", [".env.local"] = "B=2\nC=2\n", [".env.test"] = "B=3\n" },
      { "--env", "test" }))
  end)

  it("takes TUSK_… variables and env() of tusk.lua from .env too", function()
    assert.are.equal("8\n", run({ [".env"] = "TUSK_PLUGINS__P__N=8\n" }).stdout)
    assert.are.equal("9\n", run({ [".env"] = "N=9\n",
      ["tusk.lua"] = "return { plugins = { p = { n = tonumber(env('N')) } } }" }).stdout)
  end)

  it("with a .env that cannot be read as one ends with status 3 and the line", function()
    local r = run({ [".env"] = "A=1\nnonsense\n" })
    assert.are.equal(3, r.status)
    assert.matches(".env:2: ", r.stderr, 1, true)
  end)
end)

-- The plugin in a script directory: its configuration, the types it brings, the end of the program.
local app = require "spec.support.app"
local program = require "spec.support.program"
local smtp = require "spec.support.smtp"
local temp = require "spec.support.temp"
local test = require "tusk.test"
local types = require "tusk.plugins.background_tasks.types"

-- A directory with the plugin, a nap as a task, and a main.lua.
local function files(config, main, more)
  local all = { ["tusk.lua"] = "return { plugins = { background_tasks = { " .. config .. " } } }", ["main.lua"] = main,
    ["lib/naps.lua"] = 'return { nap = function(job) @sleep(job.args) print("slept", job.args) end }' }
  for name, text in pairs(more or {}) do all[name] = text end
  return all
end

local NAP = 'types = { nap = { module = "naps" } }'

local function job(args)
  return { id = 1, name = "spec", args = args, attempt = 1 }
end

describe("background_tasks", function()
  it("is there when it is listed, and does what main enqueues before the program ends", function()
    local r = app.run(files(NAP, [[
      for i = 1, 3 do @tasks.enqueue("nap", i / 1000) end
      print("main", @tasks.stats().workers)]]))
    assert.equal(0, r.status, r.stderr)
    assert.equal("main\t4\nslept\t0.001\nslept\t0.002\nslept\t0.003\n", r.stdout)
  end)

  it("takes types from other plugins, and tells misuse at the caller's line", function()
    local r = app.run(files("", '\n  @tasks.enqueue("hi", "you"):await()\n  @tasks.enqueue("hy", "you")', {
      ["plugins/greeter.lua"] = [[return { name = "greeter", requires = { "@tasks" }, setup = function()
        @tasks.define("hi", { timeout = "1s" }, function(job) print("hi " .. job.args) end)
      end }]] }))
    assert.equal(1, r.status)
    assert.equal("hi you\n", r.stdout)
    assert.matches('there is no task "hy" (did you mean "hi"?)', r.stderr, 1, true)
    assert.matches("main.lua:3:3", r.stderr, 1, true)
  end)

  local WRONG = {
    { "workers = 0", "workers: at least 1 is needed" },
    { "worker = 1", 'did you mean "workers"' },
    { "types = { nap = { module = 'naps', call = 'snore' } }", 'module naps has no function "snore"' },
    { "types = { nap = { timeout = 1 } }", "say where its function is" },
    { "types = { send_mail = {} }", 'did you mean "send_email"?' },
    { "types = { nap = { module = 'nips' } }", "module 'nips' not found" },
  }
  for _, case in ipairs(WRONG) do
    it("refuses " .. case[1], function()
      local r = app.run(files(case[1], "print('main')"))
      assert.equal(3, r.status, r.stderr)
      assert.equal("", r.stdout)
      assert.matches(case[2], r.stderr, 1, true)
    end)
  end

  it("tells what the types that come with it lack", function()
    for name, case in pairs {
      process_data = { { from = "a", into = "b" }, "process_data: id: a key expected" },
      generate_report = { {}, "generate_report: report_id: a report expected, got nil" },
      send_email = { "Ann", "send_email: args: table expected" },
    } do
      local _, err = @try(types[name], { id = 1, name = name, args = case[1], attempt = 1 }, {}, @log, {})
      assert.same({ "argument", true }, { err.kind, err.message:find(case[2], 1, true) ~= nil })
    end
  end)

  it("loses nothing on TERM: tasks in line are done first", function()
    app.with(files(NAP .. ", workers = 1", 'for i = 1, 3 do @tasks.enqueue("nap", i / 100) end print("main") @sleep("1h")'), function(dir)
      local r = program.start({ "run", dir }, {}, function(p)
        p:read_until("main")
        p:signal("sigterm")
        return p:wait()
      end)
      assert.equal(143, r.status, r.stderr)
      assert.equal("main\nslept\t0.01\nslept\t0.02\nslept\t0.03\n", r.stdout)
    end)
  end)

  it("has tasks of another plugin done before that is torn down", function()
    app.with(files("workers = 1", 'for i = 1, 3 do @tasks.enqueue("own", i) end print("main") @sleep("1h")', {
      ["plugins/owner.lua"] = [[
        local open = true
        return { name = "owner", requires = { "@tasks" }, operators = { owner = { is_open = function() return open end } },
          setup = function(ctx)
            @tasks.define("own", { scope = ctx.scope }, function(job) @sleep(0.01) print(job.args, @owner.is_open()) end)
          end,
          teardown = function() open = false print("down") end }]] }), function(dir)
      local r = program.start({ "run", dir }, {}, function(p)
        p:read_until("main")
        p:signal("sigterm")
        return p:wait()
      end)
      assert.equal("main\n1\ttrue\n2\ttrue\n3\ttrue\ndown\n", r.stdout, r.stderr)
      assert.equal(143, r.status)
    end)
  end)

  it("names what it could not do in time, and the program's status is not 0", function()
    local r = app.run(files(NAP .. ", workers = 1, drain = '50ms'", [[
      for _ = 1, 2 do @tasks.enqueue("nap", 3600) end
      print("main") @yield()]]))
    assert.equal(1, r.status, r.stderr)
    assert.matches("2 tasks were not done: nap 1 (running), nap 2 (queued)", r.stderr, 1, true)
    assert.is_nil(r.stderr:find("not ended", 1, true))
  end)
end)

it("what was not done is named when the program has less time than tasks have", function()
  local r = app.run(files(NAP .. ", workers = 1", 'for _ = 1, 2 do @tasks.enqueue("nap", 3600) end @yield()'), { "--shutdown-timeout", "100ms" })
  assert.equal(1, r.status, r.stderr)
  assert.matches("2 tasks were not done: nap 1 (running), nap 2 (queued)", r.stderr, 1, true)
end)

describe("tasks that are kept", function()
  local KEEP = NAP .. ", workers = 1, drain = '50ms', keep = 'data/tasks.json'"

  local function run(dir, main, flags)
    temp.write(dir .. "/main.lua", main)
    return program.run { "run", dir, unpack(flags or {}) }
  end

  it("are done by the next run, and then forgotten", function()
    app.with(files(KEEP, ""), function(dir)
      local r = run(dir, '@tasks.enqueue("nap", 3600) @tasks.enqueue("nap", 0.001) @yield()')
      assert.equal(0, r.status, r.stderr)
      assert.matches("tasks are kept for the next run", r.stderr, 1, true)
      assert.same({ { task = "nap", args = 3600 }, { task = "nap", args = 0.001 } }, @file.read_json(dir .. "/data/tasks.json"))

      @file.write_json(dir .. "/data/tasks.json", { { task = "nap", args = 0.002 }, { task = "nap", args = 0.001 } })
      r = run(dir, "@sleep(0.001) @tasks.idle()")
      assert.equal("slept\t0.002\nslept\t0.001\n", r.stdout, r.stderr)
      assert.equal(0, r.status)
      assert.is_false(@file.exists(dir .. "/data/tasks.json"))
    end)
  end)

  it("wait for their type, and outlive runs without it", function()
    app.with(files(KEEP, "", { ["data/tasks.json"] = '[{"task":"later","args":7}]' }), function(dir)
      local before = run(dir, "print('main')")
      assert.equal(0, before.status)
      assert.matches("later (of an earlier run)", before.stderr, 1, true)
      assert.same({ { task = "later", args = 7 } }, @file.read_json(dir .. "/data/tasks.json"))
      local r = run(dir, '@tasks.define("later", function(job) print("later", job.args) end) @tasks.idle()')
      assert.equal("later\t7\n", r.stdout, r.stderr)
      assert.is_false(@file.exists(dir .. "/data/tasks.json"))
    end)
  end)

  it("have what they were given: nothing, or nothing in it", function()
    app.with(files(KEEP, "", { ["data/tasks.json"] = '[{"task":"show","args":null},{"task":"show","args":{"a":null}},{"task":"show"}]' }), function(dir)
      local r = run(dir, [[@tasks.define("show", function(job) print(job.args and tostring(job.args.a)) end) @tasks.idle()]])
      assert.equal("nil\nnull\nnil\n", r.stdout, r.stderr)
    end)
  end)

  it("are not taken from a file that is something else, which stays", function()
    for _, text in ipairs { "{", "[1]", '[{"task":5}]', '{"a":1}', '"x"', '[{"args":1}]' } do
      app.with(files(KEEP, "print('main')", { ["data/tasks.json"] = text }), function(dir)
        local r = program.run { "run", dir }
        assert.same({ 3, "" }, { r.status, r.stdout }, text)
        assert.matches("data/tasks.json is no file of tasks that were kept", r.stderr, 1, true)
        assert.equal(text, @file.read(dir .. "/data/tasks.json"))
      end)
    end
  end)

  it("are named when they cannot be written", function()
    app.with(files(NAP .. ", workers = 1, drain = '1ms', keep = 'main.lua/tasks.json'", '@tasks.enqueue("nap", 3600)'), function(dir)
      local r = program.run { "run", dir }
      assert.equal(1, r.status)
      assert.matches("1 tasks were not done: nap 1 %(.*%); they could not be kept either\n.*because .*main.lua", r.stderr)
    end)
  end)

  it("are kept once more when there was no room for all of them", function()
    local list = {}
    for i = 1, 6 do list[i] = { task = "nap", args = 3600 + i } end
    app.with(files(KEEP .. ", queue = 1", "@sleep(0.001)", { ["data/tasks.json"] = @json.encode(list) }), function(dir)
      local r = program.run { "run", dir }
      assert.equal(0, r.status, r.stderr)
      local again = @file.read_json(dir .. "/data/tasks.json")
      table.sort(again, function(a, b) return a.args < b.args end)
      assert.same(list, again)
    end)
  end)

  it("begin when all plugins are set up", function()
    local r = app.run(files(KEEP, "@sleep(0.02) @tasks.idle()", {
      ["data/tasks.json"] = '[{"task":"use","args":1}]',
      ["plugins/user.lua"] = [[return { name = "user", requires = { "@tasks" }, operators = { user = { name = function() return "Ann" end } },
        setup = function()
          @tasks.define("use", function() print(@user.name()) end)
          @sleep(0.01)
        end }]] }))
    assert.equal("Ann\n", r.stdout, r.stderr)
  end)
end)

describe("a task that sends an e-mail", function()
  it("hands its arguments to the mail server", function()
    smtp.with("plain", nil, function(server)
      app.with(files("", [[
        local sent = @tasks.enqueue("send_email", { to = "bob@example.com", subject = "Hello", text = "It is on its way." }):await()
        print(sent.accepted[1])]]), function(dir)
        local r = program.run { "run", dir, "--set", "email.url=" .. server.url, "--set", "email.from=shop@example.com" }
        assert.equal("bob@example.com\n", r.stdout, r.stderr)
        assert.equal("Hello", smtp.header(server:message(), "subject"))
      end)
    end)
  end)

  it("tries again when the server puts it off, and not when it refuses", function()
    local seen = {}
    local answers = { RCPT = function(connection, line)
      local first = not seen[line]
      seen[line] = true
      connection:write(line:find("never") and "550 no such user\r\n" or first and "451 not now\r\n" or "250 OK\r\n")
    end }
    smtp.saying(answers, function(server)
      app.with(files("types = { send_email = { retry = { attempts = 3, base = '1ms' } } }", [[
        local function send(to) return @tasks.enqueue("send_email", { to = to, subject = "Hello", text = "Hi." }) end
        local later, never = send("later@example.com"), send("never@example.com")
        print(later:await().accepted[1], later.attempt)
        print(select(2, @try(never.await, never)).kind, never.attempt)]]), function(dir)
        local r = program.run { "run", dir, "--set", "email.url=" .. server.url, "--set", "email.from=shop@example.com" }
        assert.equal("later@example.com\t2\nemail.rejected\t1\n", r.stdout, r.stderr)
      end)
    end)
  end)

  it("logs whom the server refused", function()
    local lines = {}
    local log = { warn = function(message, fields) lines[#lines + 1] = { message, fields.address, fields.code } end }
    test.fake("email", { send = function()
      return { id = "<1@spec>", accepted = { "a@example.com" }, rejected = { { address = "b@example.com", code = 550, message = "no" } } }
    end }, function()
      assert.equal("<1@spec>", types.send_email(job { to = "a@example.com" }, {}, log).id)
    end)
    assert.same({ { "not delivered", "b@example.com", 550 } }, lines)
  end)
end)

describe("a task that processes data", function()
  local TABLES = [[
    @db.exec "create table data (id integer primary key, content text); create table processed (id integer primary key, content text)"
    @db.data.insert { id = 7, content = "  x  \n\n y" }
    local function run(id, field)
      return @tasks.enqueue("process_data", { from = "data", id = id, into = "processed", field = field }):await()
    end
  ]]

  it("stores what the file processor makes of a column, once, however often it runs", function()
    local r = app.run {
      ["tusk.lua"] = "return { plugins = { background_tasks = {}, file_processor = {} } }",
      ["main.lua"] = TABLES .. [[
        for _ = 1, 2 do run(7, "content") end
        print(@db.processed.count(), @json.encode(@db.processed.find(7).content))]] }
    assert.equal('1\t"x\\ny"\n', r.stdout, r.stderr)
  end)

  it("hands the row to a processing of one's own", function()
    local r = app.run(files("processing = 'rows.shout'", TABLES .. "print(run(7).content)", {
      ["plugins/rows.lua"] = [[return { name = "rows", operators = { rows = {
        shout = function(row) return { id = row.id, content = row.content:upper():gsub("%s", "") } end } } }]] }))
    assert.equal("XY\n", r.stdout, r.stderr)
  end)

  it("fails when the row or the processor is not there", function()
    local r = app.run(files("", TABLES .. [[
      print(select(2, @try(run, 8)).kind)
      print(select(2, @try(run, 7)).message)]]))
    assert.equal('tasks.no_data\nthere is no operator @processor\n', r.stdout, r.stderr)
    assert.equal(0, r.status)
  end)
end)

describe("a task that makes a report", function()
  local REPORT = [[@reporter.define("sums", { title = "Sums of {year}", params = { year = 2030 }, query = "select 1 as n, :year as year" })]]

  local function run(main, flags)
    local result
    app.with({ ["tusk.lua"] = "return { plugins = { background_tasks = {}, reporter = {} } }", ["main.lua"] = REPORT .. main }, function(dir)
      result = program.run { "run", dir, unpack(flags or {}) }
    end)
    return result
  end

  it("has it in a file, and says which", function()
    local r = run [[
      local made = @tasks.enqueue("generate_report", { report_id = "sums", format = "csv", params = { year = 2031 } }):await()
      print(made.path:match("[^/]+$"), @file.read(made.path):find("2031", 1, true) ~= nil)]]
    assert.equal("sums.csv\ttrue\n", r.stdout, r.stderr)
  end)

  it("sends it by mail, if it is to", function()
    smtp.with("plain", nil, function(server)
      local r = run([[
        @tasks.enqueue("generate_report", { report_id = "sums", format = "csv",
          mail = { to = "board@example.com", subject = "Sums", text = "See the attachment." } })]],
        { "--set", "email.url=" .. server.url, "--set", "email.from=shop@example.com" })
      assert.equal(0, r.status, r.stderr)
      local message = server:message()
      assert.equal("Sums", smtp.header(message, "subject"))
      assert.matches("sums.csv", @json.encode(message), 1, true)
    end)
  end)

  it("says that there is no @reporter when there is none", function()
    local r = app.run(files("", '@tasks.enqueue("generate_report", { report_id = 7 }):await()'))
    assert.equal(1, r.status)
    assert.matches("there is no operator @reporter", r.stderr, 1, true)
  end)
end)

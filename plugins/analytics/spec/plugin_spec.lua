-- The plugin in a script directory: where events go, and the end of the program.
local app = require "spec.support.app"
local program = require "spec.support.program"
local raw_server = require "spec.support.raw_server"
local readme = require "spec.support.readme"

local function files(config, main, more)
  local all = { ["tusk.lua"] = "return { plugins = { analytics = { " .. config .. " } } }", ["main.lua"] = main }
  for name, text in pairs(more or {}) do all[name] = text end
  return all
end

describe("analytics", function()
  it("is there when it is listed; the example of the README runs", function()
    local r = readme.run "plugins/analytics/README.md"
    assert.equal(0, r.status, r.stderr)
    assert.equal("2 of page, 1 of signup\nAnn\n", r.stdout)
  end)

  it("has sent everything when the program ends, also on TERM", function()
    app.with(files("within = '1h'", [[
      for i = 1, 1200 do @analytics.track("page", { n = i }) end
      print("main") @sleep("1h")]]), function(dir)
      local r = program.start({ "run", dir }, {}, function(p)
        p:read_until("main")
        p:signal("sigterm")
        return p:wait()
      end)
      assert.equal(143, r.status, r.stderr)
      local db = @db.open(dir .. "/data/tusk.db")
      assert.equal(1200, db.value("select count(distinct data ->> '$.n') from analytics_events where event = 'page'"))
      db.close()
    end)
  end)

  it("says what was being set up when its module is not there", function()
    local r = app.run { ["tusk.lua"] = "return { plugins = { analytics = { module = 'nomod' } } }", ["main.lua"] = "" }
    assert.equal(3, r.status)
    assert.matches("module 'nomod' not found", r.stderr, 1, true)
    assert.matches("while the plugin analytics was set up, with plugins.analytics of tusk.lua", r.stderr, 1, true)
  end)

  it("tells what it could not send when the program has less time than that takes", function()
    local r = app.run({ ["tusk.lua"] = "return { plugins = { analytics = { module = 'sink', within = '1h', timeout = '1h' } } }",
      ["lib/sink.lua"] = "return { send = function() @sleep '1h' end }", ["main.lua"] = "for i = 1, 7 do @analytics.track('e', i) end" },
      { "--shutdown-timeout", "100ms" })
    assert.matches('"msg":"events are lost: they could not be sent before the end","events":7', r.stderr, 1, true)
  end)

  it("sends to an endpoint, and tells what it could not send before the end", function()
    raw_server.with(function(connection, request)
      connection:write(raw_server.response(request.number == 1 and 200 or 503))
    end, function(server)
      app.with(files("token = 's3cret', base = '1ms', drain = '50ms'", [[
        @analytics.track("a", { n = 1 }) @analytics.flush()
        @analytics.track("b")]]), function(dir)
        local r = program.run { "run", dir, "--set", "plugins.analytics.url=" .. server.url .. "/events" }
        assert.equal(0, r.status, r.stderr)
        assert.equal("a", @json.decode(server.requests[1].body)[1].event)
        assert.matches("events are lost: they could not be sent before the end", r.stderr, 1, true)
        assert.matches('"events":1', r.stderr, 1, true)
        assert.is_nil(r.stderr:find("s3cret", 1, true))
      end)
    end)
  end)

  it("hands events to a function", function()
    local r = app.run(files("module = 'sending'", '@analytics.track("a", { n = 1 }) @analytics.flush() print(@analytics.stats().sent)', {
      ["lib/sending.lua"] = 'return { send = function(events) print(#events, events[1].event, events[1].data.n) end }' }))
    assert.equal("1\ta\t1\n1\n", r.stdout, r.stderr)
  end)

  it("tells misuse at the caller's line", function()
    local r = app.run(files("", '\n  @analytics.track()'))
    assert.equal(1, r.status)
    assert.matches("event: string expected, got nil", r.stderr, 1, true)
    assert.matches("main.lua:2:3", r.stderr, 1, true)
  end)

  local WRONG = {
    { "full = 'both'", "is not one of oldest, newest" }, { "module = 'string', call = 'send'", 'module string has no function "send"' },
    { "url = 'http://localhost', module = 'string'", "url or module, not both" }, { "batch = 0", "batch: at least 1 is needed" },
    { "table = 'a b'", 'table: "a b" is no name' },
  }
  for _, case in ipairs(WRONG) do
    it("does not begin with " .. case[1], function()
      local r = app.run(files(case[1], "print('main')"))
      assert.equal(3, r.status, r.stderr)
      assert.matches(case[2], r.stderr, 1, true)
      assert.equal("", r.stdout)
    end)
  end
end)

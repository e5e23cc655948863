-- The plugin in a script directory: settings, and the example of the README.
local app = require "spec.support.app"
local program = require "spec.support.program"
local raw_server = require "spec.support.raw_server"
local readme = require "spec.support.readme"

describe("stream_processor", function()
  it("is there when it is listed; the example of the README runs", function()
    local r = readme.run "plugins/stream_processor/README.md"
    assert.equal(0, r.status, r.stderr)
    assert.equal('120\t119\t1\n{"city":"Oslo","country":"NO"}\tthe API knows nothing of 7\n', r.stdout)
  end)

  it("has its defaults in tusk.lua, and options go before them", function()
    local r = app.run {
      ["tusk.lua"] = "return { plugins = { stream_processor = { batch = 2, max_failures = 0, dead_table = 'dead' } } }",
      ["main.lua"] = [[
        local function batches(opts)
          local p = @stream_processor.new(opts)
          return p:run({ { id = 1 }, { id = 2 }, { id = 3 }, { id = 4 } }).batches
        end
        print(batches {}, batches { batch = 4 })
        local _, err = @try(batches, { load = function() error("no luck") end })
        print(err.kind, @db.dead.count())]] }
    assert.equal("2\t1\nstream_processor.too_many_failures\t1\n", r.stdout, r.stderr)
  end)

  it("tells misuse at the caller's line", function()
    local r = app.run { ["tusk.lua"] = "return { plugins = { stream_processor = {} } }",
      ["main.lua"] = "\n  @stream_processor.new { shcema = {} }" }
    assert.equal(1, r.status)
    assert.matches('did you mean "schema"', r.stderr, 1, true)
    assert.matches("main.lua:2:3", r.stderr, 1, true)
    r = app.run { ["tusk.lua"] = "return { plugins = { stream_processor = {} } }", ["main.lua"] = "\n  @stream_processor:new {}" }
    assert.matches("called with a colon; write new{ … } with a dot", r.stderr, 1, true)
  end)

  -- An API with 24 items in pages, that enriches them; every fourth request of each path is answered by 503.
  local function with_api(fn)
    local asked = {}
    local function answer(connection, request)
      local path = request.target:match("^/%a+")
      asked[path] = (asked[path] or 0) + 1
      if asked[path] % 4 == 0 then return connection:write(raw_server.response(503, { "Retry-After: 0" })) end
      local body
      if path == "/items" then
        local offset, limit = request.target:match("offset=(%d+)"), request.target:match("limit=(%d+)")
        body = require("tusk").array {}
        for id = offset + 1, math.min(offset + limit, 24) do body[#body + 1] = { id = id, raw_data = "raw " .. id } end
      else
        local item = @json.decode(request.body)
        if item.id == 13 then return connection:write(raw_server.response(422, {}, "{}")) end
        body = { text = item.raw_data:upper(), level = item.id % 2 == 0 and 1 or nil }
      end
      connection:write(raw_server.response(200, { "Content-Type: application/json" }, @json.encode(body)))
    end
    raw_server.with(answer, function(server) fn(server, asked) end)
  end

  local PIPELINE = {
    ["tusk.lua"] = [[return { plugins = {
      stream_processor = { batch = 10, dead_table = "dead", concurrency = 4 },
      api_client = { attempts = 8, breaker = false, endpoints = {
        fetch_data = "GET /items?offset&limit", enrich_data = { "POST /enrich", idempotent = true } } } } }]],
    ["main.lua"] = [[
      @db.exec "create table items (id integer primary key, data text, processed_at real)"
      local items = @stream_processor.new {
        load = function(item) return @api.enrich_data { body = item } end,
        schema = { type = "object", required = { "text" }, properties = { level = { type = "integer", default = 0 } } },
        write = { table = "items" },
      }
      local function fetch(offset, limit) return @api.fetch_data { offset = offset, limit = limit } end
      for _ = 1, 2 do
        local done = items:run(@stream_processor.pages(fetch, { size = 10 }))
        print(done.read, done.written, done.failed)
      end
      print(@db.items.count(), @db.items.find(7).data, @db.items.find(8).data)
      print(@db.dead.find(1).kind, @json.decode(@db.dead.find(1).item).id)]],
  }

  it("takes all that an API has through, though that fails a quarter of the time, and asks once for what it keeps", function()
    with_api(function(server, asked)
      app.with(PIPELINE, function(dir)
        local r = program.run { "run", dir, "--set", "plugins.api_client.base=" .. server.url }
        assert.equal(0, r.status, r.stderr)
        assert.equal('24\t23\t1\n24\t23\t1\n23\t{"level":0,"text":"RAW 7"}\t{"level":1,"text":"RAW 8"}\nhttp.status.422\t13\n', r.stdout)
        assert.is_true(asked["/enrich"] < 48, asked["/enrich"] .. " requests")
      end)
    end)
  end)
end)

-- The plugin in a script directory: settings, and the example of the README.
local app = require "spec.support.app"
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
  end)
end)

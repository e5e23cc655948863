-- `tusk test`: the time that each test has, and what it leaves.
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local function run(text, ...)
  local flags = { ... }
  local result
  temp.dir(function(dir)
    local path = dir .. "/a_spec.lua"
    @file.write(path, text)
    result = program.run { "test", path, unpack(flags) }
  end)
  return result
end

local SHORT = "--test-timeout=100ms"

local function has(result, text)
  assert.truthy(result.stdout:find(text, 1, true), result.stdout .. result.stderr)
end

describe("a test that takes too long", function()
  it("fails with operator and place of everybody who waits", function()
    local r = run([[
it("waits", function()
  @spawn({ name = "beside" }, @(@sleep "2h"))
  @sleep "1h"
end)
]], SHORT)
    assert.equal(1, r.status)
    has(r, "a_spec.lua:1: the test took longer than 0.1s; waiting:")
    assert.matches("task 1 waits since 0.%d s in @sleep at [^\n]*a_spec.lua:3", r.stdout)
    assert.matches('task %d+ "beside" waits since 0.%d s in @sleep at [^\n]*a_spec.lua:2', r.stdout)
    has(r, "0 passed, 1 failed, 0 skipped")
  end)

  it("fails also if it catches its cancellation, and once", function()
    local r = run('it("waits", function() pcall(@sleep, "1h") end)', SHORT)
    has(r, "the test took longer")
    has(r, "0 passed, 1 failed, 0 skipped")
  end)

  it("lets the next one run", function()
    local r = run('it("a", @(@sleep "1h"))\nit("b", @(@sleep "1ms"))', SHORT)
    has(r, "1 passed, 1 failed, 0 skipped")
  end)

  it("is found in real time, on a virtual clock too", function()
    local r = run([[
local test = require "tusk.test"
local uv = require "luv"
it("waits", function()
  local timer = uv.new_timer()
  timer:start(1e6, 0, function() end)
  finally(function() timer:close() end)
  test.clock(@(@sleep "1h"))
end)
]], SHORT)
    has(r, "the virtual clock stands at 0 s: it goes on when no I/O is in flight and no handle of luv is active")
  end)

  it("may have another time, or any", function()
    has(run('it("a", @(@sleep "50ms"))', "--test-timeout", "1m"), "1 passed")
    has(run('it("a", @(@sleep "50ms"))', "--test-timeout=0"), "1 passed")
  end)

  it("is status 2 if its time is none", function()
    local r = run('it("a", function() end)', "--test-timeout=soon")
    assert.equal(2, r.status)
    assert.truthy(r.stderr:find('"soon" is not a duration', 1, true))
  end)
end)

describe("a test", function()
  it("that nothing can ever wake fails at once", function()
    local r = run('it("a", function() @channel():recv() end)\nit("b", function() end)')
    has(r, "the test waits, and nothing can ever wake it:")
    has(r, "1 passed, 1 failed, 0 skipped")
  end)

  it("ends with all it has started", function()
    local r = run([[
local t
it("starts", function() t = @spawn(@(@sleep "1h")) end)
it("is alone", function() assert.equal("cancelled", t.state) end)
]])
    has(r, "2 passed, 0 failed, 0 skipped")
  end)

  it("may use what before_each has started", function()
    local r = run([[
local inbox
before_each(function()
  inbox = @channel()
  @spawn(function() inbox:send(7) end)
end)
it("a", function() assert.equal(7, inbox:recv()) end)
it("b", function() assert.equal(7, inbox:recv()) end)
]])
    has(r, "2 passed, 0 failed, 0 skipped")
  end)

  it("gives chance back", function()
    local r = run([[
local test = require "tusk.test"
local first
it("a", function() test.seed(1) first = @random.uuid() end)
it("b", function() assert.is_not.equal(@random.uuid(), @random.uuid()) test.seed(1) assert.equal(first, @random.uuid()) end)
]])
    has(r, "2 passed, 0 failed, 0 skipped")
  end)

  it("keeps the place of a failed assertion", function()
    local r = run('it("a", function()\n  assert.equal(1, 2)\nend)')
    assert.matches("a_spec.lua:2: Expected objects to be equal", r.stdout)
  end)
end)

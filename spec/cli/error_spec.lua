-- What a person sees when a script fails.
local golden = require "spec.support.golden"
local program = require "spec.support.program"
local temp = require "spec.support.temp"

-- Runs the text as main.lua of a folder of its own.
local function run(text, opts)
  local result
  temp.dir(function(dir)
    temp.write(dir .. "/main.lua", text)
    result = program.run({ "main.lua" }, { cwd = dir, env = opts and opts.env })
  end)
  return result
end

local function with_place(name, text)
  local result = run(text)
  assert.equal(golden.text(name), result.stderr)
  assert.equal("", result.stdout)
  assert.equal(1, result.status)
end

describe("an uncaught error", function()
  it("of an operator shows its place in the source and what was probably meant", function()
    with_place("operator_error", [[
local urls = { "a", "b" }
return @map(urls, print, { concurency = 4 })
]])
  end)

  it("of @any shows why each of them failed", function()
    with_place("any_error", [[
@any(@(error("no milk", 0)), @(@file.read("sugar")))
]])
  end)

  it("in a task that somebody waits for shows who spawned it", function()
    with_place("spawned_error", [[
local function paint(colour)
  @sleep(colour)
end

@scope({ name = "house" }, function(s)
  s:spawn({ name = "painter" }, paint, "blue")
end)
]])
  end)

  it("of plain Lua shows the line and the traceback", function()
    with_place("plain_error", [[
local function area(shape)
  return shape.width * shape.height
end

print(area(nil))
]])
  end)

  it("with others after it shows them too", function()
    with_place("suppressed_error", [[
@scope(function(s)
  s:defer(function() error("the door is stuck") end)
  error("the roof leaks")
end)
]])
  end)

  it("with a timeout shows where it waited", function()
    with_place("timeout_error", [[
@timeout("1ms", function()
  @sleep("1h")
end)
]])
  end)

  it("that is no text and no table is shown all the same", function()
    with_place("value_error", "error(nil)\n")
  end)

  it("that is a table of the user's is shown with its own text", function()
    with_place("foreign_error", [[
error(setmetatable({}, { __tostring = function() return "out of paint" end }))
]])
  end)

  it("whose text cannot be had is still an error", function()
    local result = run('error(setmetatable({}, { __tostring = function() error("no") end }))')
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("^error"))
  end)
end)

describe("a syntax error", function()
  it("of the dialect has a caret, and exit status 1", function()
    with_place("dialect_error", "local a = 1\nlocal b = f(@5)\n")
  end)

  it("of Lua's has Lua's own words", function()
    with_place("lua_syntax_error", "@yield()\nlocal = 5\n")
  end)
end)

describe("an unknown operator", function()
  it("is named with the nearest one", function()
    with_place("unknown_operator", "@yield()\n@slep(1)\n")
  end)
end)

describe("a failed task of main.lua", function()
  it("is reported at the end when it was an async that nobody awaited", function()
    local result = run 'local t = @async(function() error("held", 0) end) print("on")'
    assert.equal("on\n", result.stdout)
    assert.truthy(result.stderr:find("error[lua]: held", 1, true))
    assert.equal(1, result.status)
  end)

  it("whose error cannot be shown is reported too", function()
    local result = run [[
@spawn(function() error(setmetatable({}, { __tostring = function() error("no") end })) end)
]]
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("^error"))
  end)
end)

local function deadlock(name, text)
  local result = run(text)
  assert.equal(golden.text(name), (result.stderr:gsub("since [%d.]+ s", "since 0.0 s")))
  assert.equal(1, result.status)
end

describe("a deadlock", function()
  it("is an error that lists who waits, and where", function()
    deadlock("deadlock", [[
local queue = require("tusk.core").Queue.new()
@spawn({ name = "reader" }, function() queue:park() end)
queue:park()
]])
  end)

  it("says on what each of them waits: channels, cases of a select, permits, children, generators", function()
    deadlock("deadlock_graph", [[
local jobs, results = @channel(), @channel(1)
local pool = @pool { open = function() return {} end, max = 1 }
results:send(1)
local worker = @spawn({ name = "worker" }, pool.with, pool, function() jobs:recv() print() end)
@spawn({ name = "second" }, function() pool:with(print) end)
@spawn({ name = "sender" }, function() results:send(2) end)
@spawn(function()
  @select { { jobs, "job" }, { worker, "done" }, { @watch(1), "changed" } }
end)
local lines = coroutine.wrap(function() coroutine.yield(jobs:recv()) end)
@spawn({ name = "reader" }, function() for _ in lines do print() end end)
@spawn({ name = "parent" }, function()
  for _ = 1, 5 do @spawn(@(results:send(3))) end
end)
@scope({ name = "import" }, function(s) s:spawn(function() jobs:recv() print() end) end)
]])
  end)

  it("names tasks that await each other as a circle", function()
    deadlock("deadlock_await", [[
local chicken, egg
chicken = @spawn({ name = "chicken" }, function()
  @yield()
  egg:await()
  print()
end)
egg = @spawn({ name = "egg" }, function()
  chicken:await()
  print()
end)
]])
  end)

  it("names permits taken crosswise as a circle, and a child that wants what its parent holds", function()
    deadlock("deadlock_permits", [[
local left, right, own = @semaphore(1), @semaphore(1), @semaphore(1)
local function take(first, second)
  first:with(function()
    @yield()
    second:with(print)
  end)
end
@spawn({ name = "Alice" }, take, left, right)
@spawn({ name = "Bob" }, function()
  local lease = right:acquire()
  @yield()
  left:acquire()
  lease:release()
end)
own:with(function()
  local value = @all(function() own:with(print) end)
  print(value)
end)
]])
  end)

  it("ends the program also when nobody can be told", function()
    local result = run [[
local queue = require("tusk.core").Queue.new()
@shield(function() queue:park() end)
]]
    assert.truthy(result.stderr:find("error[deadlock]", 1, true))
    assert.equal(1, result.status)
  end)

  it("is none while a handle of luv's may still wake somebody", function()
    local result = run [[
local uv, queue = require "luv", require("tusk.core").Queue.new()
local timer = uv.new_timer()
timer:start(5, 0, function()
  timer:close()
  queue:wake("rang")
end)
print(queue:park())
]]
    assert.equal("rang\n", result.stdout)
    assert.equal(0, result.status)
  end)
end)

describe("colour", function()
  it("is not used where stderr is no terminal", function()
    assert.is_nil(run("error('x')", { env = { NO_COLOR = false } }).stderr:find("\27", 1, true))
  end)
end)

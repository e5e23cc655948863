-- @worker: functions of modules on threads of their own.
local array = require "tusk.array"
local null = require "tusk.null"
local program = require "spec.support.program"
local raw = require "tusk.binding.worker"
local temp = require "spec.support.temp"

local HEAVY = "spec.support.heavy"

local function failure(...)
  local v, err = @try(@worker.call, ...)
  assert.is_nil(v)
  return err
end

local function running()
  return (select(5, raw.stats()))
end

-- Parks until condition() holds, for at most ten seconds.
local function wait_until(condition)
  @timeout("10s", function()
    while not condition() do @sleep("1ms") end
  end)
end

local function nothing_runs()
  wait_until(function() return running() == 0 end)
end

-- fn(s) while every thread is busy with a call that never ends; then those are cancelled.
local function with_all_busy(fn)
  local threads = select(2, raw.stats())
  @scope(function(s)
    for _ = 1, threads do s:spawn(@(@worker.call(HEAVY, "check_forever"))) end
    wait_until(function() return running() == threads end)
    fn(s)
    s:cancel()
  end)
  nothing_runs()
end

describe("@worker.call", function()
  it("returns what the function returns", function()
    assert.equal(5000050000, @worker.call(HEAVY, "sum", 1e5))
    assert.same({ n = 4, nil, "b", false, nil }, { n = select("#", @worker.call(HEAVY, "echo", nil, "b", false, nil)),
      @worker.call(HEAVY, "echo", nil, "b", false, nil) })
  end)

  it("returns nothing when the function does", function()
    assert.equal(0, select("#", @worker.call(HEAVY, "echo")))
  end)

  it("copies numbers exactly, whatever they are", function()
    for _, n in ipairs { 0, -1, 0.1, 2 ^ 53, 1e308, math.huge, -math.huge } do
      assert.equal(n, (@worker.call(HEAVY, "echo", n)))
    end
    local nan = @worker.call(HEAVY, "echo", 0 / 0)
    assert.is_true(nan ~= nan)
  end)

  it("copies 64-bit integers exactly", function()
    for _, n in ipairs { 0LL, -1LL, 9007199254740993LL, 9223372036854775807LL, -9223372036854775807LL - 1 } do
      local back = @worker.call(HEAVY, "echo", n)
      assert.is_true(require("ffi").istype("int64_t", back))
      assert.equal(tostring(n), tostring(back))
    end
    assert.equal("18446744073709551615ULL", tostring((@worker.call(HEAVY, "echo", 18446744073709551615ULL))))
  end)

  it("copies strings with any bytes, empty and large ones", function()
    local all = {}
    for i = 0, 255 do all[i + 1] = string.char(i) end
    for _, text in ipairs { "", table.concat(all), ("x"):rep(5e6) } do
      assert.is_true(text == @worker.call(HEAVY, "echo", text))
    end
  end)

  it("copies tables, with keys of any plain type, holes and nested ones", function()
    local t = { 1, 2, nil, 4, name = "n", [true] = "yes", [1.5] = "half", [-1] = { { {} } } }
    local back = @worker.call(HEAVY, "echo", t)
    assert.same(t, back)
    assert.is_false(rawequal(t, back))
  end)

  it("copies null, and what marks a JSON array", function()
    local back = @worker.call(HEAVY, "echo", { null, array {} })
    assert.equal(null, back[1])
    assert.is_true(array.is(back[2]))
    assert.equal("userdata table", @worker.call(HEAVY, "types", null, array {}))
  end)

  it("copies whatever is made of these, at random", function()
    local seed = os.time()
    math.randomseed(seed)
    local make
    local scalars = {
      function() return math.random(-1e6, 1e6) end,
      function() return math.random() * 2 ^ math.random(-50, 50) end,
      function() return math.random() < 0.5 end,
      function() return ("\0é%"):rep(math.random(0, 20)) end,
      function() return null end,
    }
    local function key() return scalars[math.random(1, 4)]() end
    function make(depth)
      if depth == 0 or math.random() < 0.4 then return scalars[math.random(#scalars)]() end
      local t = {}
      for i = 1, math.random(0, 6) do t[math.random() < 0.5 and i or key()] = make(depth - 1) end
      return t
    end
    for _ = 1, tonumber(os.getenv("N")) or 300 do
      local value = make(6)
      assert.same(value, (@worker.call(HEAVY, "echo", value)), "seed " .. seed)
    end
  end)

  it("takes many arguments", function()
    local list = {}
    for i = 1, 5000 do list[i] = i end
    assert.equal(5000, @worker.call(HEAVY, "count", unpack(list)))
    assert.equal(5000, select("#", @worker.call(HEAVY, "echo", unpack(list))))
  end)

  it("has a Lua state of its own", function()
    _G.spec_worker_global = "here"
    assert.is_nil(@worker.call(HEAVY, "global", "spec_worker_global"))
    _G.spec_worker_global = nil
    assert.is_true(@worker.call(HEAVY, "calls") >= 1)
  end)

  it("finds modules by the caller's package.path", function()
    temp.dir(function(dir)
      temp.write(dir .. "/only_here.lua", "return { name = function(...) return ... end }")
      local before = package.path
      package.path = dir .. "/?.lua"
      local ok, name = pcall(@worker.call, "only_here", "name", "found")
      temp.write(dir .. "/no_table.lua", "return print")
      local err = failure("no_table", "x")
      package.path = before
      assert.equal('the module "no_table" is a function, not a table of functions', err.message)
      assert.same({ true, "found" }, { ok, name })
      temp.write(dir .. "/also_here.lua", "return {}")
      assert.matches("module 'also_here' not found", failure("also_here", "name").message)
    end)
  end)

  it("has the operators that never wait", function()
    assert.same({ a = { 1 } }, @worker.call(HEAVY, "json", '{"a":[1]}'))
    assert.matches("tried", @worker.call(HEAVY, "try"))
    assert.equal("passed", select(2, @worker.call(HEAVY, "check")))
  end)

  it("lets other tasks run meanwhile", function()
    local ticks = 0
    @scope(function(s)
      local call = s:async(@(@worker.call(HEAVY, "check_forever")))
      for _ = 1, 5 do
        @sleep("1ms")
        ticks = ticks + 1
      end
      call:cancel()
    end)
    assert.equal(5, ticks)
    nothing_runs()
  end)

  it("gives each of many callers its own result", function()
    local list = {}
    for i = 1, 200 do list[i] = i end
    local back = @map(list, function(i) return @worker.call(HEAVY, "sum", i * 1000) end, { concurrency = 50 })
    for i = 1, 200 do assert.equal(i * 1000 * (i * 1000 + 1) / 2, back[i]) end
  end)

  it("starts threads when they are needed, no more than there are cores", function()
    local out = program.run({ "-e", [[
      local raw = require "tusk.binding.worker"
      print((raw.stats()))
      @worker.call("spec.support.heavy", "echo")
      print((raw.stats()))
      @worker.call("spec.support.heavy", "echo")
      local list = {}
      for i = 1, 100 do list[i] = i end
      @map(list, function(i) return @worker.call("spec.support.heavy", "sum", 1e5) end)
      local started, most = raw.stats()
      print(started <= most)
    ]] })
    assert.same({ 0, "0\n1\ntrue\n", "" }, { out.status, out.stdout, out.stderr })
  end)
end)

describe("what a worker's function fails with", function()
  it("is raised here with its message, place and traceback", function()
    local err = failure(HEAVY, "fail")
    assert.same({ "lua", "no luck" }, { err.kind, err.message })
    assert.matches("spec/support/heavy.lua$", err.site.file)
    assert.matches("heavy.lua:%d+: in function.*worker_spec.lua:%d+: in function", err.traceback)
    assert.matches("worker_spec.lua$", err.called_at.file)
    assert.matches("attempt to index", failure(HEAVY, "index").message)
  end)

  it("keeps its kind, fields and cause", function()
    local err = failure(HEAVY, "fail_as", "my.kind")
    assert.is_true(err:is("my"))
    assert.same({ "as asked", 7, "deeper" }, { err.message, err.code, err.cause.kind })
    assert.is_true(err.cause:is("deeper"))
    assert.equal("json.syntax", failure(HEAVY, "json", "{").kind)
  end)

  it("may be a table of the user's own, or nil", function()
    local ok, err = pcall(@worker.call, HEAVY, "fail_with", { code = 3 })
    assert.same({ false, { code = 3 } }, { ok, err })
    assert.equal("lua", failure(HEAVY, "fail_with", nil).kind)
  end)

  it("is kind `operator` for operators that wait, or belong to the program's host", function()
    for name, op in pairs { sleep = "sleep", spawn = "spawn", nested = "worker.call" } do
      local err = failure(HEAVY, name)
      assert.same({ "operator", op }, { err.kind, err.op })
      assert.equal("not for workers: nothing can wait there", err.message)
    end
  end)

  it("names a module, or a function of it, that is not there", function()
    local err = failure("spec.support.no_such", "x")
    assert.equal("lua", err.kind)
    assert.matches("module 'spec.support.no_such' not found", err.message, 1, true)
    assert.matches("worker_spec.lua$", err.site.file)
    err = failure(HEAVY, "ehco")
    assert.same({ "argument", "echo" }, { err.kind, err.suggestion })
    assert.equal('the module "spec.support.heavy" has no function "ehco" (did you mean "echo"?)', err.message)
  end)
end)

describe("misuse of @worker.call", function()
  it("by what cannot be copied says where it is", function()
    local circle = {}
    circle.list = { circle }
    local deep = {}
    for _ = 1, 65 do deep = { deep } end
    for _, case in ipairs {
      { print, "argument 1: a function cannot be copied" },
      { { a = { 1, print } }, "argument 1.a[2]: a function cannot be copied" },
      { { [print] = 1 }, "argument 1[?]: a function cannot be a key" },
      { { t = coroutine.create(print) }, "argument 1.t: a thread cannot be copied" },
      { io.stdout, "argument 1: a userdata cannot be copied" },
      { require("ffi").new("int[2]"), "argument 1: a cdata cannot be copied" },
      { circle, "argument 1.list[1]: contains itself" },
      { deep, "argument 1" .. ("[1]"):rep(64) .. ": nested deeper than 64" },
    } do
      local err = failure(HEAVY, "echo", case[1])
      assert.same({ "argument", case[2] }, { err.kind, err.message })
      assert.matches("worker_spec.lua$", err.site.file)
    end
    assert.matches("argument 3: a function", failure(HEAVY, "echo", 1, nil, print).message)
  end)

  it("by a result that cannot be copied says where it is", function()
    local err = failure(HEAVY, "unfit")
    assert.same({ "argument", "result 2.list[2]: a function cannot be copied" }, { err.kind, err.message })
  end)

  it("by names that are no strings is told", function()
    assert.matches("module: string expected", failure(7, "x").message)
    assert.matches("fn: string expected", failure(HEAVY, print).message)
  end)

  it("where nothing can wait fails before anything is done", function()
    local err;
    ("a"):gsub(".", function() err = select(2, @try(@worker.call, HEAVY, "echo")) end)
    assert.equal("operator", err.kind)
    assert.equal(0, running())
  end)
end)

describe("a cancelled @worker.call", function()
  it("that runs is interrupted, at @worker.check or in interpreted code, whatever it catches", function()
    for _, name in ipairs { "check_forever", "check_deaf", "interpret_deaf" } do
      local err = select(2, @try(@timeout, "20ms", @worker.call, HEAVY, name))
      assert.same({ "timeout", "worker.call" }, { err.kind, err.op })
      nothing_runs()
    end
    assert.equal("after", @worker.call(HEAVY, "echo", "after"))
  end)

  it("that runs tells that it had begun", function()
    local err
    @scope(function(s)
      local task = s:spawn(function()
        local _, e = pcall(@worker.call, HEAVY, "check_forever")
        err = e
        error(e, 0)
      end)
      wait_until(function() return running() == 1 end)
      task:cancel()
    end)
    assert.same({ "cancelled", true }, { err.kind, err.sent })
    nothing_runs()
  end)

  it("that waits for a thread never begins", function()
    temp.dir(function(dir)
      local err
      with_all_busy(function(s)
        local task = s:spawn(function()
          local _, e = pcall(@worker.call, HEAVY, "check_forever", dir .. "/begun")
          err = e
          error(e, 0)
        end)
        assert.equal(1, (select(3, raw.stats())))
        task:cancel()
        assert.equal(0, (select(3, raw.stats())))
      end)
      assert.same({ "cancelled" }, { err.kind, err.sent })
      assert.is_false(@file.exists(dir .. "/begun"))
    end)
  end)

  it("by a deadline that has passed does nothing", function()
    local err = select(2, @try(@timeout, 0, function()
      @sleep("1ms")
      @worker.call(HEAVY, "echo")
    end))
    assert.equal("timeout", err.kind)
  end)

  it("leaves the other calls alone", function()
    local task = @async(@(@worker.call(HEAVY, "check_forever")))
    local other = @async(@(@worker.call(HEAVY, "sum", 1e6)))
    task:cancel()
    assert.equal(500000500000, other:await())
    nothing_runs()
  end)
end)

describe("the line before the workers", function()
  it("is bounded: one call too many fails with `limited`", function()
    with_all_busy(function(s)
      local most = select(4, raw.stats())
      for _ = 1, most do s:spawn(@(@worker.call(HEAVY, "echo"))) end
      local err = failure(HEAVY, "echo")
      assert.same({ "limited", "too many calls wait for a worker", true }, { err.kind, err.message, err.retryable })
    end)
    assert.equal(0, (select(3, raw.stats())))
    assert.equal(1, @worker.call(HEAVY, "echo", 1))
  end)
end)

describe("a program that ends", function()
  it("interrupts the calls that run, and joins their threads", function()
    local r = program.run({ "run", "--timeout=50ms", "-" }, { stdin = [[
      @spawn(@(@worker.call("spec.support.heavy", "check_deaf")))
      @worker.call("spec.support.heavy", "interpret_deaf")
    ]] })
    assert.equal(124, r.status)
  end)

  it("leaves a compiled loop behind that never looks", function()
    temp.dir(function(dir)
      temp.write(dir .. "/never.lua", "return { ends = function() local n = 0 while true do n = n + 1 end end }")
      local r = program.run({ "run", "--timeout=50ms", "-" }, { stdin = ([[
        package.path = %q .. "/?.lua"
        @worker.call("never", "ends")
      ]]):format(dir), env = { ASAN_OPTIONS = "detect_leaks=0:exitcode=99" } }) -- what is left behind is not freed
      assert.equal(124, r.status)
    end)
  end)
end)

describe("@worker.check", function()
  it("outside of a worker is a checkpoint", function()
    @worker.check()
    local err = select(2, @try(@timeout, "1ms", function() while true do @worker.check() @yield() end end))
    assert.equal("timeout", err.kind)
  end)
end)

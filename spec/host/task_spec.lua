-- Tasks: how they start, what await gives, how their failures travel.
local program = require "spec.support.program"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

describe("starting a task", function()
  it("runs it at once until it first parks", function()
    local order = {}
    @scope(function(s)
      s:spawn(function()
        table.insert(order, "child")
        @yield()
        table.insert(order, "child again")
      end)
      table.insert(order, "parent")
    end)
    assert.same({ "child", "parent", "child again" }, order)
  end)

  it("hands it the arguments, nils included", function()
    local got
    @spawn(function(...) got = { n = select("#", ...), ... } end, 1, nil, "x", nil)
    assert.same({ n = 4, 1, nil, "x", nil }, got)
  end)

  it("resumes ready tasks in the order they became ready", function()
    local order = {}
    @scope(function(s)
      for i = 1, 4 do
        s:spawn(function()
          for _ = 1, 2 do
            @yield()
            table.insert(order, i)
          end
        end)
      end
    end)
    assert.same({ 1, 2, 3, 4, 1, 2, 3, 4 }, order)
  end)

  it("queues a child nested deeper than a hundred starts, and runs it all the same", function()
    local deepest, at_return = 0, nil
    local function nest(n)
      deepest = n
      if n < 300 then @spawn(nest, n + 1) end
    end
    @scope(function(s)
      s:spawn(nest, 1)
      at_return = deepest
    end)
    assert.is_true(at_return >= 90 and at_return < 300)
    assert.equal(300, deepest)
  end)

  it("ends a chain of a hundred thousand tasks that each wait for the next", function()
    local ended = 0
    local function chain(n)
      if n == 0 then @yield() else @spawn(chain, n - 1) end
      ended = ended + 1
    end
    @spawn(chain, 100000):await()
    assert.equal(100001, ended)
  end)

  it("passes a failure up a chain of a hundred thousand", function()
    local function chain(n)
      if n == 0 then
        @yield()
        error({ the = "one" })
      end
      @spawn(chain, n - 1)
    end
    local e = fails(function() @scope(function(s) s:spawn(chain, 100000) end) end)
    assert.equal("one", e.the)
  end)

  it("takes a name", function()
    local inside
    local task = @spawn({ name = "painter" }, function() inside = tostring(require("tusk.kernel").current()) end)
    assert.equal("painter", task.name)
    assert.equal(('task %d "painter"'):format(task.id), inside)
  end)

  it("takes anything that can be called", function()
    local callable = setmetatable({}, { __call = function(_, a, b) return a + b end })
    assert.equal(5, @async(callable, 2, 3):await())
    @scope(function(s) assert.equal(7, s:async(callable, 3, 4):await()) end)
  end)

  for _, case in ipairs {
    { "nothing", nil, "fn: function expected, got nil" },
    { "a number", 7, "fn: function expected, got number 7" },
  } do
    it("refuses " .. case[1] .. " in place of the function", function()
      local e = fails(function() @spawn(case[2]) end)
      assert.equal("argument", e.kind)
      assert.equal(case[3], e.message)
      assert.equal("spawn", e.op)
    end)
  end

  it("refuses an unknown option and names the nearest", function()
    local e = fails(function() @spawn({ nmae = "x" }, print) end)
    assert.equal("argument", e.kind)
    assert.equal("name", e.suggestion)
  end)
end)

describe("a task started by a finalizer", function()
  it("begins at its turn, and harms nobody", function()
    local result = program.run { "-e", [[
      local began, ended = 0, 0
      for i = 1, 1000 do
        local p = newproxy(true)
        getmetatable(p).__gc = function()
          pcall(@db.query, "select 1")
          @spawn(function()
            began = began + 1
            @sleep(0)
            ended = ended + 1
          end)
        end
      end
      for i = 1, 300 do
        @spawn(function() local t = {} for k = 1, 100 do t[k] = { k } end @yield() end)
      end
      collectgarbage()
      collectgarbage()
      @sleep("1ms")
      @sleep("1ms")
      print(began, ended)]] }
    assert.equal("1000\t1000\n", result.stdout)
    assert.equal("", result.stderr)
  end)
end)

describe("awaiting a task", function()
  it("gives all values of one that has ended", function()
    local task = @spawn(function() return 1, nil, "three", nil end)
    assert.equal("done", task.state)
    assert.same({ n = 4, 1, nil, "three", nil }, { n = select("#", task:await()), task:await() })
  end)

  it("gives all values of one that is still to end", function()
    local task = @spawn(function()
      @yield()
      return "a", nil, false
    end)
    assert.equal("ready", task.state)
    assert.same({ n = 3, "a", nil, false }, { n = select("#", task:await()), task:await() })
  end)

  it("gives a thousand values", function()
    local values = {}
    for i = 1, 1000 do values[i] = i end
    assert.same(values, { @async(function() return unpack(values) end):await() })
  end)

  it("wakes every waiter, first come first", function()
    local order = {}
    @scope(function(s)
      local task = s:async(function()
        @sleep("1ms")
        return "x"
      end)
      for i = 1, 3 do
        s:spawn(function() table.insert(order, task:await() .. i) end)
      end
    end)
    assert.same({ "x1", "x2", "x3" }, order)
  end)

  it("raises the same error object each time", function()
    local mine = { "mine" }
    local task = @async(function() error(mine) end)
    assert.equal("failed", task.state)
    assert.is_true(rawequal(mine, fails(task.await, task)))
    assert.is_true(rawequal(mine, fails(task.await, task)))
  end)

  it("raises task_cancelled for one that somebody cancelled", function()
    local task = @async(function() @sleep("1h") end)
    task:cancel()
    local e = fails(function() task:await() end)
    assert.equal("task_cancelled", e.kind)
    assert.equal("cancelled", task.state)
  end)

  it("leaves the awaited task alone when the waiter is cancelled", function()
    @scope(function(s)
      local task = s:async(function()
        @sleep("2ms")
        return "done"
      end)
      local waiter = s:spawn(function() task:await() end)
      waiter:cancel()
      assert.equal("done", task:await())
      assert.equal("cancelled", waiter.state)
    end)
  end)

  it("refuses to wait for itself", function()
    local task
    task = @async(function()
      @yield()
      task:await()
    end)
    assert.equal("argument", fails(function() task:await() end).kind)
  end)

  it("keeps the values of a task that ends normally after it was cancelled", function()
    local task = @async(function()
      pcall(function() @sleep("1h") end)
      return "saved"
    end)
    task:cancel()
    assert.equal("saved", task:await())
  end)
end)

describe("giving way", function()
  it("lets every other ready task run before @yield returns", function()
    local counts = { 0, 0, 0 }
    @scope(function(s)
      for i = 1, 3 do
        s:spawn(function()
          for _ = 1, 50 do
            counts[i] = counts[i] + 1
            @yield()
            assert.is_true(math.max(unpack(counts)) - math.min(unpack(counts)) <= 1)
          end
        end)
      end
    end)
    assert.same({ 50, 50, 50 }, counts)
  end)

  it("treats a coroutine.yield at the top of a task as @yield", function()
    local order = {}
    @scope(function(s)
      s:spawn(function()
        assert.equal(0, select("#", coroutine.yield("ignored")))
        table.insert(order, "first")
      end)
      s:spawn(function() table.insert(order, "second") end)
    end)
    assert.same({ "second", "first" }, order)
  end)

  it("makes a loop of answers without waiting give way now and then", function()
    local core = require "tusk.core"
    local other, before = false, 0
    @scope(function(s)
      s:spawn(function()
        @yield()
        other = true
      end)
      for i = 1, 1000 do
        core.checkpoint()
        if not other then before = i end
      end
    end)
    assert.is_true(before > 0 and before <= 129)
  end)
end)

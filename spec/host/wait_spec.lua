-- Waiting and being cancelled, through real operators.
local core = require "tusk.core"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

-- Cancels fn's task while it is parked; what it then raised inside.
local function cancelled_in(fn)
  local seen
  @scope(function(s)
    local task = s:spawn(function() seen = fails(fn) end)
    assert.equal("parked", task.state)
    task:cancel()
  end)
  return seen
end

describe("a cancel", function()
  for name, wait in pairs {
    sleep = function() @sleep("1h") end,
    ["a queue"] = function() core.Queue.new():park() end,
    ["another task"] = function() @async(function() @sleep("1h") end):await() end,
    ["the end of a scope"] = function() @scope(function(s) s:spawn(function() @sleep("1h") end) end) @yield() end,
    ["a timeout's body"] = function() @timeout("2h", function() @sleep("1h") end) end,
    ["a file"] = function() @file.read("/proc/self/status", { special = true }) @sleep("1h") end,
  } do
    it("reaches a task that waits for " .. name, function()
      assert.equal("cancelled", cancelled_in(wait).kind)
    end)
  end

  it("says which operator waited, and where", function()
    local e = cancelled_in(function() @sleep("1h") end)
    assert.equal("sleep", e.op)
    assert.equal(debug.getinfo(1, "l").currentline - 2, e.site.line)
  end)

  it("raises again at every checkpoint", function()
    local raised = 0
    cancelled_in(function()
      for _ = 1, 20 do
        local ok, e = pcall(function() @sleep("1h") end)
        if not ok and e.kind == "cancelled" then raised = raised + 1 end
      end
      @yield()
    end)
    assert.equal(20, raised)
  end)

  it("lets nothing new start", function()
    local kinds, ran = {}, false
    cancelled_in(function()
      pcall(function() @sleep("1h") end)
      for i, fn in ipairs {
        function() @spawn(function() ran = true end) end,
        function() @async(function() ran = true end) end,
        function() @scope(function() ran = true end) end,
        function() @timeout("1h", function() ran = true end) end,
        function() @all(function() ran = true end) end,
        function() @map({ 1 }, function() ran = true end) end,
      } do kinds[i] = fails(fn).kind end
      @yield()
    end)
    assert.same({ "cancelled", "cancelled", "cancelled", "cancelled", "cancelled", "cancelled" }, kinds)
    assert.is_false(ran)
  end)

  it("comes after a completion that was there first", function()
    local got, next_wait
    @scope(function(s)
      local queue = core.Queue.new()
      local task = s:spawn(function()
        got = queue:park()
        next_wait = fails(function() @yield() end)
      end)
      queue:wake("value")
      task:cancel()
    end)
    assert.equal("value", got)
    assert.equal("cancelled", next_wait.kind)
  end)

  it("takes a waiter out of its line: the next wake reaches the next in it", function()
    local queue, got = core.Queue.new(), {}
    @scope(function(s)
      local tasks = {}
      for i = 1, 3 do
        tasks[i] = s:spawn(function() got[i] = queue:park() end)
      end
      tasks[2]:cancel()
      assert.is_true(queue:wake("a"))
      assert.is_true(queue:wake("b"))
      assert.is_false(queue:wake("c"))
    end)
    assert.same({ "a", nil, "b" }, got)
  end)

  it("ends a tree ten thousand deep", function()
    local parked, ended = 0, 0
    local function chain(n)
      parked = parked + 1
      if n > 1 then @spawn(chain, n - 1) end
      pcall(function() @sleep("1h") end)
      ended = ended + 1
    end
    local task = @spawn(chain, 10000)
    while parked < 10000 do @yield() end
    @yield()
    task:cancel()
    task:await()
    assert.equal(10000, ended)
  end)

  it("of a scope returns nil and the reason", function()
    local function values(...) return { n = select("#", ...), ... } end
    assert.same({ n = 2, nil, "cancelled" }, values(@scope(function(s)
      s:cancel()
      @sleep("1h")
    end)))
    assert.same({ n = 2, nil, "cancelled" }, values(@scope(function(s)
      s:cancel()
      return "value"
    end)))
  end)

  it("of a scope stays inside of it", function()
    assert.equal("after", @scope(function()
      @scope(function(s)
        s:spawn(function() @sleep("1h") end)
        s:cancel()
      end)
      @yield()
      return "after"
    end))
  end)

  it("raises what fails while the scope is being cancelled", function()
    local e = fails(function()
      @scope(function(s)
        s:spawn(function()
          pcall(function() @sleep("1h") end)
          error("cleanup", 0)
        end)
        s:cancel()
      end)
    end)
    assert.equal("cleanup", e.value)
  end)
end)

describe("@shield", function()
  it("holds a cancel off until it ends, and passes all values through", function()
    local values, after
    @scope(function(s)
      local task = s:spawn(function()
        values = { @shield(function(a)
          @sleep("1ms")
          return a, 2
        end, 1) }
        after = fails(function() @yield() end)
      end)
      task:cancel()
    end)
    assert.same({ 1, 2 }, values)
    assert.equal("cancelled", after.kind)
  end)

  it("may be opened by what is cancelled already", function()
    local done
    @scope(function(s)
      s:cancel()
      pcall(function() @yield() end)
      @shield(function()
        @sleep("1ms")
        done = true
      end)
    end)
    assert.is_true(done)
  end)

  it("has a timeout of its own", function()
    local e = fails(function() @shield({ timeout = "1ms" }, function() @sleep("1h") end) end)
    assert.equal("timeout", e.kind)
  end)

  it("is not ended by a deadline around it", function()
    local done
    local e = fails(function()
      @timeout("1ms", function()
        @shield(function()
          assert.is_nil(@remaining())
          @sleep("5ms")
          done = true
        end)
        @yield()
      end)
    end)
    assert.equal("timeout", e.kind)
    assert.is_true(done)
  end)
end)

describe("waiting where the task cannot be suspended", function()
  for _, case in ipairs {
    { "table.sort", "sort", function(fn) table.sort({ 3, 2, 1 }, function() fn() return true end) end },
    { "string.gsub", "replace", function(fn) ("x"):gsub(".", fn) end },
    { "__tostring", "text", function(fn) print(setmetatable({}, { __tostring = fn })) end },
  } do
    it("is refused under " .. case[1] .. " before anything has started, with the way out", function()
      for _, wait in ipairs { function() @sleep(0) end, function() @yield() end, function() @scope(print) end,
        function() @async(function() end):await() end, function() @file.exists("/") end } do
        local e = fails(case[3], wait)
        assert.equal("operator", e.kind)
        assert.truthy(e.message:find(case[1], 1, true), e.message)
        assert.truthy(e.message:find(case[2], 1, true), e.message)
      end
    end)
  end

  it("is refused in a message handler of xpcall", function()
    local e
    xpcall(error, function() e = fails(function() @sleep(0) end) end)
    assert.equal("operator", e.kind)
  end)

  it("is refused in a generator that was made inside of one", function()
    local e = fails(function()
      ("x"):gsub(".", function() coroutine.wrap(function() @sleep(0) end)() end)
    end)
    assert.truthy(e.message:find("string.gsub", 1, true))
  end)

  it("is allowed in a task that was started inside of one", function()
    local done
    @scope(function()
      ("x"):gsub(".", function()
        @spawn(function()
          @sleep("1ms")
          done = true
        end)
      end)
    end)
    assert.is_true(done)
  end)
end)

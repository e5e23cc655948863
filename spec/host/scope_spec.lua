-- Scopes: who owns whom, how they end, finalizers.

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

describe("@scope", function()
  it("passes all values of its body through", function()
    local function values(...) return { n = select("#", ...), ... } end
    assert.same({ n = 4, 1, nil, 3, nil }, values(@scope(function() return 1, nil, 3, nil end)))
    assert.same({ n = 2, "a", nil }, values(@scope({ name = "x" }, function(_, ...) return ... end, "a", nil)))
  end)

  it("waits for its children when the body returns early, and does not cancel them", function()
    local order = {}
    @scope(function(s)
      s:spawn(function()
        @sleep("1ms")
        table.insert(order, "child")
      end)
      table.insert(order, "body")
    end)
    assert.same({ "body", "child" }, order)
  end)

  it("waits for children that children start", function()
    local count = 0
    @scope(function(s)
      local function grow(n)
        @yield()
        count = count + 1
        if n > 0 then s:spawn(grow, n - 1) end
      end
      s:spawn(grow, 20)
    end)
    assert.equal(21, count)
  end)

  it("takes in children that others start while it waits for its own", function()
    local late
    @scope(function(outer)
      local inner
      outer:spawn(function()
        @scope(function(s)
          inner = s
          s:spawn(function() @yield() end)
        end)
        assert.is_true(late)
      end)
      @yield()
      inner:spawn(function()
        @sleep("1ms")
        late = true
      end)
    end)
  end)

  it("has a name, for its errors", function()
    local e = fails(function()
      @scope({ name = "import", timeout = "1ms" }, function() @sleep("1h") end)
    end)
    assert.equal("timeout", e.kind)
    assert.equal("import", e.scope)
  end)

  for _, case in ipairs {
    { "an unknown option", function() @scope({ tiemout = 1 }, print) end, "timeout" },
    { "a way with errors that does not exist", function() @scope({ on_error = "ignore" }, print) end },
    { "a timeout that is no duration", function() @scope({ timeout = "soon" }, print) end },
    { "a grace that is no duration", function() @scope({ grace = "soon" }, print) end },
    { "no body", function() @scope({}) end },
    { "a number for a body", function() @scope(5) end },
  } do
    it("refuses " .. case[1] .. " at the caller's line", function()
      local e = fails(case[2])
      assert.equal("argument", e.kind)
      assert.equal("scope", e.op)
      assert.equal(debug.getinfo(case[2], "S").linedefined, e.site.line)
      assert.equal(case[3], e.suggestion)
      assert.equal("fine", @scope(function() return "fine" end))
    end)
  end

  for _, method in ipairs { "spawn", "async", "defer", "cancel" } do
    it("says so when " .. method .. " is called with a dot", function()
      local e = fails(function() @scope(function(s) s[method](function() end) end) end)
      assert.equal("argument", e.kind)
      assert.truthy(e.message:find("write s:" .. method .. "() with a colon", 1, true))
    end)
  end

  it("refuses to start a task once it has ended", function()
    local kept
    @scope(function(s) kept = s end)
    local e = fails(function() kept:spawn(print) end)
    assert.equal("closed", e.kind)
    assert.equal("closed", fails(function() kept:defer(print) end).kind)
  end)

  it("knows whom it is around: its body, its children, and theirs", function()
    local seen = {}
    local other
    @spawn(function()
      @sleep "1ms"
      seen.other = other:is_around()
    end)
    @scope(function(s)
      other = s
      seen.body = s:is_around()
      s:spawn(function() seen.child = s:is_around() end)
      @map({ 1 }, function() seen.below = s:is_around() end)
      coroutine.wrap(function() seen.coroutine = s:is_around() end)()
      @sleep "2ms"
    end)
    assert.same({ body = true, child = true, below = true, coroutine = true, other = false }, seen)
    assert.is_false(other:is_around())
    assert.equal("argument", fails(function() other.is_around() end).kind)
  end)

  it("refuses to start a task for somebody else once it is cancelled", function()
    @scope(function(outer)
      local inner
      outer:spawn(function()
        @scope(function(s)
          inner = s
          s:defer(function() @yield() end)
          @sleep("1h")
        end)
      end)
      inner:cancel()
      assert.equal("closed", fails(function() inner:spawn(print) end).kind)
    end)
  end)
end)

describe("on_error", function()
  it("collect lets siblings go on, and keeps what failed", function()
    local done, during, scope = 0, nil, nil
    @scope({ on_error = "collect" }, function(s)
      scope = s
      s:spawn(function() error("one", 0) end)
      s:spawn(function()
        @yield()
        done = done + 1
      end)
      s:spawn(function()
        @yield()
        error("two", 0)
      end)
      during = #s.errors
    end)
    assert.equal(1, done)
    assert.equal(1, during)
    assert.equal("one", scope.errors[1].value)
    assert.equal("two", scope.errors[2].value)
  end)

  it("collect raises what the body itself fails with", function()
    local e = fails(function()
      @scope({ on_error = "collect" }, function(s)
        s:spawn(function() error("one", 0) end)
        error("body", 0)
      end)
    end)
    assert.equal("body", e)
  end)

  it("collect does not keep what was awaited", function()
    local scope
    @scope({ on_error = "collect" }, function(s)
      scope = s
      local task = s:async(function() error("x", 0) end)
      pcall(task.await, task)
    end)
    assert.same({}, scope.errors)
  end)

  it("log reports each failure, and the others go on", function()
    local program = require "spec.support.program"
    local out = program.run { "-e", [[
      @scope({ on_error = "log" }, function(s)
        s:spawn(function() error("broken", 0) end)
        s:spawn(function() @yield() print("went on") end)
      end)
      print("and ended")
    ]] }
    assert.equal("went on\nand ended\n", out.stdout)
    assert.truthy(out.stderr:find("error[lua]: broken", 1, true))
    assert.equal(1, out.status)
  end)
end)

describe("defer", function()
  it("runs last in, first out, after the children have ended", function()
    local order = {}
    @scope(function(s)
      for i = 1, 3 do s:defer(function() table.insert(order, i) end) end
      s:spawn(function()
        @yield()
        table.insert(order, "child")
      end)
    end)
    assert.same({ "child", 3, 2, 1 }, order)
  end)

  it("runs after a failure and after a cancel, and may wait", function()
    local ran = 0
    local function body(s)
      s:defer(function()
        @sleep("1ms")
        ran = ran + 1
      end)
    end
    fails(function() @scope(function(s) body(s) error("x") end) end)
    @scope(function(s) body(s) s:cancel() end)
    fails(function() @scope({ timeout = "1ms" }, function(s) body(s) @sleep("1h") end) end)
    assert.equal(3, ran)
  end)

  it("raises an error of its own, and the other finalizers run all the same", function()
    local ran = false
    local e = fails(function()
      @scope(function(s)
        s:defer(function() ran = true end)
        s:defer(function() error("two", 0) end)
        s:defer(function() error("one", 0) end)
      end)
    end)
    assert.equal("one", e.value)
    assert.equal("two", e.suppressed[1].value)
    assert.is_true(ran)
  end)

  it("adds its error to one that was there before", function()
    local e = fails(function()
      @scope(function(s)
        s:defer(function() error("late", 0) end)
        @async(function() error("first", 0) end):await()
      end)
    end)
    assert.equal("first", e.value)
    assert.equal("late", e.suppressed[1].value)
  end)

  it("has the scope's grace, and then is cancelled", function()
    local seen, rest
    local e = fails(function()
      @scope({ grace = "1ms" }, function(s)
        s:defer(function() rest = true end)
        s:defer(function()
          local ok, why = pcall(function() @sleep("1h") end)
          seen = not ok and why.kind
        end)
      end)
    end)
    assert.equal("timeout", e.kind)
    assert.equal("cancelled", seen)
    assert.is_true(rest)
  end)

  it("fails by a child of its own, and the other finalizers may still wait", function()
    local given_back
    local e = fails(@scope, function(s)
      s:defer(function()
        @yield()
        given_back = true
      end)
      s:defer(function() @spawn(error, { kind = "mine" }) end)
    end)
    assert.equal("mine", e.kind)
    assert.is_true(given_back)
  end)

  it("loses no failure when a later one takes longer than the grace", function()
    local e = fails(@scope, { grace = "1ms" }, function(s)
      s:defer(function() @sleep "1h" end)
      s:defer(function() error({ kind = "mine" }) end)
    end)
    assert.equal("timeout", e.kind)
    assert.equal("mine", e.suppressed[1].kind)
  end)

  it("may raise what the body has raised: that is not its own `suppressed`", function()
    local mine = { kind = "mine" }
    local e = fails(@scope, function(s)
      s:defer(function() error(mine) end)
      error(mine)
    end)
    assert.equal(mine, e)
    assert.is_nil(e.suppressed)
  end)

  it("may start tasks in the scope, which waits for them, and defer more", function()
    local order = {}
    @scope(function(s)
      s:defer(function()
        s:spawn(function()
          @sleep("1ms")
          table.insert(order, "child")
          s:defer(function() table.insert(order, "more") end)
        end)
        table.insert(order, "finalizer")
      end)
    end)
    assert.same({ "finalizer", "child", "more" }, order)
  end)

  it("is not disturbed by a cancel that comes while it runs", function()
    local finished = false
    @scope(function(outer)
      local task = outer:spawn(function()
        @scope(function(s)
          s:defer(function()
            @sleep("1ms")
            finished = true
          end)
        end)
      end)
      task:cancel()
    end)
    assert.is_true(finished)
  end)
end)

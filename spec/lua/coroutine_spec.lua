-- The user's own coroutines, with operators inside.

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function collect(next_item)
  local list = {}
  for item in next_item do list[#list + 1] = item end
  return list
end

local function numbers(n, wait)
  return coroutine.wrap(function()
    for i = 1, n do
      (wait or @yield)()
      coroutine.yield(i)
    end
  end)
end

describe("a generator", function()
  it("may wait between its items; the consumer sees only them", function()
    assert.same({ 1, 2, 3 }, collect(numbers(3, function() @sleep("1ms") end)))
  end)

  it("may read a generator that waits", function()
    local doubled = coroutine.wrap(function()
      for i in numbers(4) do
        @yield()
        coroutine.yield(i * 2)
      end
    end)
    assert.same({ 2, 4, 6, 8 }, collect(doubled))
  end)

  it("may wait in a metamethod, a pcall and an iterator", function()
    local lazy = setmetatable({}, {
      __index = function(_, key)
        @yield()
        return key .. "!"
      end,
      __add = function(_, b)
        @yield()
        return b
      end,
    })
    local got = collect(coroutine.wrap(function()
      local ok, v = pcall(function() return lazy.x end)
      coroutine.yield(ok and v)
      for i in numbers(2) do coroutine.yield(lazy + i) end
    end))
    assert.same({ "x!", 1, 2 }, got)
  end)

  it("lets others run while it waits", function()
    local order = {}
    @scope(function(s)
      s:spawn(function()
        for i in numbers(2) do table.insert(order, i) end
      end)
      s:spawn(function() table.insert(order, "other") end)
    end)
    assert.same({ "other", 1, 2 }, order)
  end)

  it("keeps the place and the operator of an error", function()
    local e = fails(collect, coroutine.wrap(function()
      @yield()
      @map({}, print, { concurrency = 0 })
    end))
    assert.equal("argument", e.kind)
    assert.equal("map", e.op)
    assert.equal(debug.getinfo(1, "l").currentline - 4, e.site.line)
  end)

  it("is cancelled where it waits", function()
    local seen
    @scope(function(s)
      local task = s:spawn(function()
        collect(coroutine.wrap(function() seen = fails(function() @sleep("1h") end) end))
      end)
      task:cancel()
    end)
    assert.equal("cancelled", seen.kind)
  end)

  it("may be handed from task to task", function()
    local next_item, got = numbers(4), {}
    for _ = 1, 4 do
      @async(function() table.insert(got, (next_item())) end):await()
    end
    assert.same({ 1, 2, 3, 4 }, got)
  end)

  it("passes many values in and out across a wait", function()
    local co = coroutine.create(function(...)
      @yield()
      local n = select("#", coroutine.yield(select("#", ...), nil))
      @yield()
      return n, nil
    end)
    assert.same({ true, 3 }, { coroutine.resume(co, nil, nil, nil) })
    assert.same({ true, 2 }, { coroutine.resume(co, nil, nil) })
    assert.equal("dead", coroutine.status(co))
  end)
end)

describe("coroutine.resume", function()
  it("gives false and the error", function()
    local mine = {}
    local co = coroutine.create(function()
      @yield()
      error(mine)
    end)
    local ok, e = coroutine.resume(co)
    assert.is_false(ok)
    assert.is_true(rawequal(mine, e))
    assert.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(co) })
  end)

  it("refuses one that waits in an operator, whose status is normal", function()
    local co = coroutine.create(function() @sleep("1ms") end)
    @scope(function(s)
      s:spawn(coroutine.resume, co)
      assert.equal("normal", coroutine.status(co))
      assert.same({ false, "cannot resume coroutine: it waits in an operator" }, { coroutine.resume(co) })
      assert.truthy(debug.traceback(co):find("coroutine_spec"))
    end)
    assert.equal("dead", coroutine.status(co))
  end)

  it("refuses the coroutine of a task", function()
    @scope(function(s)
      local co
      local task = s:spawn(function()
        co = coroutine.running()
        @yield()
        return "fine"
      end)
      assert.same({ false, "cannot resume coroutine: it is a task" }, { coroutine.resume(co) })
      assert.equal("fine", task:await())
    end)
  end)

  it("leaves running and isyieldable as they are", function()
    local co
    co = coroutine.create(function()
      @yield()
      return coroutine.running() == co, coroutine.isyieldable(), coroutine.status(co)
    end)
    assert.same({ true, true, true, "running" }, { coroutine.resume(co) })
  end)
end)

describe("a scope that a generator has open", function()
  local function rows(body)
    return coroutine.wrap(function()
      @scope(function(s)
        if body then body(s) end
        for i = 1, 3 do
          coroutine.yield(i)
          @yield()
        end
      end)
    end)
  end

  it("is not its consumer's", function()
    local next_row = rows()
    local function one(s)
      next_row()
      return s:spawn(function() @yield() return "consumer's" end):await()
    end
    assert.equal("consumer's", @scope(one))
    assert.equal("consumer's", @scope(one))
    assert.same({ 3 }, collect(next_row))
  end)

  it("is left alone by one who resumes it while it runs", function()
    local co, inside
    co = coroutine.create(function()
      @scope(function(s)
        inside = { coroutine.resume(co) }
        s:spawn(function() @yield() end)
      end)
      return "fine"
    end)
    assert.same({ true, "fine" }, { coroutine.resume(co) })
    assert.same({ false, "cannot resume running coroutine" }, inside)
  end)

  it("may be interleaved with that of another", function()
    local a, b, got = rows(), rows(), {}
    for _ = 1, 3 do
      @timeout("1h", function()
        table.insert(got, a())
        table.insert(got, b())
      end)
    end
    assert.same({ 1, 1, 2, 2, 3, 3 }, got)
    assert.is_nil(a())
    assert.is_nil(b())
  end)

  it("is cancelled with whoever resumes it", function()
    local next_row = coroutine.wrap(function()
      @scope(function()
        coroutine.yield(1)
        @sleep("1h")
      end)
    end)
    next_row()
    assert.equal("timeout", fails(function() @timeout("1ms", next_row) end).kind)
  end)

  it("has its own deadline, seen when it runs again", function()
    local next_row = coroutine.wrap(function()
      @timeout("1ms", function()
        coroutine.yield(1)
        @sleep("1h")
      end)
    end)
    next_row()
    @sleep("2ms")
    assert.equal("timeout", fails(next_row).kind)
  end)

  it("ends with its children when the generator is dropped", function()
    local seen
    @scope(function(s)
      local child = function() seen = fails(function() @sleep("1h") end) end
      s:spawn(function()
        local next_row = rows(function(inner) inner:spawn(child) end)
        next_row()
      end)
    end)
    assert.equal("cancelled", seen.kind)
  end)

  it("ends when the generator is collected", function()
    local seen
    rows(function(s) s:spawn(function() seen = fails(function() @sleep("1h") end) end) end)()
    for _ = 1, 3 do
      collectgarbage()
      @yield()
    end
    assert.equal("cancelled", seen.kind)
  end)

  it("may be run to its end by another task, unless its own has ended", function()
    local next_row = rows()
    @async(function()
      assert.equal(1, next_row())
      assert.same({ 2, 3 }, @async(collect, next_row):await())
    end):await()
    local left = rows()
    @async(left):await()
    assert.equal("cancelled", fails(left).kind)
  end)

  it("raises in the generator what its child fails with", function()
    local next_row = rows(function(s)
      s:spawn(function()
        @yield()
        error("child", 0)
      end)
    end)
    next_row()
    @yield()
    assert.equal("child", fails(next_row).value)
  end)
end)

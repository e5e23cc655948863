-- @semaphore: so many at once, and no more.

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function values(...)
  return { n = select("#", ...), ... }
end

local function never()
  @sleep("1h")
end

describe("@semaphore", function()
  it("lets so many in, and the others wait", function()
    local sem, running, most = @semaphore(3), 0, 0
    @scope(function(s)
      for _ = 1, 10 do
        s:spawn(sem.with, sem, function()
          running = running + 1
          most = math.max(most, running)
          @yield()
          running = running - 1
        end)
      end
    end)
    assert.equal(3, most)
    assert.equal(3, sem.available)
    assert.equal(3, sem.size)
  end)

  it("passes arguments and all results through", function()
    local sem = @semaphore(1)
    assert.same({ n = 3, 3, nil, 4 }, values(sem:with(function(a, b) return a + b, nil, 4 end, 1, 2)))
    assert.same({ n = 0 }, values(sem:with(function() end)))
  end)

  it("says how many wait, without those who have been served or have left", function()
    local sem = @semaphore(1)
    @scope(function(s)
      local lease = sem:acquire()
      local gone = s:spawn(sem.with, sem, never)
      s:spawn(sem.with, sem, @yield)
      assert.equal(2, sem.waiting)
      gone:cancel()
      @yield()
      assert.equal(1, sem.waiting)
      lease:release()
      assert.equal(0, sem.waiting)
    end)
    assert.same({ 0, 1 }, { sem.waiting, sem.available })
  end)

  it("serves those who wait in the order they came", function()
    local sem, order = @semaphore(1), {}
    @scope(function(s)
      for i = 1, 5 do
        s:spawn(function()
          sem:with(function()
            table.insert(order, i)
            @yield()
          end)
        end)
      end
    end)
    assert.same({ 1, 2, 3, 4, 5 }, order)
  end)

  it("lets nobody pass those who wait", function()
    local sem, order = @semaphore(1), {}
    @scope(function(s)
      local lease = sem:acquire()
      s:spawn(sem.with, sem, function() table.insert(order, "waited") end)
      lease:release()
      assert.equal(0, sem.available)
      assert.is_nil(sem:try_acquire())
      sem:with(function() table.insert(order, "came later") end)
    end)
    assert.same({ "waited", "came later" }, order)
  end)

  it("gets the permit back when the function fails, and raises the same error", function()
    local sem, mine = @semaphore(1), { "mine" }
    assert.is_true(rawequal(mine, fails(sem.with, sem, function() error(mine) end)))
    assert.equal(1, sem.available)
  end)

  it("gets the permit back when the holder is cancelled or timed out", function()
    local sem = @semaphore(1)
    @scope(function(s)
      local task = s:spawn(sem.with, sem, never)
      assert.equal(0, sem.available)
      task:cancel()
    end)
    assert.equal(1, sem.available)
    assert.equal("timeout", fails(@(@timeout("1ms", sem.with, sem, never))).kind)
    assert.equal(1, sem.available)
  end)

  it("keeps its permits when who waits is cancelled", function()
    local sem, e = @semaphore(1), nil
    @scope(function(s)
      local lease = sem:acquire()
      local waiting = s:spawn(function() e = fails(sem.with, sem, never) end)
      waiting:cancel()
      @yield()
      lease:release()
    end)
    assert.equal("cancelled", e.kind)
    assert.equal(1, sem.available)
  end)

  it("gives the permit to who was woken before being cancelled, and gets it back", function()
    local sem, ran = @semaphore(1), false
    @scope(function(s)
      local lease = sem:acquire()
      local waiting = s:spawn(sem.with, sem, function()
        ran = true
        @yield()
      end)
      lease:release()
      waiting:cancel()
    end)
    assert.is_true(ran)
    assert.equal(1, sem.available)
  end)

  it("works inside one's own coroutines", function()
    local sem = @semaphore(1)
    local each = coroutine.wrap(function()
      sem:with(function()
        coroutine.yield(sem.available)
        @yield()
      end)
      coroutine.yield(sem.available)
    end)
    assert.same({ 0, 1 }, { each(), each() })
  end)

  -- Whatever is cancelled, never are there too many at once, and in the end all permits are back.
  it("loses and invents no permit, whoever is cancelled, whenever", function()
    math.randomseed(3)
    for round = 1, 30 do
      local size = round % 4 + 1
      local sem, inside, done = @semaphore(size), 0, 0
      @scope(function(s)
        local tasks = {}
        local function hold()
          inside = inside + 1
          assert(inside <= size)
          local ok, e = pcall(function() for _ = 1, math.random(0, 3) do @yield() end end)
          inside = inside - 1
          done = done + 1
          if not ok then error(e, 0) end
        end
        local function use()
          for _ = 1, 5 do
            local how = math.random(4)
            if how == 1 then
              local lease = sem:acquire()
              local ok, e = pcall(hold)
              lease:release()
              lease:release()
              if not ok then error(e, 0) end
            elseif how == 2 then
              @try(function() sem:acquire({ timeout = math.random(0, 1) / 1e4 }):release() end)
            else
              sem:with(hold)
            end
          end
        end
        for i = 1, 15 do tasks[i] = s:spawn(use) end
        for _ = 1, 30 do
          if math.random(3) == 1 then tasks[math.random(#tasks)]:cancel() end
          @yield()
        end
        if round % 2 == 0 then s:cancel() end
      end)
      assert.equal(0, inside)
      assert.equal(size, sem.available)
      assert.is_true(done > 0)
    end
  end)
end)

describe("a lease", function()
  it("gives its permit back once", function()
    local sem = @semaphore(2)
    local lease = sem:acquire()
    assert.equal(1, sem.available)
    lease:release()
    lease:release()
    assert.equal(2, sem.available)
  end)

  it("is had at once or not at all", function()
    local sem = @semaphore(1)
    local lease = sem:try_acquire()
    assert.is_nil(sem:try_acquire())
    lease:release()
    assert.is_truthy(sem:try_acquire())
  end)

  it("is waited for no longer than asked", function()
    local sem = @semaphore(1)
    local lease = sem:acquire()
    assert.equal("timeout", fails(sem.acquire, sem, { timeout = "1ms" }).kind)
    lease:release()
    assert.equal(1, sem.available)
  end)

  it("that is dropped gives its permit back when it is collected", function()
    local sem, got = @semaphore(1), false;
    (function() sem:acquire() end)()
    @scope(function(s)
      s:spawn(sem.with, sem, function() got = true end)
      collectgarbage()
      collectgarbage()
    end)
    assert.is_true(got)
    assert.equal(1, sem.available)
  end)
end)

describe("misuse of a semaphore", function()
  it("is refused", function()
    for _, bad in ipairs { 0, -1, 1.5, "2", {} } do
      local e = fails(@(@semaphore(bad)))
      assert.equal("argument", e.kind)
      assert.equal("size", e.argument)
      assert.equal("semaphore", e.op)
    end
    assert.equal("argument", fails(@(@semaphore())).kind)
    local sem = @semaphore(1)
    assert.equal("argument", fails(sem.with, sem).kind)
    assert.equal("argument", fails(sem.acquire, sem, { timeot = 1 }).kind)
    assert.equal(1, sem.available)
  end)

  it("where nothing can wait is refused, and takes no permit", function()
    local sem, e = @semaphore(1), nil;
    ("a"):gsub(".", function() e = fails(sem.acquire, sem) end)
    assert.is_truthy(tostring(e.message):find("string.gsub", 1, true))
    assert.equal(1, sem.available)
  end)
end)

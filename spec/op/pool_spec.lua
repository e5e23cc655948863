-- @pool: what is dear to open, used by one task at a time, and used again.

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

-- A pool of numbered things that notes what is opened and closed.
local function things(opts)
  local log = { opened = 0, closed = {}, open = 0, most = 0 }
  opts = opts or {}
  opts.open = opts.open or function()
    log.opened = log.opened + 1
    log.open = log.open + 1
    log.most = math.max(log.most, log.open)
    return { id = log.opened }
  end
  opts.close = opts.close or function(thing)
    assert(not thing.closed)
    thing.closed = true
    log.open = log.open - 1
    table.insert(log.closed, thing.id)
  end
  return @pool(opts), log
end

local function id(thing)
  return thing.id
end

describe("@pool", function()
  it("opens when needed, and uses again what came back", function()
    local pool, log = things()
    assert.equal(0, log.opened)
    assert.equal(1, pool:with(id))
    assert.equal(1, pool:with(id))
    assert.equal(1, log.opened)
    assert.same({ in_use = 0, idle = 1, max = 10 }, pool:stats())
  end)

  it("passes arguments and all results through", function()
    local pool = things()
    assert.same({ n = 3, 1, nil, "x" }, values(pool:with(function(thing, x) return thing.id, nil, x end, "x")))
  end)

  it("opens no more than max; others wait, in order", function()
    local pool, log = things { max = 2 }
    local order = {}
    @scope(function(s)
      for i = 1, 6 do
        s:spawn(pool.with, pool, function()
          table.insert(order, i)
          @yield()
        end)
      end
      assert.same({ in_use = 2, idle = 0, max = 2 }, pool:stats())
    end)
    assert.same({ 1, 2, 3, 4, 5, 6 }, order)
    assert.equal(2, log.opened)
  end)

  it("never gives one thing to two tasks", function()
    local pool = things { max = 3, open = function()
      @yield()
      return {}
    end }
    @scope(function(s)
      for _ = 1, 12 do
        s:spawn(pool.with, pool, function(thing)
          assert.is_nil(thing.used)
          thing.used = true
          @yield()
          thing.used = nil
        end)
      end
    end)
  end)

  it("prefers what was used last", function()
    local pool = things()
    pool:with(function() pool:with(id) end)
    assert.equal(1, pool:with(id))
  end)

  it("closes what its holder failed with, and raises the same error", function()
    local pool, log = things()
    local mine = { "mine" }
    assert.is_true(rawequal(mine, fails(pool.with, pool, function() error(mine) end)))
    assert.same({ 1 }, log.closed)
    assert.equal(2, pool:with(id))
  end)

  it("closes what its holder was cancelled or timed out with", function()
    local pool, log = things { max = 1 }
    @scope(function(s) s:spawn(pool.with, pool, never):cancel() end)
    assert.same({ 1 }, log.closed)
    assert.equal("timeout", fails(@(@timeout("1ms", pool.with, pool, never))).kind)
    assert.same({ 1, 2 }, log.closed)
    assert.equal(3, pool:with(id))
  end)

  it("lets close wait, even in a cancelled task", function()
    local closed
    local pool = things { close = function()
      @sleep("1ms")
      closed = true
    end }
    @scope(function(s) s:spawn(pool.with, pool, never):cancel() end)
    assert.is_true(closed)
  end)

  it("keeps a failure of close with what the holder failed with", function()
    local pool = things { close = function() error("in close", 0) end }
    local e = fails(function()
      pool:with(function() require("tusk.errors").raise("mine", "in use") end)
    end)
    assert.equal("mine", e.kind)
    assert.equal("in close", e.suppressed[1].message)
  end)

  it("has its permit back when open fails", function()
    local broken = true
    local pool = things { max = 1, open = function()
      if broken then error("no", 0) end
      return { id = 7 }
    end }
    assert.equal("no", fails(pool.with, pool, id))
    broken = false
    assert.equal(7, pool:with(id))
  end)

  it("refuses an open that returns nothing", function()
    assert.equal("pool", fails(function() @pool { open = function() end }:with(id) end).kind)
  end)

  it("gives only what the check finds good", function()
    local pool, log = things { check = function(thing) return not thing.bad end }
    pool:with(function(thing) thing.bad = true end)
    assert.equal(2, pool:with(id))
    assert.same({ 1 }, log.closed)
    assert.equal(2, pool:with(id))
  end)

  it("takes a check that fails for a no", function()
    local pool, log = things { check = function() error("broken") end }
    pool:with(id)
    assert.equal(2, pool:with(id))
    assert.same({ 1 }, log.closed)
  end)

  it("closes what it was checking when cancelled", function()
    local pool, log = things { check = never }
    pool:with(id)
    @scope(function(s) s:spawn(pool.with, pool, id):cancel() end)
    assert.same({ 1 }, log.closed)
    assert.same({ in_use = 0, idle = 0, max = 10 }, pool:stats())
  end)

  it("closes what has lain too long, or is too old", function()
    for _, option in ipairs { "idle", "max_age" } do
      local pool, log = things { [option] = "1ms" }
      pool:with(id)
      @sleep("2ms")
      assert.equal(2, pool:with(id))
      assert.equal(1, log.closed[1])
    end
    local pool, log = things { max_age = 0 }
    pool:with(id)
    assert.same({ 1 }, log.closed)
  end)

  it("works without close", function()
    local pool = @pool { open = function() return {} end }
    pool:with(function() end)
    fails(pool.with, pool, function() error("x") end)
    pool:close()
    assert.equal(0, pool:stats().idle)
  end)
end)

describe("a closed pool", function()
  it("has closed what lay in it, and closes what comes back", function()
    local pool, log = things()
    pool:with(function()
      pool:with(id)
      pool:close()
      assert.same({ 2 }, log.closed)
    end)
    assert.same({ 2, 1 }, log.closed)
    pool:close()
    assert.equal(0, log.open)
  end)

  it("refuses who comes, and who waits", function()
    local pool = things { max = 1 }
    local kinds = {}
    @scope(function(s)
      s:spawn(pool.with, pool, function() @sleep("1ms") end)
      for i = 1, 3 do s:spawn(function() kinds[i] = fails(pool.with, pool, id).kind end) end
      pool:close()
      assert.equal("closed", fails(pool.with, pool, id).kind)
    end)
    assert.same({ "closed", "closed", "closed" }, kinds)
    assert.same({ in_use = 0, idle = 0, max = 1 }, pool:stats())
  end)
end)

describe("a pool under cancellation", function()
  -- Whatever is cancelled: never more than max open, and at the end all are idle or closed.
  it("loses nothing, whoever is cancelled, whenever", function()
    math.randomseed(5)
    for round = 1, 30 do
      local pool, log
      local function sometimes_waits()
        if math.random(2) == 1 then @yield() end
      end
      local max = round % 3 + 1
      pool, log = things { max = max, check = function()
        sometimes_waits()
        return math.random(4) > 1
      end }
      local open, close = pool.open, pool.close_one
      function pool.open()
        sometimes_waits()
        return open()
      end
      function pool.close_one(thing)
        sometimes_waits()
        close(thing)
      end
      @scope(function(s)
        local tasks = {}
        for i = 1, 12 do
          tasks[i] = s:spawn(function()
            for _ = 1, 6 do
              @try(pool.with, pool, function(thing)
                assert(not thing.used and not thing.closed)
                thing.used = true
                sometimes_waits()
                if math.random(5) == 1 then error("x") end
                thing.used = nil
              end)
            end
          end)
        end
        for _ = 1, 30 do
          if math.random(3) == 1 then tasks[math.random(#tasks)]:cancel() end
          @yield()
        end
        if round % 2 == 0 then s:cancel() end
      end)
      local stats = pool:stats()
      assert.equal(0, stats.in_use)
      assert.equal(log.open, stats.idle)
      assert.is_true(log.most <= max)
      assert.equal(max, pool.gate.available)
      pool:close()
      assert.equal(0, log.open)
    end
  end)
end)

describe("misuse of a pool", function()
  it("is refused", function()
    local function refused(argument, opts)
      local e = fails(@(@pool(opts)))
      assert.equal("argument", e.kind)
      assert.equal("pool", e.op)
      assert.equal(argument, e.argument)
    end
    refused("options", nil)
    refused("open", {})
    refused("open", { open = 1 })
    refused("close", { open = print, close = 1 })
    refused("check", { open = print, check = 1 })
    refused("max", { open = print, max = 0 })
    refused("max", { open = print, max = "2" })
    refused("idle", { open = print, idle = "soon" })
    refused("maximum", { open = print, maximum = 1 })
    local pool = things()
    assert.equal("argument", fails(pool.with, pool).kind)
  end)
end)

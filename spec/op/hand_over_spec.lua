-- Channels, selects, semaphores, pools and races, cancelled at every point and run in many orders.
local test = require "tusk.test"

-- ---- a pipe: two senders, a receiver and a select, over two channels ----

local function new_pipe(capacity)
  return function()
    return { a = @channel(capacity), b = @channel(), sent = {}, got = {} }
  end
end

local function sender(pipe, ch, first)
  for i = first, first + 3 do
    ch:send(i)
    pipe.sent[i] = true
  end
end

local function took(pipe, v)
  pipe.got[v] = (pipe.got[v] or 0) + 1
end

local function pump(pipe)
  @scope(function(s)
    s:spawn(function() for v in pipe.a do took(pipe, v) end end)
    s:spawn(function()
      while true do
        local name, v, closed = @select { a = pipe.a, b = pipe.b, timeout = "1h" }
        if name == "timeout" or closed then return end
        took(pipe, v)
      end
    end)
    @all(function() sender(pipe, pipe.a, 10) end, function() sender(pipe, pipe.b, 20) end)
    pipe.a:close()
    pipe.b:close()
  end)
end

-- What was sent was received once, or lies in a buffer; and nothing else was.
local function is_whole(pipe)
  for _, ch in ipairs { pipe.a, pipe.b } do
    repeat
      local v = ch:try_recv()
      if v then took(pipe, v) end
    until not v
  end
  for v in pairs(pipe.sent) do assert.equal(1, pipe.got[v]) end
  for v in pairs(pipe.got) do assert.is_true(pipe.sent[v]) end
end

describe("channels and selects", function()
  for _, capacity in ipairs { 0, 1, 5 } do
    it("with a buffer of " .. capacity .. " lose nothing when cancelled at any point", function()
      test.clock(function() test.sweep(pump, { setup = new_pipe(capacity), check = is_whole }) end)
    end)

    it("with a buffer of " .. capacity .. " hand over everything in any order of the tasks", function()
      for seed = 1, 60 do
        test.seed(seed, function()
          local pipe = new_pipe(capacity)()
          test.clock(pump, pipe)
          is_whole(pipe)
          local n = 0
          for _ in pairs(pipe.got) do n = n + 1 end
          assert.equal(8, n)
        end)
      end
    end)
  end
end)

-- ---- permits ----

local function share(state)
  @scope(function(s)
    for _ = 1, 4 do
      s:spawn(function()
        state.sem:with(function()
          @sleep("1s")
          state.pool:with(@(@sleep("1s")))
        end)
        @try(function() state.sem:acquire({ timeout = "500ms" }):release() end)
      end)
    end
  end)
end

local function new_share()
  local state = { open = 0 }
  state.sem = @semaphore(2)
  state.pool = @pool {
    open = function()
      @sleep("10ms")
      state.open = state.open + 1
      return { good = true }
    end,
    check = function(thing)
      @sleep("10ms")
      return thing.good
    end,
    close = function(thing)
      @sleep("10ms")
      assert(thing.good)
      thing.good = false
      state.open = state.open - 1
    end,
    max = 1,
  }
  return state
end

local function all_is_back(state)
  assert.equal(2, state.sem.available)
  local stats = state.pool:stats()
  assert.equal(0, stats.in_use)
  assert.equal(state.open, stats.idle)
  assert.is_true(state.open <= 1)
end

describe("semaphores and pools", function()
  it("have everything back when cancelled at any point", function()
    test.clock(function() test.sweep(share, { setup = new_share, check = all_is_back }) end)
  end)

  it("have everything back in any order of the tasks", function()
    for seed = 1, 30 do
      test.seed(seed, function()
        local state = new_share()
        test.clock(share, state)
        all_is_back(state)
      end)
    end
  end)
end)

-- ---- races ----

local function wait(duration, value)
  return function()
    @sleep(duration)
    return value
  end
end

describe("races", function()
  it("leave nothing behind when cancelled at any point", function()
    test.clock(function()
      test.sweep(function()
        assert.equal("fast", (@race(wait("2s"), wait("1s", "fast"), @async(wait("3s")))))
        assert.equal("good", (@any(function()
          @sleep("1s")
          error("bad")
        end, wait("2s", "good"), wait("1h"))))
        @batch({ 1, 2, 3 }, 2, wait("1s"))
      end)
    end)
  end)
end)

describe("watches and ticks", function()
  it("stand in no line when cancelled at any point", function()
    test.clock(function()
      test.sweep(function(w)
        local tick = @every("1s")
        @all(function()
          local name = @select { w = w, tick = tick }
          assert.equal("tick", name)
          assert.equal("new", w:changed())
          assert.equal("tick", (@select { w = w, tick = tick, timeout = "1h" }))
        end, function()
          @sleep("1500ms")
          w:set("new")
        end)
      end, { setup = function() return @watch("old") end, check = function(w)
        w:set("later")
        assert.equal("later", w:get())
      end })
    end)
  end)
end)

-- @select: the first of several things.
local tusk = require "tusk"

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

-- A channel with these values in it.
local function filled(...)
  local ch = @channel(select("#", ...))
  for _, v in ipairs { ... } do ch:send(v) end
  return ch
end

describe("@select", function()
  it("takes what is there, and gives name and value", function()
    local a, b = @channel(1), filled("x")
    assert.same({ n = 2, "b", "x" }, values(@select { a = a, b = b }))
    assert.equal(0, #b)
  end)

  it("waits for the first value to come", function()
    local a, b, got = @channel(), @channel(), nil
    @scope(function(s)
      s:spawn(function() got = values(@select { a = a, b = b }) end)
      b:send("value")
      assert.is_false(a:try_send("too late"))
      assert.is_false(b:try_send("too late"))
    end)
    assert.same({ n = 2, "b", "value" }, got)
  end)

  it("hands over false", function()
    local a, got = @channel(), nil
    @scope(function(s)
      s:spawn(function() got = values(@select { a = a }) end)
      a:send(false)
    end)
    assert.same({ n = 2, "a", false }, got)
    assert.same({ n = 2, "a", false }, values(@select { a = filled(false) }))
  end)

  it("leaves the others' values where they are", function()
    local a, b = filled(1, 2), filled(3, 4)
    local sum = 0
    for _ = 1, 4 do
      local _, v = @select { a = a, b = b }
      sum = sum + v
    end
    assert.equal(10, sum)
    assert.equal(0, #a + #b)
  end)

  it("takes from a sender that waits", function()
    local a, sent, name, v = @channel(), false, nil, nil
    @scope(function(s)
      s:spawn(function()
        a:send("x")
        sent = true
      end)
      name, v = @select { a = a, b = @channel() }
    end)
    assert.same({ "a", "x", true }, { name, v, sent })
  end)

  it("stands in line behind those who came before", function()
    local a, b, order = @channel(), @channel(), {}
    @scope(function(s)
      s:spawn(function() table.insert(order, "first " .. a:recv()) end)
      s:spawn(function() table.insert(order, "select " .. (select(2, @select { a = a, b = b }))) end)
      s:spawn(function() table.insert(order, "last " .. a:recv()) end)
      for i = 1, 3 do a:send(i) end
    end)
    assert.same({ "first 1", "select 2", "last 3" }, order)
  end)

  it("gives nil and closed for a channel that is or gets closed", function()
    local a, got = @channel(), nil
    @scope(function(s)
      s:spawn(function() got = values(@select { a = a, b = @channel() }) end)
      a:close()
    end)
    assert.same({ n = 3, "a", nil, "closed" }, got)
    assert.same({ n = 3, "a", nil, "closed" }, values(@select { a = a }))
  end)

  it("raises what a channel was closed with", function()
    local a, mine, seen = @channel(), { "mine" }, nil
    @scope(function(s)
      s:spawn(function() seen = fails(@(@select { a = a })) end)
      a:close(mine)
    end)
    assert.is_true(rawequal(mine, seen))
    assert.is_true(rawequal(mine, fails(@(@select { a = a }))))
  end)

  it("may be given the same channel twice", function()
    local a, got = @channel(), nil
    @scope(function(s)
      s:spawn(function() got = values(@select { { a, "first" }, { a, "second" } }) end)
      a:send(1)
      assert.is_false(a:try_send(2))
    end)
    assert.same({ n = 2, "first", 1 }, got)
  end)

  it("works inside one's own coroutines", function()
    local a, b, got = @channel(), @channel(), {}
    @scope(function(s)
      s:spawn(function()
        local both = coroutine.wrap(function()
          for _ = 1, 2 do
            local name, v = @select { a = a, b = b }
            coroutine.yield(name .. v)
          end
        end)
        got = { both(), both() }
      end)
      b:send(1)
      a:send(2)
    end)
    assert.same({ "b1", "a2" }, got)
  end)

  it("keeps alive what it waits for", function()
    local got
    @scope(function(s)
      local weak = setmetatable({}, { __mode = "v" })
      s:spawn(function()
        local function make()
          local ch = @channel()
          weak[1] = ch
          return ch
        end
        got = values(@select { a = make(), b = @channel() })
      end)
      collectgarbage()
      collectgarbage()
      weak[1]:send({ 7 })
      collectgarbage()
    end)
    assert.same({ n = 2, "a", { 7 } }, got)
  end)
end)

describe("@select among what is ready", function()
  local function picks(rounds)
    local counts = {}
    for _ = 1, rounds do
      local name = @select { a = filled(1), b = filled(1), c = filled(1) }
      counts[name] = (counts[name] or 0) + 1
    end
    return counts
  end

  it("is fair", function()
    local counts = picks(600)
    for _, name in ipairs { "a", "b", "c" } do assert.is_true(counts[name] > 100) end
  end)

  it("picks in the same way from the same seed", function()
    local function names()
      local list = {}
      for i = 1, 50 do list[i] = (@select { a = filled(1), b = filled(1), c = filled(1) }) end
      return table.concat(list)
    end
    tusk.select_seed(42)
    local once = names()
    tusk.select_seed(42)
    assert.equal(once, names())
    tusk.select_seed(43)
    assert.not_equal(once, names())
  end)

  it("takes the first of a list", function()
    for _ = 1, 20 do
      assert.equal("b", (@select { { @channel(), "a" }, { filled(1), "b" }, { filled(1), "c" } }))
    end
  end)
end)

describe("a task as a case of @select", function()
  it("gives its first value, now or when it ends", function()
    local done = @async(function() return "v", "w" end)
    assert.same({ n = 2, "done", "v" }, values(@select { done = done, other = @channel() }))
    local gate, got = @channel(), nil
    @scope(function(s)
      local task = s:async(function() return gate:recv() end)
      s:spawn(function() got = values(@select { task = task, other = @channel() }) end)
      gate:send("later")
    end)
    assert.same({ n = 2, "task", "later" }, got)
  end)

  it("raises what it failed with, and task_cancelled if somebody cancelled it", function()
    local mine = { "mine" }
    @scope(function(s)
      local bad = s:async(function() error(mine) end)
      assert.is_true(rawequal(mine, fails(@(@select { bad = bad }))))
      local slow = s:async(never)
      local waiting = s:async(@(@select { slow = slow }))
      slow:cancel()
      assert.equal("task_cancelled", fails(waiting.await, waiting).kind)
    end)
  end)

  it("goes on when another case comes first", function()
    local gate, ch = @channel(), filled("x")
    @scope(function(s)
      local task = s:async(function() return gate:recv() end)
      assert.equal("ch", (@select { task = task, ch = ch }))
      gate:send("value")
      assert.equal("value", task:await())
    end)
  end)
end)

describe("@select with a timeout", function()
  it("gives its name when that has passed", function()
    local a = @channel()
    assert.same({ n = 1, "timeout" }, values(@select { a = a, timeout = "1ms" }))
    assert.is_false(a:try_send(1))
  end)

  it("of nothing only looks", function()
    assert.same({ n = 1, "timeout" }, values(@select { a = @channel(), timeout = 0 }))
    assert.same({ n = 2, "a", 1 }, values(@select { { filled(1), "a" }, timeout = 0 }))
  end)

  it("gives what came before", function()
    local a, got = @channel(), nil
    @scope(function(s)
      s:spawn(function() got = values(@select { a = a, timeout = "1h" }) end)
      a:send(5)
    end)
    assert.same({ n = 2, "a", 5 }, got)
  end)

  it("without cases waits for that", function()
    assert.same({ n = 1, "timeout" }, values(@select { timeout = "1ms" }))
  end)
end)

describe("@select, cancelled", function()
  it("while it waits, leaves every line and takes nothing", function()
    local a, b, e = @channel(), @channel(), nil
    @scope(function(s)
      local task = s:spawn(function() e = fails(@(@select { a = a, b = b, timeout = "1h" })) end)
      task:cancel()
    end)
    assert.equal("cancelled", e.kind)
    assert.is_false(a:try_send(1))
    assert.is_false(b:try_send(1))
  end)

  it("after the value has come, has it", function()
    local a, got = @channel(), nil
    @scope(function(s)
      local task = s:spawn(function() got = values(@select { a = a, b = @channel() }) end)
      a:send("value")
      task:cancel()
    end)
    assert.same({ n = 2, "a", "value" }, got)
  end)

  it("before, takes nothing", function()
    local a = filled(1)
    @scope(function(s)
      s:cancel()
      assert.equal("cancelled", fails(@(@select { a = a })).kind)
    end)
    assert.equal(1, #a)
  end)

  it("by the deadline of a scope, is timed out", function()
    assert.equal("timeout", fails(@(@timeout("1ms", @(@select { a = @channel() })))).kind)
  end)

  it("loses and doubles no value, whoever is cancelled, whenever", function()
    math.randomseed(11)
    for round = 1, 30 do
      local channels, sent, got, tasks = {}, {}, {}, {}
      for i = 1, 3 do channels[i] = @channel((round + i) % 3) end
      @scope(function(s)
        for k = 1, 6 do
          table.insert(tasks, s:spawn(function()
            for i = 1, 40 do
              channels[math.random(3)]:send(k * 1000 + i)
              sent[k * 1000 + i] = true
              if math.random(3) == 1 then @yield() end
            end
          end))
          table.insert(tasks, s:spawn(function()
            while true do
              local _, v = @select { a = channels[1], b = channels[2], c = channels[3], timeout = math.random(2) / 1e5 }
              if v then got[v] = (got[v] or 0) + 1 end
              if math.random(3) == 1 then @yield() end
            end
          end))
        end
        for _ = 1, 40 do
          if math.random(4) == 1 then tasks[math.random(#tasks)]:cancel() end
          @yield()
        end
        for _, task in ipairs(tasks) do task:cancel() end
      end)
      for _, ch in ipairs(channels) do
        ch:close()
        for v in ch do got[v] = (got[v] or 0) + 1 end
      end
      for v in pairs(sent) do assert.equal(1, got[v]) end
      for v in pairs(got) do assert.is_true(sent[v]) end
    end
  end)
end)

describe("misuse of @select", function()
  local function refused(cases)
    local e = fails(@(@select(cases)))
    assert.equal("argument", e.kind)
    assert.equal("select", e.op)
    return e
  end

  it("is refused", function()
    refused(nil)
    refused {}
    refused { a = 1 }
    refused { a = {} }
    refused { a = setmetatable({}, { __metatable = false }) }
    refused { a = io.stdout }
    refused { a = @channel(), timeout = "soon" }
    refused { [true] = @channel() }
    refused { { @channel() } }
    refused { { @channel(), 1 } }
    refused { { @channel(), "timeout" } }
    refused { @channel() }
    refused { { @channel(), "a" }, b = @channel() }
    refused { { @channel(), "a" }, [3] = { @channel(), "b" } }
  end)

  it("names the case", function()
    assert.equal("job", refused { job = 1 }.argument)
  end)

  it("a task cannot wait for itself", function()
    @scope(function(s)
      s:spawn(function()
        local me = require "tusk.core".current()
        refused { me = me }
      end)
    end)
  end)
end)

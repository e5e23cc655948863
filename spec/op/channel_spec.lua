-- @channel: values handed from task to task.

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function values(...)
  return { n = select("#", ...), ... }
end

local function received(ch)
  local list = {}
  for v in ch do list[#list + 1] = v end
  return list
end

describe("@channel", function()
  it("hands values over in the order they were sent, whatever its capacity", function()
    for _, capacity in ipairs { 0, 1, 2, 7, 100, 1000 } do
      local ch, list = @channel(capacity), nil
      @scope(function(s)
        s:spawn(function() list = received(ch) end)
        s:spawn(function()
          for i = 1, 300 do ch:send(i) end
          ch:close()
        end)
      end)
      assert.equal(300, #list)
      for i = 1, 300 do assert.equal(i, list[i]) end
    end
  end)

  it("without a capacity makes the sender wait for the receiver", function()
    local ch, log = @channel(), {}
    @scope(function(s)
      s:spawn(function()
        ch:send("x")
        table.insert(log, "sent")
      end)
      table.insert(log, "before")
      table.insert(log, ch:recv())
    end)
    assert.same({ "before", "x", "sent" }, log)
  end)

  it("with a capacity lets as many be sent ahead, and no more", function()
    local ch, sent = @channel(3), 0
    @scope(function(s)
      local sender = s:spawn(function()
        for i = 1, 5 do
          ch:send(i)
          sent = i
        end
      end)
      assert.equal(3, sent)
      assert.equal("parked", sender.state)
      assert.equal(1, ch:recv())
      @yield()
      assert.equal(4, sent)
      s:cancel()
    end)
  end)

  it("hands over any value but nil", function()
    local ch = @channel(8)
    local thing = { 1 }
    for _, v in ipairs { false, true, 0, "", thing, print } do ch:send(v) end
    ch:close()
    assert.is_false(ch:recv())
    assert.is_true(ch:recv())
    assert.equal(0, ch:recv())
    assert.equal("", ch:recv())
    assert.equal(thing, ch:recv())
    assert.equal(print, ch:recv())
  end)

  it("hands over false and true to a receiver that waits", function()
    local ch, got = @channel(), {}
    @scope(function(s)
      s:spawn(function() for _ = 1, 2 do table.insert(got, ch:recv()) end end)
      ch:send(true)
      ch:send(false)
    end)
    assert.same({ true, false }, got)
  end)

  it("gives exactly one value to who receives one", function()
    local ch = @channel(1)
    ch:send("x")
    assert.same({ n = 1, "x" }, values(ch:recv()))
    local parked
    @scope(function(s)
      s:spawn(function() parked = values(ch:recv()) end)
      ch:send("y")
    end)
    assert.same({ n = 1, "y" }, parked)
  end)

  it("serves receivers in the order they came", function()
    local ch, got = @channel(), {}
    @scope(function(s)
      for i = 1, 5 do s:spawn(function() got[i] = ch:recv() end) end
      for i = 1, 5 do ch:send(i * 10) end
    end)
    assert.same({ 10, 20, 30, 40, 50 }, got)
  end)

  it("takes from senders in the order they came", function()
    for _, capacity in ipairs { 0, 2 } do
      local ch, got = @channel(capacity), {}
      @scope(function(s)
        for i = 1, 6 do s:spawn(function() ch:send(i) end) end
        for i = 1, 6 do got[i] = ch:recv() end
      end)
      assert.same({ 1, 2, 3, 4, 5, 6 }, got)
    end
  end)

  it("loses nothing among many senders and many receivers", function()
    for _, capacity in ipairs { 0, 1, 16 } do
      local ch, sum, count = @channel(capacity), 0, 0
      @scope(function(s)
        for _ = 1, 7 do
          s:spawn(function()
            for v in ch do
              sum, count = sum + v, count + 1
              if v % 5 == 0 then @yield() end
            end
          end)
        end
        @all(unpack((function()
          local senders = {}
          for k = 1, 9 do
            senders[k] = function() for i = 1, 100 do ch:send(i * k) end end
          end
          return senders
        end)()))
        ch:close()
      end)
      assert.equal(900, count)
      assert.equal(5050 * 45, sum)
    end
  end)

  it("tells how full it is", function()
    local ch = @channel(4)
    assert.same({ 0, 4, false }, { ch.len, ch.cap, ch.closed })
    ch:send(1)
    ch:send(2)
    assert.equal(2, #ch)
    assert.equal(2, ch.len)
    ch:close()
    assert.same({ 2, 4, true }, { ch.len, ch.cap, ch.closed })
    assert.equal("channel 2/4 closed", tostring(ch))
    assert.matches('a channel has no "length"', select(2, pcall(function() return ch.length end)).message)
    assert.equal(0, @channel().cap)
  end)

  it("lets others run between many answers without waiting", function()
    local ch, ran = @channel(10), 0
    @scope(function(s)
      local other = s:spawn(function() while true do ran = ran + 1 @yield() end end)
      for i = 1, 1000 do
        ch:send(i)
        ch:recv()
      end
      other:cancel()
    end)
    assert.is_true(ran > 5)
  end)

  it("works inside one's own coroutines", function()
    local numbers, got = @channel(), {}
    @scope(function(s)
      s:spawn(function()
        local doubles = coroutine.wrap(function()
          for v in numbers do coroutine.yield(v * 2) end
        end)
        for v in doubles do table.insert(got, v) end
      end)
      local source = coroutine.wrap(function()
        local inner = coroutine.wrap(function()
          for i = 1, 3 do
            numbers:send(i)
            coroutine.yield(i)
          end
        end)
        for i in inner do coroutine.yield(i) end
      end)
      assert.same({ 1, 2, 3 }, { source(), source(), source() })
      numbers:close()
    end)
    assert.same({ 2, 4, 6 }, got)
  end)

  it("keeps alive what waits in it", function()
    local ch, got = @channel(2), {}
    @scope(function(s)
      for i = 1, 4 do s:spawn(function() ch:send({ i }) end) end
      collectgarbage()
      collectgarbage()
      for _ = 1, 4 do table.insert(got, ch:recv()[1]) end
      s:spawn(function() table.insert(got, ch:recv()[1]) end)
      ch:send({ 5 })
      collectgarbage()
    end)
    assert.same({ 1, 2, 3, 4, 5 }, got)
  end)

  it("lets go of what was received", function()
    local ch, weak = @channel(2), setmetatable({}, { __mode = "v" })
    weak[1] = {}
    ch:send(weak[1])
    ch:recv()
    collectgarbage()
    collectgarbage()
    assert.is_nil(weak[1])
  end)
end)

describe("a closed channel", function()
  it("gives what was in the buffer, then nil and closed, again and again", function()
    local ch = @channel(3)
    ch:send(1)
    ch:send(2)
    ch:close()
    assert.same({ n = 1, 1 }, values(ch:recv()))
    assert.same({ n = 1, 2 }, values(ch:recv()))
    assert.same({ n = 2, nil, "closed" }, values(ch:recv()))
    assert.same({ n = 2, nil, "closed" }, values(ch:recv()))
  end)

  it("ends the loops of all who receive", function()
    local ch, ended = @channel(), 0
    @scope(function(s)
      for _ = 1, 3 do
        s:spawn(function()
          received(ch)
          ended = ended + 1
        end)
      end
      ch:close()
    end)
    assert.equal(3, ended)
  end)

  it("tells a receiver that waits", function()
    local ch, got = @channel(), nil
    @scope(function(s)
      s:spawn(function() got = values(ch:recv()) end)
      ch:close()
    end)
    assert.same({ n = 2, nil, "closed" }, got)
  end)

  it("refuses what is sent", function()
    local ch = @channel(3)
    ch:close()
    local line = 1 + debug.getinfo(1, "l").currentline
    local e = fails(function() ch:send(1) end)
    assert.equal("closed", e.kind)
    assert.equal(line, e.site.line)
    assert.equal("closed", fails(ch.try_send, ch, 1).kind)
  end)

  it("raises closed in a sender that waits, whose value did not arrive", function()
    local ch, e = @channel(1), nil
    ch:send("first")
    @scope(function(s)
      s:spawn(function() e = fails(ch.send, ch, "second") end)
      ch:close()
    end)
    assert.equal("closed", e.kind)
    assert.same({ "first" }, received(ch))
  end)

  it("raises what it was closed with, after the buffer, to every receiver", function()
    local ch, mine, seen = @channel(2), { "mine" }, {}
    ch:send(1)
    ch:close(mine)
    assert.equal(1, ch:recv())
    assert.is_true(rawequal(mine, fails(ch.recv, ch)))
    assert.is_true(rawequal(mine, fails(received, ch)))
    assert.is_true(rawequal(mine, fails(ch.try_recv, ch)))
    local other = @channel()
    @scope(function(s)
      for i = 1, 2 do s:spawn(function() seen[i] = fails(other.recv, other) end) end
      other:close(mine)
    end)
    assert.is_true(rawequal(mine, seen[1]) and rawequal(mine, seen[2]))
  end)

  it("stays as it was closed first", function()
    local ch = @channel()
    ch:close()
    ch:close("later")
    assert.same({ n = 2, nil, "closed" }, values(ch:recv()))
  end)
end)

describe("without waiting", function()
  it("sends while there is room, and receives while there is something", function()
    local ch = @channel(2)
    assert.is_true(ch:try_send(1))
    assert.is_true(ch:try_send(2))
    assert.is_false(ch:try_send(3))
    assert.equal(1, ch:try_recv())
    assert.equal(2, ch:try_recv())
    assert.same({ n = 2, nil, "empty" }, values(ch:try_recv()))
    ch:close()
    assert.same({ n = 2, nil, "closed" }, values(ch:try_recv()))
  end)

  it("meets who waits at the other end", function()
    local ch, got = @channel(), nil
    assert.is_false(ch:try_send(0))
    @scope(function(s)
      s:spawn(function() got = ch:recv() end)
      assert.is_true(ch:try_send(7))
      assert.is_false(ch:try_send(8))
    end)
    assert.equal(7, got)
    @scope(function(s)
      s:spawn(function() ch:send(9) end)
      assert.equal(9, ch:try_recv())
    end)
  end)

  it("works where nothing can wait", function()
    local ch = @channel(3);
    ("abc"):gsub(".", function(letter) ch:try_send(letter) end)
    assert.same({ "a", "b", "c" }, { ch:recv(), ch:recv(), ch:recv() })
  end)

  it("works in a callback of luv", function()
    local uv = require "luv"
    local ch = @channel()
    local timer = uv.new_timer()
    timer:start(1, 0, function()
      timer:close()
      ch:try_send("rang")
      ch:close()
    end)
    assert.equal("rang", ch:recv())
    assert.same({ n = 2, nil, "closed" }, values(ch:recv()))
  end)
end)

describe("a task that waits at a channel", function()
  it("when cancelled leaves the line; a sender's value did not arrive", function()
    local ch, got = @channel(), {}
    @scope(function(s)
      local tasks = {}
      for i = 1, 4 do tasks[i] = s:spawn(function() ch:send(i) end) end
      tasks[1]:cancel()
      tasks[3]:cancel()
      @yield()
      got = { ch:recv(), ch:recv() }
      assert.same({ n = 2, nil, "empty" }, values(ch:try_recv()))
    end)
    assert.same({ 2, 4 }, got)
  end)

  it("when cancelled leaves the line; a receiver takes nothing", function()
    local ch, got = @channel(), {}
    @scope(function(s)
      local tasks = {}
      for i = 1, 4 do tasks[i] = s:spawn(function() table.insert(got, i .. ch:recv()) end) end
      tasks[2]:cancel()
      tasks[4]:cancel()
      ch:send("x")
      ch:send("y")
      assert.is_false(ch:try_send("z"))
    end)
    assert.same({ "1x", "3y" }, got)
  end)

  it("inside one's own coroutine, when cancelled leaves the line", function()
    local ch, ended = @channel(), 0
    @scope(function(s)
      local function inside(fn)
        return s:spawn(function()
          local each = coroutine.wrap(function()
            local inner = coroutine.wrap(function() fn() end)
            inner()
          end)
          local e = fails(each)
          assert(e.kind == "cancelled")
          ended = ended + 1
        end)
      end
      inside(function() ch:recv() end):cancel()
      inside(function() @select { ch = ch, other = @channel(), timeout = "1h" } end):cancel()
      assert.is_false(ch:try_send("x"))
      @yield()
      inside(function() ch:send("y") end):cancel()
      assert.same({ n = 2, nil, "empty" }, values(ch:try_recv()))
    end)
    assert.equal(3, ended)
  end)

  it("gets the value that came before the cancellation", function()
    local ch, got, after = @channel(), nil, nil
    @scope(function(s)
      local task = s:spawn(function()
        got = ch:recv()
        after = fails(@(@yield()))
      end)
      ch:send("value")
      task:cancel()
    end)
    assert.equal("value", got)
    assert.equal("cancelled", after.kind)
  end)

  it("has sent the value that was taken before the cancellation", function()
    local ch, sent = @channel(), false
    @scope(function(s)
      local task = s:spawn(function()
        ch:send("value")
        sent = true
      end)
      assert.equal("value", ch:recv())
      task:cancel()
    end)
    assert.is_true(sent)
  end)

  it("is ended by a timeout", function()
    local ch = @channel()
    assert.equal("timeout", fails(@(@timeout("1ms", ch.recv, ch))).kind)
    assert.equal("timeout", fails(@(@timeout("1ms", ch.send, ch, 1))).kind)
    assert.same({ n = 2, nil, "empty" }, values(ch:try_recv()))
    assert.is_false(ch:try_send(1))
  end)

  it("does nothing in a scope that is cancelled already", function()
    local ch = @channel(2)
    ch:send(1)
    @scope(function(s)
      s:cancel()
      assert.equal("cancelled", fails(ch.recv, ch).kind)
      assert.equal("cancelled", fails(ch.send, ch, 2).kind)
    end)
    assert.equal(1, #ch)
  end)

  -- Every value is received once, or its sender was told that it did not arrive.
  it("loses and doubles no value, whoever is cancelled, whenever", function()
    math.randomseed(7)
    for round = 1, 30 do
      local ch = @channel(round % 4)
      local sent, got, tasks = {}, {}, {}
      @scope(function(s)
        for k = 1, 6 do
          table.insert(tasks, s:spawn(function()
            for i = 1, 40 do
              ch:send(k * 1000 + i)
              sent[k * 1000 + i] = true
              if math.random(3) == 1 then @yield() end
            end
          end))
          table.insert(tasks, s:spawn(function()
            while true do
              local v = ch:recv()
              got[v] = (got[v] or 0) + 1
              if math.random(3) == 1 then @yield() end
            end
          end))
        end
        for _ = 1, 60 do
          if math.random(4) == 1 then tasks[math.random(#tasks)]:cancel() end
          @yield()
        end
        for _, task in ipairs(tasks) do task:cancel() end
      end)
      ch:close()
      for v in ch do got[v] = (got[v] or 0) + 1 end
      for v in pairs(sent) do assert.equal(1, got[v]) end
      for v in pairs(got) do assert.is_true(sent[v]) end
    end
  end)
end)

describe("a scope's own channel", function()
  it("is closed when the scope ends", function()
    local ch
    @scope(function(s)
      ch = s:channel(4)
      ch:send(1)
      s:spawn(function() ch:send(2) end)
    end)
    assert.is_true(ch.closed)
    assert.same({ 1, 2 }, received(ch))
    assert.same({ n = 2, nil, "closed" }, values(ch:recv()))
  end)

  it("is closed with an error when the scope fails or is cancelled", function()
    local ch
    fails(function() @scope(function(s)
      ch = s:channel()
      error("x", 0)
    end) end)
    assert.equal("closed", fails(ch.recv, ch).kind)
    @scope(function(s)
      ch = s:channel()
      s:cancel()
    end)
    assert.equal("closed", fails(ch.recv, ch).kind)
  end)

  it("keeps what it was closed with before", function()
    local ch
    @scope(function(s)
      ch = s:channel()
      ch:close()
      s:cancel()
    end)
    assert.same({ n = 2, nil, "closed" }, values(ch:recv()))
  end)

  it("cannot be made when the scope has ended", function()
    local scope
    @scope(function(s) scope = s end)
    assert.equal("closed", fails(scope.channel, scope).kind)
  end)
end)

describe("misuse of a channel", function()
  it("is refused", function()
    local ch = @channel(1)
    local e = fails(function() ch:send(nil) end)
    assert.equal("argument", e.kind)
    assert.equal("argument", fails(ch.try_send, ch).kind)
    assert.equal(0, #ch)
    for _, bad in ipairs { -1, 1.5, "3", 2 ^ 40, {} } do
      e = fails(@(@channel(bad)))
      assert.equal("argument", e.kind)
      assert.equal("capacity", e.argument)
      assert.equal("channel", e.op)
    end
    assert.is_false(pcall(ch.recv, {}))
    assert.is_false(pcall(ch.recv, newproxy()))
    assert.is_false(pcall(ch.send, io.stdout, 1))
    assert.is_false(pcall(ch.close))
  end)

  it("where nothing can wait is refused before anything is done", function()
    local ch = @channel(2)
    ch:send(1)
    local e
    table.sort({ 2, 1 }, function(a, b)
      e = e or fails(ch.recv, ch)
      return a < b
    end)
    assert.is_truthy(tostring(e.message):find("table.sort", 1, true))
    assert.equal(1, #ch)
  end)
end)

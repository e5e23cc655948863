-- @redis on a real server: commands, values, answers, misuse, order.
local support = require "spec.support.redis"
local test = require "tusk.test"

local server, db

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

setup(function()
  server = support.start()
  db = server:open()
end)
teardown(function()
  db.close()
  server:stop()
end)
before_each(function() db.flushall() end)

describe("@redis", function()
  it("sends commands by name and gives their answers", function()
    assert.equal("OK", db.set("a", "text"))
    assert.equal("text", db.get("a"))
    assert.equal(3, db.rpush("l", "x", "y", "z"))
    assert.same({ "x", "y", "z" }, db.lrange("l", 0, -1))
    assert.equal("text", db.GET("a"))
    assert.equal("text", db.call("get", "a"))
  end)

  it("gives nil for what is not there", function()
    assert.is_nil(db.get("none"))
    assert.is_nil(db.lpop("none"))
    assert.same({}, db.lrange("none", 0, -1))
    assert.same({}, db.hgetall("none"))
  end)

  it("keeps the place of nils in a list, which then has its n", function()
    db.set("a", 1)
    db.set("c", 3)
    local list = db.mget("a", "b", "c", "d")
    assert.same({ [1] = "1", [3] = "3", n = 4 }, list)
    assert.is_nil(db.mget("a", "c").n)
  end)

  it("gives HGETALL as a table by field; by call as it came", function()
    db.hset("h", "x", 1, "y", 2.5)
    assert.same({ x = "1", y = "2.5" }, db.hgetall("h"))
    assert.same({ "x", "1", "y", "2.5" }, db.call("HGETALL", "h"))
  end)

  it("gives lists within lists", function()
    assert.same({ 1, { "a", { 2 } }, "b" }, db.eval("return { 1, { 'a', { 2 } }, 'b' }", 0))
  end)

  it("is exact with 64-bit integers", function()
    db.set("n", 9223372036854775806LL)
    assert.equal("9223372036854775806", db.get("n"))
    assert.is_true(db.incr("n") == 9223372036854775807LL)
    assert.is_true(db.decrby("m", 9007199254740993LL) == -9007199254740993LL)
    assert.equal(2 ^ 53, db.incrby("p", 2 ^ 53))
    assert.equal("number", type(db.incrby("q", -9007199254740992LL)))
  end)

  it("writes numbers so that they read back the same", function()
    for _, n in ipairs { 0, -1, 0.1, 1e300, 2 ^ 60, 1 / 3, -2.5, 5e-324 } do
      db.set("n", n)
      assert.equal(n, tonumber(db.get("n")))
    end
    assert.equal("10", (db.set("n", 10) and db.get("n")))
    db.zadd("z", math.huge, "last", -math.huge, "first", 1.5, "middle")
    assert.same({ "first", "middle", "last" }, db.zrange("z", 0, -1))
  end)

  it("carries every byte", function()
    local bytes = {}
    for i = 0, 255 do bytes[i + 1] = string.char(i) end
    local all = table.concat(bytes):rep(1000)
    db.set(all, all .. "\r\n$3\r\n")
    assert.equal(all .. "\r\n$3\r\n", db.get(all))
    db.set("empty", "")
    assert.equal("", db.get("empty"))
  end)

  it("carries what is larger than any buffer", function()
    local large = ("0123456789abcdef"):rep(2 ^ 20)
    db.set("large", large)
    assert.is_true(large == db.get("large"))
  end)

  it("raises what the server refuses, with its code", function()
    db.set("a", "text")
    local e = failure(db.lpush, "a", 1)
    assert.equal("redis.reply", e.kind)
    assert.equal("WRONGTYPE", e.code)
    assert.is_nil(e.retryable)
    assert.is_nil(e.sent)
    assert.equal("ERR", failure(db.incr, "a").code)
    assert.equal("text", db.get("a"))
  end)

  it("suggests the command that a misspelt one was meant to be, and does not repeat its arguments", function()
    local e = failure(db.gett, "my secret")
    assert.equal("redis.reply", e.kind)
    assert.equal("get", e.suggestion)
    assert.is_nil(tostring(e):find("my secret", 1, true))
  end)

  it("refuses arguments that Redis cannot hold, before anything is sent", function()
    local function message(...)
      local e = failure(db.set, ...)
      assert.equal("argument", e.kind)
      return e.message
    end
    assert.matches("argument 2 of SET is nil", message("k", nil))
    assert.matches("argument 2 of SET is a boolean", message("k", true))
    assert.matches("argument 1 of SET is a table", message({}, 1))
    assert.matches("argument 2 of SET is a function", message("k", print))
    assert.matches("NaN", message("k", 0 / 0))
    assert.matches("argument 3 of SET is nil; .*expected", message("k", 1, nil))
    assert.equal("argument", failure(db.call).kind)
    assert.matches("with a dot", failure(db.get, db, "k").message)
    assert.matches("argument 2 of SET is a cdata", message("k", require("ffi").new("double[1]")))
    assert.equal(0, db.exists("k"))
  end)

  it("refuses what would change the connection for everybody, and says what to do", function()
    for name, hint in pairs { multi = false, select = "URL", auth = "URL", watch = "@redis.with", quit = "close",
      monitor = "redis%-cli", exec = "@redis.multi", wait = "@redis.with", unsubscribe = "stream" } do
      if hint then
        assert.matches(hint, failure(function() return db[name]("x") end).message)
        assert.matches(hint, failure(db.call, name, "x").message)
      end
    end
  end)

  it("refuses URLs and options that it does not know", function()
    local function message(...) return failure(@redis.open, ...).message end
    assert.matches("redis://", message("http://x"))
    assert.matches("TLS", message("rediss://x"))
    assert.matches("port", message("redis://h:99999"))
    assert.matches("db", message("redis://h/zero"))
    assert.matches("absolute", message("redis+unix://relative"))
    assert.matches("too long", message("redis+unix:///" .. ("x"):rep(200)))
    assert.matches('did you mean "timeout"', message(server.url, { timeot = 1 }))
    assert.matches("duration", message(server.url, { timeout = "soon" }))
  end)

  it("answers each task with its own, in the order asked", function()
    for i = 1, 300 do db.set("k" .. i, i) end
    local order, tasks = {}, {}
    for i = 1, 300 do
      tasks[i] = @async(function()
        local v = db.get("k" .. i)
        order[#order + 1] = i
        return v
      end)
    end
    for i = 1, 300 do assert.equal(tostring(i), tasks[i]:await()) end
    for i = 1, 300 do assert.equal(i, order[i]) end
  end)

  it("sends what a turn asks for in one piece, on one connection", function()
    local function calls() return tonumber(db.info("stats"):match("total_connections_received:(%d+)")) end
    local before = calls()
    @map({ 1, 2, 3, 4, 5, 6, 7, 8 }, function(i) return db.incrby("n", i) end, { concurrency = 8 })
    assert.equal("36", db.get("n"))
    assert.equal(before, calls())
  end)

  it("may be cancelled while it waits: the answer is thrown away, others get theirs", function()
    local a = @async(db.eval, "local n = 0 for i = 1, 3e6 do n = n + 1 end return 'late'", 0)
    local b = @async(db.get, "x")
    local c = @async(db.incr, "n")
    @yield()
    @sleep(0.001) -- they leave
    b:cancel()
    assert.equal("late", a:await())
    assert.equal(1, c:await())
    assert.equal("PONG", db.ping())
  end)

  it("keeps many answers apart, some of them given up, again and again", function()
    db.pipeline(function(p)
      for i = 1, 1500 do p.set("k" .. i, i) end
    end)
    for round = 1, 3 do
      local tasks = {}
      for i = 1, 1500 do tasks[i] = @async(db.get, "k" .. i) end
      if round == 2 then @yield() end -- they leave
      for i = round, 1500, 7 do tasks[i]:cancel() end
      for i = 1, 1500 do
        local ok, v = pcall(tasks[i].await, tasks[i])
        assert.equal((i - round) % 7 ~= 0 or i < round, ok)
        if ok then assert.equal(tostring(i), v) end
      end
    end
  end)

  it("is not carried out when it is cancelled before it leaves", function()
    @scope(function(s)
      s:spawn(db.incr, "n")
      s:spawn(db.incr, "m")
      s:cancel()
    end)
    assert.is_nil(db.get("n"))
    assert.is_nil(db.get("m"))
  end)

  it("tells a cancelled caller that the outcome is not known once it has left", function()
    local e
    @scope(function(s)
      s:spawn(function()
        local _
        _, e = pcall(db.eval, "local n = 0 for i = 1, 3e6 do n = n + 1 end", 0)
      end)
      @sleep(0.002)
      s:cancel()
    end)
    assert.equal("cancelled", e.kind)
    assert.is_true(e.sent)
  end)

  it("observes a timeout", function()
    local e = failure(@timeout, "5ms", db.eval, "local n = 0 for i = 1, 3e6 do n = n + 1 end", 0)
    assert.equal("timeout", e.kind)
    assert.equal("PONG", db.ping())
  end)

  it("leaves nothing behind", function()
    test.leaks({ warm = true }, function()
      local other = server:open()
      other.ping()
      other.close()
      assert.equal("closed", failure(other.ping).kind)
      db.blpop("none", 0.001)
    end)
  end)
end)

describe("@redis.pipeline", function()
  it("sends several commands in one piece and gives the list of their answers", function()
    local list = db.pipeline(function(p)
      p.set("a", 1)
      p.incr("a")
      p.get("none")
      p.hset("h", "x", 1)
      p.hgetall("h")
      p.call("STRLEN", "a")
    end)
    assert.same({ "OK", 2, nil, 1, { x = "1" }, 1, n = 6 }, list)
    assert.same({}, db.pipeline(function() end))
  end)

  it("raises the first error, with all answers", function()
    local e = failure(db.pipeline, function(p)
      p.set("a", "x")
      p.incr("a")
      p.set("b", 2)
    end)
    assert.equal("redis.reply", e.kind)
    assert.equal(2, e.index)
    assert.equal("OK", e.results[3])
    assert.equal("2", db.get("b"))
  end)

  it("sends nothing when the function fails", function()
    local e = failure(db.pipeline, function(p)
      p.set("a", 1)
      p.set("b", nil)
    end)
    assert.equal("argument", e.kind)
    assert.equal(0, db.exists("a"))
  end)

  it("is used up when it has been sent", function()
    local kept
    db.pipeline(function(p) kept = p p.ping() end)
    assert.equal("closed", failure(function() kept.ping() end).kind)
  end)
end)

describe("@redis.multi", function()
  it("carries all out, with nothing in between", function()
    local list = db.multi(function(tx)
      tx.set("a", 1)
      tx.incrby("a", 41)
      tx.get("a")
    end)
    assert.same({ "OK", 42, "42" }, list)
  end)

  it("carries nothing out when the server refuses a command", function()
    local e = failure(db.multi, function(tx)
      tx.set("a", 1)
      tx.nosuch()
    end)
    assert.equal("redis.reply", e.kind)
    assert.equal(2, e.index)
    assert.is_nil(db.get("a"))
  end)

  it("raises what fails inside; the others were carried out", function()
    local e = failure(db.multi, function(tx)
      tx.set("a", 1)
      tx.lpush("a", 1)
      tx.set("b", 2)
    end)
    assert.equal("WRONGTYPE", e.code)
    assert.equal(2, e.index)
    assert.equal("2", db.get("b"))
  end)

  it("does nothing, and says so, when a watched key was changed", function()
    local function transfer(meanwhile)
      return db.with(function(r)
        r.watch("balance")
        local before = tonumber(r.get("balance"))
        if meanwhile then db.set("balance", meanwhile) end
        return r.multi(function(tx) tx.set("balance", before + 1) end)
      end)
    end
    db.set("balance", 10)
    assert.same({ "OK" }, transfer())
    local list, why = transfer(50)
    assert.is_nil(list)
    assert.equal("changed", why)
    assert.equal("50", db.get("balance"))
  end)

  it("has nothing watched for the next who gets the connection", function()
    db.with(function(r) r.watch("k") end)
    db.set("k", 1)
    assert.same({ "OK" }, db.with(function(r) return r.multi(function(tx) tx.set("k", 2) end) end))
  end)

  it("refuses to nest, and what belongs to @redis itself", function()
    assert.equal("argument", failure(db.multi, function(tx) tx.multi() end).kind)
    assert.equal("argument", failure(db.with, function(r) r.with(print) end).kind)
  end)
end)

describe("@redis.script", function()
  it("runs a script by its digest, again when the server has forgotten it", function()
    local add = db.script "return redis.call('incrby', KEYS[1], ARGV[1]) + #ARGV"
    assert.equal(6, add({ "n" }, 5))
    assert.equal(12, add({ "n" }, 5, "x"))
    db.call("SCRIPT", "FLUSH")
    assert.equal(16, add({ "n" }, 5))
    assert.equal("0", tostring(db.script "return #KEYS"()))
  end)

  it("raises what the script does", function()
    assert.equal("redis.reply", failure(db.script "return redis.error_reply('MINE no')").kind)
    assert.equal("MINE", failure(db.script "return redis.error_reply('MINE no')").code)
    assert.equal("redis.reply", failure(db.script "not lua").kind)
    assert.equal("argument", failure(db.script, 5).kind)
  end)
end)

describe("blocking commands", function()
  it("wait on connections of their own", function()
    local popped = @async(db.blpop, "l", 10)
    assert.equal("PONG", db.ping())
    db.rpush("l", "x")
    assert.same({ "l", "x" }, popped:await())
    assert.is_nil(db.blpop("l", 0.01))
  end)

  it("several at once, each in a task", function()
    local tasks = {}
    for i = 1, 10 do tasks[i] = @async(db.brpop, "l" .. i, 10) end
    for i = 10, 1, -1 do db.lpush("l" .. i, i) end
    for i = 1, 10 do assert.same({ "l" .. i, tostring(i) }, tasks[i]:await()) end
  end)

  it("are given up when cancelled: the server takes nothing for them", function()
    local popped = @async(db.blpop, "l", 10)
    @sleep(0.005)
    popped:cancel()
    pcall(popped.await, popped)
    for _ = 1, 200 do
      if not db.client("LIST"):find("cmd=blpop", 1, true) then break end
      @sleep(0.005)
    end
    db.rpush("l", "x")
    assert.equal("x", db.lpop("l"))
  end)

  it("XREAD waits only when it is told to", function()
    assert.is_nil(db.xread("COUNT", 1, "STREAMS", "s", "0"))
    local read = @async(db.xread, "BLOCK", 10000, "STREAMS", "s", "$")
    for _ = 1, 200 do
      if db.client("LIST"):find("cmd=xread", 1, true) then break end
      @sleep(0.005)
    end
    db.xadd("s", "*", "f", "v")
    assert.equal("s", read:await()[1][1])
  end)
end)

describe("@redis.subscribe", function()
  it("gives messages as they come, from when it returns", function()
    local messages = db.subscribe("a", "b")
    db.publish("b", "one")
    db.publish("a", "two")
    db.publish("c", "nobody's")
    db.publish("a", "three")
    assert.same({ { channel = "b", message = "one" }, { channel = "a", message = "two" }, { channel = "a", message = "three" } },
      messages:take(3):collect())
  end)

  it("takes patterns, and a list", function()
    local messages = db.psubscribe({ "news.*" })
    db.publish("news.today", "x")
    assert.same({ pattern = "news.*", channel = "news.today", message = "x" }, messages())
    messages:close()
  end)

  it("is unsubscribed when the stream is closed, left, or when its scope ends", function()
    local function subscribers() return db.pubsub("NUMSUB", "c")[2] end
    local function none()
      for _ = 1, 200 do
        if subscribers() == 0 then return true end
        @sleep(0.005)
      end
    end
    local messages = db.subscribe("c")
    assert.equal(1, subscribers())
    messages:close()
    assert.is_true(none())
    local left
    @scope(function() left = db.subscribe("c") end)
    assert.is_true(none())
    assert.equal("closed", failure(left).kind)
    @scope(function(s)
      s:spawn(function()
        for _ in db.subscribe("c") do end
      end)
      while subscribers() == 0 do @sleep(0.001) end
      s:cancel()
    end)
    assert.is_true(none())
  end)

  it("loses nothing when it is slow: it stops reading, and the server holds the rest", function()
    local messages = db.subscribe("c")
    local body = ("x"):rep(1000)
    db.pipeline(function(p)
      for i = 1, 5000 do p.publish("c", i .. ":" .. body) end
    end)
    local n = 0
    messages:take(5000):each(function(m)
      n = n + 1
      assert.equal(n .. ":" .. body, m.message)
    end)
    assert.equal(5000, n)
  end)

  it("refuses no channels, and what is no name", function()
    assert.equal("argument", failure(db.subscribe).kind)
    assert.equal("argument", failure(db.subscribe, "a", 5).kind)
  end)
end)

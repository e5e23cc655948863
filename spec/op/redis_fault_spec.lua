-- @redis when things go wrong: servers that die, stop, refuse, talk nonsense. What was sent, and what comes after.
local program = require "spec.support.program"
local raw_server = require "spec.support.raw_server"
local support = require "spec.support.redis"

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

-- fn() until it gives true, a bounded number of times.
local function eventually(fn)
  for _ = 1, 1000 do
    if fn() then return end
    @sleep(0.005)
  end
  error("it never came to that", 2)
end

local function with_server(opts, fn)
  support.with(opts, function(server)
    local db = server:open { connect_timeout = "20s" }
    local ok, e = pcall(fn, server, db)
    db.close()
    if not ok then error(e, 0) end
  end)
end

-- One that says what it is told to, whatever it is asked.
local function with_raw(answer, fn, opts)
  raw_server.with(answer, function(server)
    local db = @redis.open(("redis://%s127.0.0.1:%d"):format(opts and opts.login or "", server.port), opts and opts.open)
    local ok, e = pcall(fn, db, server)
    db.close()
    if not ok then error(e, 0) end
  end, true)
end

describe("@redis without a server", function()
  it("fails at once when it is refused, all who wait", function()
    local db = @redis.open("redis://127.0.0.1:" .. raw_server.free_port())
    local outcomes = @all_settled { @(db.get("a")), @(db.get("b")), @(db.blpop("l", 0)) }
    for i = 1, 3 do
      assert.equal("redis.connect", outcomes[i].err.kind)
      assert.is_true(outcomes[i].err.retryable)
      assert.is_nil(outcomes[i].err.sent)
    end
    assert.equal("redis.connect", failure(@redis.open("redis+unix:///nowhere/redis.sock").ping).kind)
    assert.equal("redis.connect", failure(@redis.open("redis://nowhere.invalid").ping).kind)
    db.close()
  end)

  it("lets those who come later wait for the next attempt, which finds it if it is there again", function()
    with_server({}, function(server, db)
      assert.equal("PONG", db.ping())
      server:kill()
      assert.is_not_nil(failure(db.ping))
      assert.equal("redis.connect", failure(db.ping).kind)
      server:start()
      assert.equal("PONG", db.ping())
    end)
  end)

  it("a wait for the next attempt can be cancelled, and nothing is sent for it", function()
    with_server({}, function(server, db)
      server:kill()
      failure(db.ping)
      local waits = @async(db.incr, "n")
      waits:cancel()
      pcall(waits.await, waits)
      server:start()
      assert.is_nil(db.get("n"))
    end)
  end)

  it("does not keep a script from ending, connected or not", function()
    with_server({}, function(server)
      local env = { TUSK_REDIS__URL = server.url }
      local r = program.run({ "-e", 'print(@redis.ping(), @redis.blpop("l", 0.01), #{ @redis.subscribe("c") })' }, { env = env })
      assert.equal("PONG\tnil\t1\n", r.stdout)
      assert.equal(0, r.status)
      assert.equal(1, program.run({ "-e", "@redis.ping()" }, { env = { TUSK_REDIS__URL = "redis+unix:///nowhere" } }).status)
    end)
  end)
end)

describe("@redis when the server is killed", function()
  it("fails what is in flight; what was carried out is between what was answered and what was sent", function()
    with_server({ args = { "--appendonly", "yes" } }, function(server, db)
      local answered, sent, not_sent = 0, 0, 0
      local function count()
        while true do
          local ok, e = pcall(db.incr, "n")
          if ok then answered = answered + 1
          else
            assert.is_true(e.kind == "redis.disconnected" or e.kind == "redis.connect", e.kind)
            if e.sent then sent = sent + 1 else not_sent = not_sent + 1 end
            assert.equal(not e.sent, e.retryable or false)
            return
          end
        end
      end
      @scope(function(s)
        for _ = 1, 200 do s:spawn(count) end
        eventually(function() return answered > 2000 end)
        server:signal("sigkill")
      end)
      server:kill()
      assert.equal(200, sent + not_sent)
      server:start()
      local n = tonumber(db.get("n"))
      assert.is_true(n >= answered and n <= answered + sent, ("%d of %d + %d"):format(n, answered, sent))
    end)
  end)

  it("says `sent` of exactly what it had taken: the socket was full", function()
    with_server({}, function(server, db)
      db.ping()
      server:signal("sigstop")
      local value, errors, tasks = ("x"):rep(50000), {}, {}
      for i = 1, 40 do
        tasks[i] = @async(function()
          local _, e = pcall(db.set, "k" .. i, value)
          errors[i] = e
        end)
      end
      @sleep(0.01)
      server:kill()
      for i = 1, 40 do tasks[i]:await() end
      local last_sent = 0
      for i = 1, 40 do
        assert.equal("redis.disconnected", errors[i].kind)
        if errors[i].sent then
          assert.equal(i - 1, last_sent) -- none after one that was not
          last_sent = i
        end
        assert.equal(not errors[i].sent, errors[i].retryable or false)
      end
      assert.is_true(last_sent > 0 and last_sent < 40, "sent: " .. last_sent)
    end)
  end)

  it("a server that takes part of the commands and hangs up: those it has are `sent`", function()
    local bytes = ""
    with_raw(function(connection, more)
      bytes = bytes .. more
      connection:write("$1\r\n1\r\n")
      connection:reset()
    end, function(db)
      local outcomes = @all_settled { @(db.get("a")), @(db.get("b")), @(db.pipeline(function(p) p.get("c") p.get("d") end)) }
      local answered = 0
      for i = 1, 3 do
        if outcomes[i].ok then answered = answered + 1
        else assert.is_true(outcomes[i].err.sent) end
      end
      assert.is_true(answered <= 1)
      assert.equal(4, select(2, bytes:gsub("GET", "")))
    end)
  end)

  it("ends a subscription with an error, after what had come", function()
    with_server({}, function(server, db)
      local messages = db.subscribe("c")
      db.multi(function(tx) -- which the server sends in one piece
        tx.publish("c", "one")
        tx.publish("c", "two")
      end)
      assert.equal("one", messages().message)
      server:kill()
      assert.equal("two", messages().message)
      assert.equal("redis.disconnected", failure(messages).kind)
    end)
  end)

  it("connects again after a restart, with login and database; a connection of one's own is not made again", function()
    with_server({ tcp = true, args = { "--requirepass", "open sesame" } }, function(server)
      local db = @redis.open(("redis://default:open%%20sesame@127.0.0.1:%d/3"):format(server.port))
      db.set("k", 1)
      db.blpop("none", 0.001) -- its connection is kept
      assert.matches("db3:keys=1", db.info("keyspace"))
      server:kill()
      server:start()
      eventually(function() return pcall(db.set, "k", 1) end)
      assert.matches("db3:keys=1", db.info("keyspace"))
      assert.is_nil(db.blpop("none", 0.001))
      local e = failure(db.with, function(r)
        r.watch("k")
        server:kill()
        server:start()
        r.multi(function(tx) tx.set("k", 2) end)
      end)
      assert.equal("redis.disconnected", e.kind)
      eventually(function() return pcall(db.ping) end)
      assert.is_nil(db.get("k"))
      db.close()
    end)
  end)
end)

describe("@redis when the server stops answering", function()
  it("a deadline ends the wait; late answers go to nobody else", function()
    with_server({}, function(server, db)
      db.mset("a", "A", "b", "B")
      server:signal("sigstop")
      assert.equal("timeout", failure(@timeout, "10ms", db.get, "a").kind)
      local b = @async(db.get, "b")
      server:signal("sigcont")
      assert.equal("B", b:await())
    end)
  end)

  it("is given up when nothing is heard for the time allowed; all that it owes fails", function()
    with_server({}, function(server)
      local db = server:open { timeout = "50ms" }
      db.ping()
      server:signal("sigstop")
      local outcomes = @all_settled { @(db.incr("n")), @(db.incr("n")) }
      for i = 1, 2 do
        assert.equal("timeout", outcomes[i].err.kind)
        assert.is_true(outcomes[i].err.sent)
      end
      server:signal("sigcont")
      assert.equal("PONG", db.ping())
      db.close()
    end)
  end)

  it("is given up when it lets nobody in", function()
    with_raw(function() end, function(db)
      local e = failure(db.ping)
      assert.equal("redis.connect", e.kind)
      assert.matches("too long", e.message)
    end, { login = ":secret@", open = { connect_timeout = "20ms" } })
  end)

  it("takes only so much that cannot be sent", function()
    with_server({}, function(server, db)
      db.ping()
      server:signal("sigstop")
      local value, tasks = ("x"):rep(2 ^ 24), {}
      for i = 1, 4 do tasks[i] = @async(db.set, "k" .. i, value) end
      local e = failure(db.set, "k", 1)
      assert.equal("redis.busy", e.kind)
      assert.is_true(e.retryable)
      server:signal("sigcont")
      for i = 1, 4 do assert.equal("OK", tasks[i]:await()) end
      assert.equal(2 ^ 24, db.strlen("k4"))
      assert.equal("redis.busy", failure(db.pipeline, function(p)
        for _ = 1, 2 ^ 17 + 1 do p.ping() end
      end).kind)
    end)
  end)
end)

describe("@redis when the server refuses", function()
  it("READONLY and MASTERDOWN may be tried again", function()
    with_server({}, function(_, db)
      db.replicaof("127.0.0.1", raw_server.free_port())
      local e = failure(db.set, "k", 1)
      assert.equal("READONLY", e.code)
      assert.is_true(e.retryable)
      db.config("SET", "replica-serve-stale-data", "no")
      assert.equal("MASTERDOWN", failure(db.get, "k").code)
      assert.is_true(failure(db.get, "k").retryable)
    end)
  end)

  it("LOADING may be tried again", function()
    with_server({}, function(server, db)
      db.eval("for i = 1, 2000 do redis.call('set', i, i) end", 0)
      db.save()
      server:kill()
      server:start({ "--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024" }, "Server initialized")
      local e
      eventually(function()
        local ok
        ok, e = pcall(db.get, "1")
        return ok or e.code == "LOADING"
      end)
      assert.equal("redis.reply", e.kind)
      assert.is_true(e.retryable)
      db.config("SET", "key-load-delay", "0")
      eventually(function() return pcall(db.get, "1") end)
      assert.equal("2000", db.get("2000"))
    end)
  end)

  it("a login that is wrong, or missing, is redis.auth, and no secret is told", function()
    with_server({ tcp = true, args = { "--requirepass", "correct horse" } }, function(server, anonymous)
      local db = @redis.open(("redis://:battery-staple@127.0.0.1:%d/2"):format(server.port))
      local e = failure(db.set, "k", 1)
      assert.equal("redis.auth", e.kind)
      assert.is_nil(e.retryable)
      assert.is_nil(e.sent)
      assert.is_nil((tostring(e) .. tostring(db) .. tostring(e.server)):find("battery", 1, true))
      assert.equal("redis.auth", failure(anonymous.get, "k").kind)
      assert.equal("NOAUTH", failure(anonymous.get, "k").code)
      db.close()
    end)
  end)

  it("a login that nobody asked for is refused too, and a database that is not there", function()
    with_server({ tcp = true }, function(server)
      local db = @redis.open(("redis://:anything@127.0.0.1:%d"):format(server.port))
      assert.equal("redis.auth", failure(db.ping).kind)
      local far = @redis.open(("redis://127.0.0.1:%d/99"):format(server.port))
      assert.equal("redis.reply", failure(far.ping).kind)
      assert.matches("index is out of range", failure(far.ping).message)
      db.close()
      far.close()
    end)
  end)

  it("users with few rights are told so", function()
    with_server({ tcp = true, args = { "--user", "ann", "on", ">secret", "~*", "&*", "+get" } }, function(server)
      local db = @redis.open(("redis://ann:secret@127.0.0.1:%d"):format(server.port))
      assert.is_nil(db.get("k"))
      assert.equal("NOPERM", failure(db.set, "k", 1).code)
      assert.equal("redis.reply", failure(db.subscribe, "c").kind)
      db.close()
    end)
  end)

  it("too many clients", function()
    with_server({ args = { "--maxclients", "1" } }, function(server, db)
      db.ping()
      local other = server:open()
      local e = failure(other.ping)
      assert.is_true(e.kind == "redis.reply" or e.kind == "redis.disconnected", e.kind)
      other.close()
      assert.equal("PONG", db.ping())
    end)
  end)
end)

describe("@redis when the server talks nonsense", function()
  it("is redis.protocol, for whoever was to be answered", function()
    for _, nonsense in ipairs { "HTTP/1.1 400 Bad Request\r\n\r\n", ":12x\r\n", "$-7\r\n", "*1\r\n!\r\n", "\r\n" } do
      with_raw(function(connection) connection:write(nonsense) end, function(db)
        local outcomes = @all_settled { @(db.get("a")), @(db.get("b")) }
        assert.equal("redis.protocol", outcomes[1].err.kind)
        assert.equal("redis.disconnected", outcomes[2].err.kind)
        assert.is_true(outcomes[1].err.sent and outcomes[2].err.sent)
      end)
    end
  end)

  it("an answer to nothing ends the connection, so that none is taken for another's", function()
    with_raw(function(connection) connection:write("+OK\r\n+more\r\n") end, function(db, peer)
      assert.equal("OK", db.get("a"))
      assert.equal("OK", db.get("b"))
      assert.equal(2, peer.accepted)
    end)
  end)

  it("answers in pieces are put together", function()
    with_raw(function(connection)
      for c in ("*2\r\n$3\r\nabc\r\n*1\r\n:5\r\n"):gmatch(".") do connection:write(c) end
    end, function(db)
      assert.same({ "abc", { 5 } }, db.lrange("l", 0, -1))
    end)
  end)

  it("an announcement of gigabytes takes no memory", function()
    with_raw(function(connection)
      connection:write("*2147483647\r\n*2147483647\r\n$2000000000\r\n")
      connection:close()
    end, function(db)
      local before = collectgarbage("count")
      assert.is_not_nil(failure(db.get, "a"))
      assert.is_true(collectgarbage("count") - before < 10000)
    end)
  end)

  it("what is nested too deep for hiredis is said to be, and others go on", function()
    with_server({}, function(_, db)
      local deep = "return { { { { { { { { { { 1 } } } } } } } } } }"
      local ok, e = pcall(db.eval, deep, 0)
      if not ok then
        assert.equal("redis.protocol", e.kind)
        assert.matches("deep", e.message)
      end
      assert.equal("PONG", db.ping())
    end)
  end)
end)

describe("@redis.close", function()
  it("fails what waits, and what comes later", function()
    with_server({}, function(server)
      local db = server:open()
      server:signal("sigstop")
      local waiting, popping = @async(db.get, "a"), @async(db.blpop, "l", 0)
      @sleep(0.005)
      db.close()
      server:signal("sigcont")
      local e = failure(waiting.await, waiting)
      assert.equal("closed", e.kind)
      assert.equal("closed", failure(db.get, "a").kind)
      assert.equal("closed", failure(db.blpop, "l", 0).kind)
      popping:cancel()
      pcall(popping.await, popping)
      db.close()
    end)
  end)
end)

describe("large traffic", function()
  it("is neither lost nor mixed up when the socket is full in both directions", function()
    with_server({}, function(_, db)
      local function value(i) return tostring(i):rep(40000) end
      @map({ unpack((function() local t = {} for i = 1, 60 do t[i] = i end return t end)()) }, function(i)
        db.set("k" .. i, value(i))
        assert.is_true(db.get("k" .. i) == value(i))
        return true
      end, { concurrency = 60 })
      local all = db.pipeline(function(p)
        for i = 1, 60 do p.get("k" .. i) end
      end)
      for i = 1, 60 do assert.is_true(all[i] == value(i)) end
    end)
  end)
end)

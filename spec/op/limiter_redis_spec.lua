-- @limiter with store = "redis": one rate for all processes that give the same name.
local errors = require "tusk.errors"
local program = require "spec.support.program"
local redis = require "spec.support.redis"

local server

setup(function() server = redis.start() end)
teardown(function() server:stop() end)

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local names = 0

-- A limiter over a connection of its own, as another process has.
local function limiter(opts)
  names = names + (opts.name and 0 or 1)
  local all = { name = "spec" .. names, store = server:open() }
  for k, v in pairs(opts) do all[k] = v end
  return @limiter(all)
end

describe("@limiter in Redis", function()
  it("says how things stand, as the one in memory does", function()
    local l = limiter { rate = 1, per = "1h", burst = 5 }
    local answer = l:try(3)
    assert.same({ true, 5, 2, 0 }, { answer.ok, answer.limit, answer.remaining, answer.retry_after })
    assert.is_true(answer.reset > 3599 * 3 and answer.reset <= 3600 * 3)
    answer = l:try(3)
    assert.same({ false, 2 }, { answer.ok, answer.remaining })
    assert.is_true(answer.retry_after > 3590 and answer.retry_after <= 3600)
    assert.is_true(l:try(2).ok)
    assert.is_false(l:try(1).ok)
    assert.is_true(l:try(1, { key = "another" }).ok)
  end)

  it("is one for all that give its name, and none for others", function()
    local a = limiter { rate = 1, per = "1h", burst = 3, name = "shared" }
    local b = limiter { rate = 1, per = "1h", burst = 3, name = "shared" }
    local c = limiter { rate = 1, per = "1h", burst = 3 }
    assert.is_true(a:try(2).ok)
    assert.is_true(b:try(1).ok)
    assert.is_false(a:try(1).ok)
    assert.is_true(c:try(3).ok)
  end)

  it("waits in line, and fails at once when that would be too long", function()
    local l, order = limiter { rate = 200, burst = 2 }, {}
    l:acquire(2)
    @scope(function(s)
      for i = 1, 6 do
        s:spawn(function()
          l:acquire()
          order[#order + 1] = i
        end)
      end
    end)
    assert.same({ 1, 2, 3, 4, 5, 6 }, order)
    local slow = limiter { rate = 1, per = "1h" }
    slow:acquire()
    local e = fails(slow.acquire, slow, 1, { timeout = "10s" })
    assert.equal("limited", e.kind)
    assert.is_true(e.retry_after > 3590 and e.retry_after <= 3600)
  end)

  it("keeps no key for longer than it is needed", function()
    local l = limiter { rate = 1000, burst = 2, name = "short" }
    l:acquire(2)
    local r = server:open()
    assert.is_true(r.pttl("tusk:limiter:short:") <= 3)
    l:acquire(2)
    @scope(function(s)
      s:spawn(function()
        for _ = 1, 1000 do
          if r.exists("tusk:limiter:short:") == 0 then return end
          @sleep "1ms"
        end
        error "it is still there"
      end)
    end)
  end)

  it("does not count backwards when the server's clock has been set back", function()
    local l, r = limiter { rate = 1, per = "1h", burst = 2, name = "back" }, server:open()
    r.hset("tusk:limiter:back:", "from", "9000000000000000", "taken", "1")
    assert.is_true(l:try(1).ok)
    assert.is_false(l:try(1).ok)
  end)

  it("goes on when the server has forgotten the script", function()
    local l = limiter { rate = 1, per = "1h", burst = 3 }
    assert.is_true(l:try(1).ok)
    server:open().script("FLUSH")
    assert.equal(1, l:try(1).remaining)
  end)

  it("fails as Redis does when that is away, at once for all who wait, and goes on when it is back", function()
    local other = redis.start()
    local l, errs = @limiter { rate = 50, burst = 5, store = other:open(), name = "away" }, {}
    l:acquire(5)
    @scope(function(s)
      for i = 1, 3 do s:spawn(function() errs[i] = fails(l.acquire, l, 5) end) end
      while not next(l.lines) do @sleep "1ms" end
      other:kill()
    end)
    for i = 1, 3 do assert.is_true(errors.is(errs[i], "redis"), tostring(errs[i])) end
    assert.is_nil(next(l.lines))
    other:start()
    local ok
    for _ = 1, 1000 do
      ok = pcall(l.acquire, l)
      if ok then break end
      @sleep "5ms"
    end
    assert.is_true(ok)
    other:stop()
  end)
end)

describe("two processes", function()
  -- Two programs that run the script side by side -> what each has printed.
  local function both(script)
    local texts = {}
    @scope(function(s)
      for i = 1, 2 do
        s:spawn(function()
          local result = program.run { "-e", (script:gsub("URL", ("%q"):format(server.url))) }
          assert.same({ 0, "" }, { result.status, result.stderr })
          texts[i] = result.stdout
        end)
      end
    end)
    return texts
  end

  it("share what there is, to the last one", function()
    local texts = both [[
      local l, got = @limiter { rate = 1, per = "1h", burst = 40, name = "both", store = @redis.open(URL) }, 0
      for _ = 1, 30 do
        if l:try().ok then got = got + 1 end
        @sleep "1ms"
      end
      print(got)
    ]]
    assert.equal(40, tonumber(texts[1]) + tonumber(texts[2]))
  end)

  -- The server's time before a program begins to take, and after it has: 60 take no less than 55 gaps.
  it("together stay below the rate and the burst when they wait", function()
    local texts = both [[
      local r = @redis.open(URL)
      local function now() local t = r.time() return ("%.0f"):format(t[1] * 1000000 + t[2]) end
      local l, began = @limiter { rate = 200, burst = 5, name = "wait", store = r }, now()
      @map({ 1, 2, 3 }, function() for _ = 1, 10 do l:acquire() end end, { concurrency = 3 })
      print(began, now())
    ]]
    local from, to = math.huge, 0
    for _, text in ipairs(texts) do
      local a, b = text:match "(%d+)%s+(%d+)"
      from, to = math.min(from, tonumber(a)), math.max(to, tonumber(b))
    end
    assert.is_true(to - from >= 55 * 5000)
  end)
end)

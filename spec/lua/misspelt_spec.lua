-- What a program writes by mistake for a method, a field or a dot: each is an error that says what was meant.
local operators = require "tusk.operators"
local temp = require "spec.support.temp"

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

describe("a misspelt method", function()
  local dir

  setup(function()
    dir = temp.new()
    temp.write(dir .. "/f", "a\n")
  end)
  teardown(function() temp.remove(dir) end)

  -- what → { makes one, a name that it has not, the name that was meant }
  local things = {
    ["a stream"] = { @(@stream { 1 }), "colect", "collect" },
    ["a channel"] = { @(@channel()), "recieve", nil, "recv" },
    ["a semaphore"] = { @(@semaphore(1)), "aquire", "acquire" },
    ["a lease"] = { @(@semaphore(1):try_acquire()), "relase", "release" },
    ["a watch"] = { @(@watch(nil)), "chnaged", "changed" },
    ["a pool"] = { @(@pool { open = @(1) }), "wiht", "with" },
    ["a hasher"] = { @(@hash.new "sha256"), "updtae", "update" },
    ["a breaker"] = { @(@breaker {}), "isolated", "isolate" },
    ["a limiter"] = { @(@limiter { rate = 1 }), "acquier", "acquire" },
    ["a bulkhead"] = { @(@bulkhead { max = 1 }), "stat", "stats" },
    ["a hedge"] = { @(@hedge { after = 1 }), "ran", "run" },
    ["a policy"] = { @(@policy { timeout = 1 }), "rnu", "run" },
    ["an iterator over lines"] = { @(@file.lines(dir .. "/f")), "filetr", "filter" },
    ["an iterator over pieces"] = { @(@file.chunks(dir .. "/f")), "clsoe", "close" },
    ["an iterator over values"] = { @(@json.lines "1"), "mpa", "map" },
    ["a walk"] = { @(@file.walk(dir)), "taek", "take" },
    ["a watch of files"] = { @(@file.watch(dir)), "clos", "close" },
    ["a writer"] = { @(@file.writer(dir .. "/w")), "comit", "commit" },
    ["an iterator over rows"] = { @(@db.each "select 1"), "frist", "first" },
    ["a tick"] = { @(@every "1h"), "wiat", "wait" },
    ["a secret"] = { @(@env.secret "PATH"), "reveel", "reveal" },
    ["a result"] = { @(@process.run { "true" }), "stdot", "stdout" },
  }

  for what, case in pairs(things) do
    it(("of %s names the nearest"):format(what), function()
      local thing = case[1]()
      local e = failure(function() return thing[case[2]](thing) end)
      assert.equal("argument", e.kind)
      assert.equal(('%s has no "%s"%s'):format(what, case[2], case[3] and (' (did you mean "%s"?)'):format(case[3]) or ""), e.message)
      assert.truthy(e.help[1]:find(case[3] or case[4], 1, true))
      assert.is_nil(e.help[1]:find("_inside", 1, true))
      assert.equal(case[3], e.suggestion)
      assert.is_nil(thing[1])
      local _, close = pcall(function() return thing.close end)
      if type(close) == "function" then close(thing) end
    end)
  end

  it("is none where it may be missing", function()
    assert.is_nil(@watch(nil):get())
    assert.is_nil((@breaker {}).name)
    assert.is_nil((@pool { open = @(1) }).name)
    assert.is_nil((@process.run { "true" }).signal)
  end)
end)

describe("a colon in place of a dot", function()
  -- Of every function of every operator of the host's own; nothing of them runs.
  local function functions()
    local list = {}
    for _, name in ipairs(operators.names()) do
      local value = operators.is_core(name) and operators.get(name)
      for fn, v in pairs(type(value) == "table" and value or {}) do
        if type(v) == "function" then list[#list + 1] = name .. "." .. fn end
      end
    end
    for name, fns in pairs {
      db = "query one value exec each table transaction after_commit in_transaction migrate blob raw open close",
      ["db.users"] = "all count delete exists find find_by insert insert_many update upsert",
      redis = "get set hgetall call pipeline multi script subscribe open close",
    } do
      for fn in fns:gmatch "%S+" do list[#list + 1] = name .. "." .. fn end
    end
    return list
  end

  it("is told of, with the call as it should be", function()
    local list = functions()
    assert.is_true(#list > 100)
    for _, name in ipairs(list) do
      local call = assert(load(("return @%s('x', 1)"):format((name:gsub("%.([%w_]+)$", ":%1")))))
      local e = failure(call)
      assert.equal("argument", e.kind, name)
      assert.equal(('called with a colon; write %s("x", 1) with a dot'):format("@" .. name), e.message)
    end
  end)

  it("shows what it was called with, if that is short", function()
    local function message(fn) return failure(fn).message:match "write (.*) with a dot" end
    assert.equal("@db.users.find(1)", message(@(@db.users:find(1))))
    assert.equal("@date.now()", message(@(@date:now())))
    assert.equal("@file.write(…, nil, true)", message(@(@file:write(("x"):rep(50), nil, true))))
    assert.equal("@http.post({…}, …)", message(@(@http:post({}, print))))
    assert.equal('@json.decode("[1]")', message(function()
      local json = @json
      return json:decode "[1]"
    end))
  end)

  it("is told of for what operators give, too", function()
    local db, cache = @db.open ":memory:", @cache.open "memory:"
    db.exec "create table users (id integer primary key, name text)"
    for _, call in ipairs {
      @(db:query "select 1"), @(db:exec "select 1"), @(db.users:find(1)), @(db.users:find_by { name = "a" }), @(db.users:all { name = "a" }),
      @(db.users:insert { name = "a" }), @(db.users:insert_many { { name = "a" } }), @(db.users:update(1, { name = "a" })),
      @(db.users:upsert { name = "a" }), @(db.users:delete(1)), @(db:transaction(print)), @(db:table "users"), @(cache:get "a"),
      @(cache:set("a", 1)), @(cache:with { prefix = "x" }), @(@file.root("."):read "x"), @(@http.client({}):get "http://127.0.0.1:1"),
    } do assert.truthy(failure(call).message:find("with a dot", 1, true)) end
    db.transaction(function(tx)
      assert.truthy(failure(@(tx.users:insert { name = "a" })).message:find("with a dot", 1, true))
      assert.truthy(failure(@(tx:after_commit(print))).message:find("with a dot", 1, true))
      assert.truthy(failure(@(tx:transaction(print))).message:find("with a dot", 1, true))
    end)
    assert.equal(0, db.users.count())
    db.close()
    cache.close()
  end)

  it("is what an operator of a plugin's may want", function()
    operators.define("spec_counter", { n = 0, add = function(self, n) return self, n end }, "spec")
    local ok, self, n = pcall(load "return @spec_counter:add(2)")
    operators.remove "spec_counter"
    assert.is_true(ok, self)
    assert.equal("table", type(self))
    assert.equal(2, n)
  end)
end)

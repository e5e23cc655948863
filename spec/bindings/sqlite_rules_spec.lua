-- What makes a database quick and keeps the loop free: inline reads and writes, routing, cold pages, the log.
local database = require "spec.support.database"
local program = require "spec.support.program"
local raw_database = require "spec.support.raw_database"
local temp = require "spec.support.temp"

local uv = require "luv"
local with = raw_database.with

local UP_TO = "with recursive c(x) as (select 1 union all select x + 1 from c where x < ?) "
local ROWS = UP_TO .. "insert into t select x, x % 100, 'row ' || x from c"

local function fill(db, n)
  db:exec "create table t (id integer primary key, k integer, s text)"
  db:exec "create index by_k on t (k)"
  db:exec(ROWS, n)
end

local function repeated(n, fn)
  return function()
    for i = 1, n do fn(i) end
  end
end

-- fn's counts, again and again until one pleases: a budget of time may be used up by a machine that is busy elsewhere.
local function eventually(db, fn, pleases)
  local counts
  for _ = 1, 50 do
    counts = db:counted(fn)
    if pleases(counts) then return end
  end
  assert(pleases(counts), "never did what it should")
end

describe("a statement by key", function()
  it("is answered on the loop thread", function()
    with({}, function(db)
      fill(db, 1000)
      eventually(db, repeated(20, function(i)
        assert.equal("row " .. i, db:value("select s from t where id = ?", i))
      end), function(counts) return counts.inline == 20 end)
    end)
  end)

  it("sees columns that a table has got under it", function()
    with({}, function(db, path)
      fill(db, 10)
      local other = @db.open(path)
      for i = 1, 5 do
        other.exec(("alter table t add column c%d default %d"):format(i, i))
        local row = db:one("select * from t where id = ?", i)
        assert.equal(i, row["c" .. i])
        assert.equal(i, row.id)
        assert.equal(1, db:exec("update t set k = 5 where id = ?", i).changes)
      end
      other.close()
    end)
  end)
end)

describe("a query that takes long", function()
  it("is stopped on the loop thread and answered by another, and begins there from then on", function()
    with({}, function(db)
      fill(db, 20000)
      local text = "select sum(id * k) from t where k >= ?" -- a search in the index, of every row
      local expected = db:value("select sum(id * (id % 100)) from t")
      local counts = db:counted(function() assert.equal(expected, db:value(text, 0)) end)
      assert.equal(1, counts.overrun)
      assert.is_nil(db:counted(repeated(3, function() assert.equal(expected, db:value(text, 0)) end)).overrun)
    end)
  end)

  it("earns the loop thread when it has become quick", function()
    with({}, function(db)
      fill(db, 20000)
      local text = "select sum(id * k) from t where k >= ?"
      db:value(text, 0)
      eventually(db, repeated(20, function() assert.is_nil(db:value(text, 100)) end),
        function(counts) return (counts.inline or 0) > 5 end)
    end)
  end)

  it("is not begun on the loop thread when it visits whole tables", function()
    with({}, function(db)
      fill(db, 20000)
      for _, text in ipairs { "select count(*) from t", "select * from t where s like '%99%'", "select k, count(*) from t group by k" } do
        local counts = db:counted(function() db:query(text) end)
        assert.is_nil(counts.inline)
        assert.is_nil(counts.overrun)
      end
    end)
  end)

  it("that visits a small table earns the loop thread, and loses it when the table has grown", function()
    with({}, function(db)
      fill(db, 10)
      local text = "select sum(length(s) > 0) from t"
      local function all(n) return function() assert.equal(n, db:value(text)) end end
      eventually(db, repeated(10, all(10)), function(counts) return counts.inline == 10 end)
      db:exec("delete from t")
      db:exec(ROWS, 20000)
      db:counted(all(20000))
      assert.is_nil(db:counted(repeated(3, all(20000))).inline)
    end)
  end)

  it("never earns it by an operation that visits a whole table in one step", function()
    with({}, function(db)
      fill(db, 10)
      local counts = db:counted(repeated(50, function() assert.equal(10, db:value "select count(*) from t") end))
      assert.is_nil(counts.inline)
    end)
  end)

  it("makes no value of megabytes on the loop thread", function()
    with({}, function(db)
      local text = "select length(hex(zeroblob(?)))"
      assert.equal(20, db:value(text, 10))
      local counts = db:counted(function() assert.equal(10000000, db:value(text, 5000000)) end)
      assert.is_nil(counts.inline)
    end)
  end)
end)

describe("a page that is not in memory", function()
  -- Takes the file out of the kernel's cache; a process of its own, since closing a file here would drop SQLite's locks.
  local function evict(path)
    local r = program.run({ "if=" .. path, "iflag=nocache", "count=0" }, { program = "/bin/dd" })
    assert.equal(0, r.status, r.stderr)
  end

  it("is read by a thread, and is in memory afterwards", function()
    local dir = assert(uv.fs_mkdtemp(program.path():match("^(.*)/") .. "/cold.XXXXXX")) -- on a disk, which /tmp may not be
    local ok, e = pcall(function()
      local path = dir .. "/cold.db"
      local db = raw_database.open(path)
      fill(db, 50000)
      db:close()
      db = raw_database.open(path)
      db:value("select s from t where id = ?", 1)
      local kind = program.run({ "-f", "-c", "%T", path }, { program = "/usr/bin/stat" }).stdout
      local cold = 0
      for round = 1, 20 do
        program.run({ "-c", "sync " .. path }, { program = "/bin/sh" })
        evict(path)
        local counts = db:counted(repeated(50, function(i)
          local id = (round * 50 + i) * 37
          assert.equal("row " .. id, db:value("select s from t where id = ?", id))
        end))
        cold = cold + (counts.cold or 0)
        if cold > 0 then break end
      end
      db:close()
      if cold == 0 then
        io.stderr:write("\nNOT TESTED: no page of ", kind:gsub("\n", ""), " could be taken out of memory\n")
        return pending("no cold pages on this file system")
      end
    end)
    temp.remove(dir)
    if not ok then error(e, 0) end
  end)
end)

describe("a write with nobody beside it", function()
  local function prepared(opts, fn)
    with(opts, function(db)
      fill(db, 100)
      for i = 1, 3 do db:exec("update t set k = ? where id = ?", i, i) end
      fn(db)
    end)
  end

  it("is done on the loop thread", function()
    prepared({}, function(db)
      eventually(db, repeated(50, function(i)
        assert.equal(1, db:exec("update t set k = ? where id = ?", i, 7).changes)
        assert.equal(i, db:value("select k from t where id = ?", 7))
      end), function(counts) return counts.writes == 50 end)
    end)
  end)

  it("is done by the writer's thread when a commit waits for the disk", function()
    prepared({ synchronous = 2 }, function(db)
      local counts = db:counted(repeated(10, function(i) db:exec("update t set k = ? where id = ?", i, 7) end))
      assert.is_nil(counts.writes)
    end)
  end)

  it("is done by the writer's thread when it has company", function()
    prepared({}, function(db)
      local counts = db:counted(function()
        @map({ 1, 2, 3, 4, 5, 6, 7, 8 }, function(id)
          for i = 1, 20 do
            @yield()
            db:exec("update t set k = ? where id = ?", i, id)
          end
        end)
      end)
      assert.is_true((counts.grouped or 0) > 60, "grouped " .. tostring(counts.grouped))
    end)
  end)

  it("is undone when it takes too long there, and done once by the thread", function()
    prepared({}, function(db)
      db:exec("delete from t")
      db:exec(ROWS, 20000)
      db:exec("create table log (n integer)")
      local text = "update t set k = k + 1 where id between ? and ?"
      for i = 1, 3 do assert.equal(20000, db:exec(text, 1, 20000).changes, i) end
      assert.equal(3 * 20000, db:value "select sum(k) from t" - 200 * 4950)
    end)
  end)

  it("fails as it would on the thread", function()
    prepared({}, function(db)
      db:exec("insert into t values (?, 1, '')", 1000)
      for _ = 1, 5 do
        local _, e = @try(db.exec, db, "insert into t values (?, 1, '')", 1000)
        assert.equal("primary_key", e.type)
        assert.equal(1, db:value "select count(*) from t where id = 1000")
      end
    end)
  end)

  it("waits for another connection's lock on the thread", function()
    with({ busy_ms = 3600000 }, function(db, path)
      fill(db, 10)
      for i = 1, 3 do db:exec("update t set k = ? where id = ?", i, i) end
      local other, begun, ended = @db.open(path), database.gate(), database.gate()
      local holder = @async(function()
        other.transaction(function(tx)
          tx.exec "update t set k = 0"
          begun.open()
          ended.wait()
        end)
      end)
      begun.wait()
      local write = @async(function() return db:exec("update t set k = ? where id = ?", 50, 5).changes end)
      assert.equal("row 5", db:value("select s from t where id = ?", 5))
      ended.open()
      assert.equal(1, write:await())
      holder:await()
      assert.equal(50, db:value("select k from t where id = ?", 5))
      other.close()
    end)
  end)
end)

-- How soon the log begins anew is a matter of who gets the processor when; that it does, and goes on doing so, is not.
describe("the write-ahead log", function()
  -- How often it has begun anew: SQLite counts that in its header.
  local function times_begun(path)
    local file = io.open(path .. "-wal", "rb")
    local head = file and file:read(16)
    if file then file:close() end
    if not head or #head < 16 then return 0 end
    local a, b, c, d = head:byte(13, 16)
    return ((a * 256 + b) * 256 + c) * 256 + d
  end

  it("begins anew beside tasks that read in one turn after the other", function()
    with({}, function(db, path)
      fill(db, 1000)
      local first, writing = times_begun(path), 4
      local function again() return times_begun(path) - first end
      @scope(function(s)
        for k = 1, 2 do
          s:spawn(function()
            local id = k
            while writing > 0 do
              db:value("select s from t where id = ?", id)
              id = id % 1000 + 1
            end
          end)
        end
        for k = 0, 3 do
          s:spawn(function()
            for i = 0, 499 do
              if again() >= 3 then break end
              db:exec("update t set s = ? where id = ?", ("x"):rep(120000), 200 * k + i % 100 + 1)
            end
            writing = writing - 1
          end)
        end
      end)
      assert.is_true(again() >= 3, ("begun anew %d times, %d checkpoints"):format(again(), db:counts().checkpoints))
    end)
  end)

  it("begins anew under writes that are done on the loop thread", function()
    with({}, function(db, path)
      fill(db, 1000)
      local first = times_begun(path)
      for i = 1, 20000 do
        if i % 100 == 0 and times_begun(path) - first >= 3 then break end
        db:exec("update t set s = ? where id = ?", i .. ("x"):rep(500), i % 1000 + 1)
      end
      assert.is_true(times_begun(path) - first >= 3, "checkpoints: " .. db:counts().checkpoints)
    end)
  end)
end)

describe("a file with a rollback journal", function()
  local function prepared(fn)
    with({ rollback = true }, function(db, path)
      fill(db, 500)
      assert.equal("delete", db:value "pragma journal_mode")
      fn(db, path)
    end)
  end

  it("is read on the loop thread", function()
    prepared(function(db)
      eventually(db, repeated(20, function(i)
        assert.equal("row " .. i, db:value("select s from t where id = ?", i))
      end), function(counts) return counts.inline == 20 end)
    end)
  end)

  it("shows every task its own writes, and lets writers in beside tasks that read without a pause", function()
    prepared(function(db)
      local missed, writing = 0, 3
      @scope(function(s)
        for k = 1, 3 do
          s:spawn(function()
            while writing > 0 do db:value("select s from t where id = ?", k * 100) end
          end)
        end
        for id = 1, 3 do
          s:spawn(function()
            for i = 1, 30 do
              db:exec("update t set k = ? where id = ?", i, id)
              if db:value("select k from t where id = ?", id) ~= i then missed = missed + 1 end
            end
            writing = writing - 1
          end)
        end
      end)
      assert.equal(0, missed)
    end)
  end)

  it("is read beside a transaction whose task waits for that read", function()
    database.with("file", function(db)
      db.exec "create table t (id integer primary key, n integer)"
      db.exec "insert into t values (1, 10)"
      assert.equal(10, db.value("select n from t where id = ?", 1))
      local begun, asked, seen = database.gate(), database.gate(), database.gate()
      local other = @async(function()
        begun.wait()
        local write = @async(function() db.exec "insert into t values (3, 30)" end) -- waits for the transaction
        @yield()
        asked.open()
        local n = db.value("select n from t where id = ?", 1)
        seen.open()
        write:await()
        return n
      end)
      local holder = @async(function()
        db.transaction(function(tx)
          tx.exec "insert into t values (2, 20)"
          begun.open()
          asked.wait()
          seen.wait()
        end)
      end)
      assert.equal(10, other:await())
      holder:await()
      assert.equal(3, db.t.count())
    end, { journal = "delete" })
  end)

  it("can be asked for, and is kept by those who only read", function()
    temp.dir(function(dir)
      local db = @db.open(dir .. "/a.db", { journal = "delete" })
      db.exec "create table t (n integer)"
      db.t.insert { n = 1 }
      db.close()
      assert.is_nil(uv.fs_stat(dir .. "/a.db-wal"))
      db = @db.open(dir .. "/a.db", { readonly = true })
      assert.equal("delete", db.value "pragma journal_mode")
      assert.equal(1, db.t.count())
      db.close()
      db = @db.open(dir .. "/a.db")
      assert.equal("wal", db.value "pragma journal_mode")
      db.close()
      local _, e = @try(@db.open, dir .. "/a.db", { journal = "off" })
      assert.matches('journal: write "wal" or "delete"', e.message)
    end)
  end)
end)

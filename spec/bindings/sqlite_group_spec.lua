-- Rules 8 to 10 of group commit: many writes, one transaction, each answered as if it had been alone.
local database = require "spec.support.database"
local raw_database = require "spec.support.raw_database"

local SCHEMA = [[
  create table t (id integer primary key, u integer unique, n integer not null default 0, c integer check (c < 10));
  create table parent (id integer primary key);
  create table child (id integer primary key, p integer references parent (id) deferrable initially deferred);
  create table strict_child (id integer primary key, p integer references parent (id) on delete cascade);
  create table typed (id integer primary key, i integer) strict;
  create table log (what text);
  create table guarded (what text);
  create trigger guard before insert on guarded begin
    insert into log values ('before ' || new.what);
    select case new.what
      when 'abort' then raise(abort, 'refused') when 'fail' then raise(fail, 'refused')
      when 'ignore' then raise(ignore) when 'rollback' then raise(rollback, 'refused') end;
  end;
  insert into t (id, u) values (1, 1), (2, 2), (3, 3);
  insert into parent values (1), (2);
  insert into child values (1, 1);
  insert into strict_child values (1, 2);
]]

-- Statements of every kind: those that succeed, those that fail and keep something, or nothing, or undo all.
local KINDS = {
  "insert into t (u) values (@)",
  "insert into t (u) values (@), (@ + 1), (1)",
  "insert or fail into t (u) values (@), (@ + 1), (1), (@ + 2)",
  "insert or ignore into t (u) values (@), (1), (@ + 2)",
  "insert or replace into t (id, u) values (2, @), (3, 1)",
  "insert or rollback into t (u) values (@), (1)",
  "update or rollback t set u = 1 where id > 1",
  "update or fail t set u = id % 2 + 1000",
  "insert into t (u, n) values (@, null)",
  "insert into t (u, c) values (@, 10)",
  "insert into t (id, u) values (1, @)",
  "insert into guarded values ('abort')",
  "insert into guarded values ('one'), ('fail'), ('two')",
  "insert into guarded values ('one'), ('ignore'), ('two')",
  "insert into guarded values ('one'), ('rollback')",
  "insert into strict_child (p) values (99)",
  "delete from parent where id = 2",
  "insert into child (p) values (99)",
  "insert into child (p) values (1)",
  "delete from parent where id = 1",
  "insert or fail into child (id, p) values (50, 98), (1, 1)",
  "insert into typed (i) values (@), ('word')",
  "insert into log values (zeroblob(1500000000))",
  "insert into log values (json('{'))",
  "update t set n = abs(case id when 2 then -9223372036854775808 else 5 end)",
  "insert into log select json(x) from (select '[1]' as x union all select '{')",
  "insert into nosuch values (1)",
  "insert into t (u) values (?)",
  "insert int t values",
  "update t set n = n + 1",
  "delete from t where id > 3 returning id, u",
  "insert into t (u) values (@) on conflict do update set n = n + 100 returning *",
  "create table if not exists later (a)",
  "pragma user_version = @",
  "analyze",
  "select count(*) from t",
}

local DUMP = { "t", "parent", "child", "strict_child", "typed", "log", "guarded" }

local function dump(db)
  local all = { version = db:value "pragma user_version" }
  for _, name in ipairs(DUMP) do all[name] = db:query("select * from " .. name .. " order by rowid") end
  return all
end

local function outcome(db, sql)
  local ok, result = pcall(db.exec, db, sql)
  if ok then return result end
  return { kind = result.kind, message = result.message, type = result.type, code = result.code }
end

local function statements(n)
  local list = {}
  for i = 1, n do
    local number = 10 * i + 10000
    list[i] = KINDS[math.random(#KINDS)]:gsub("@", number)
  end
  return list
end

-- The same statements one after the other, and all in one turn: the same answers, the same rows.
local function compare(list, opts)
  local alone, together, counts = {}, {}, nil
  local rows_alone, rows_together
  raw_database.with(opts, function(db)
    db:exec(SCHEMA)
    for i, sql in ipairs(list) do alone[i] = outcome(db, sql) end
    rows_alone = dump(db)
  end)
  raw_database.with(opts, function(db)
    db:exec(SCHEMA)
    counts = db:counted(function()
      @scope(function(s)
        for i, sql in ipairs(list) do s:spawn(function() together[i] = outcome(db, sql) end) end
      end)
    end)
    rows_together = dump(db)
    assert.equal("ok", db:value "pragma integrity_check")
  end)
  for i, sql in ipairs(list) do assert.same({ sql, alone[i] }, { sql, together[i] }) end
  assert.same(rows_alone, rows_together)
  return counts
end

describe("writes of many tasks", function()
  for _, mode in ipairs { { "NORMAL", 1 }, { "FULL", 2 } } do
    it("share a commit under " .. mode[1], function()
      raw_database.with({ synchronous = mode[2] }, function(db)
        db:exec "create table t (id integer primary key, n integer)"
        local ids = {}
        local counts = db:counted(function()
          @scope(function(s)
            for i = 1, 64 do s:spawn(function() ids[i] = db:exec("insert into t (n) values (?)", i).last_id end) end
          end)
        end)
        assert.equal(1, counts.groups)
        assert.equal(64, counts.grouped)
        for i = 1, 64 do assert.equal(i, db:value("select n from t where id = ?", ids[i])) end
      end)
    end)
  end

  it("tell each its own changes and key", function()
    raw_database.with({}, function(db)
      db:exec "create table t (id integer primary key, n integer); insert into t values (10, 1), (11, 1)"
      local a, b, c = @all(@(db:exec "insert into t (n) values (5)"), @(db:exec "update t set n = 2 where id < 12"),
        @(db:exec "delete from t where id = 99"))
      assert.same({ { changes = 1, last_id = 12 }, { changes = 2 }, { changes = 0 } }, { a, b, c })
    end)
  end)

  it("of any kind end as if one had followed the other", function()
    local grouped, again = 0, 0
    for round = 1, tonumber(os.getenv "N" or 8) do
      math.randomseed(round)
      local counts = compare(statements(14), { synchronous = 1 + round % 2 })
      grouped, again = grouped + (counts.grouped or 0), again + (counts.again or 0)
    end
    assert.is_true(grouped > 20, "hardly any shared a commit")
    assert.is_true(again > 5, "hardly any was begun again")
  end)

  for _, sql in ipairs(KINDS) do
    it("are not hurt by one beside them: " .. sql, function()
      compare({ "insert into log values ('first')", (sql:gsub("@", "5000")), "insert into log values ('last')" })
    end)
  end

  it("answer one that is cancelled in the line, and do the others", function()
    raw_database.with({}, function(db)
      db:exec "create table t (n integer)"
      local tasks = {}
      for i = 1, 20 do tasks[i] = @async(function() return db:exec("insert into t values (?)", i).changes end) end
      tasks[3]:cancel()
      tasks[20]:cancel()
      for i = 1, 20 do
        local ok = pcall(function() return tasks[i]:await() end)
        assert.equal(i ~= 3 and i ~= 20, ok)
      end
      assert.equal(18, db:value "select count(*) from t")
      assert.is_nil(db:value "select n from t where n in (3, 20)")
    end)
  end)

  it("end one that never would, when its time is over, and do the others", function()
    raw_database.with({}, function(db)
      db:exec "create table t (n integer)"
      local done = 0
      @scope(function(s)
        local function insert(i)
          local changes = db:exec("insert into t values (?)", i).changes
          done = done + changes
        end
        for i = 1, 5 do s:spawn(function() insert(i) end) end
        s:spawn(function()
          local _, e = @try(@timeout, "20ms", @(db:exec("insert into t " .. database.ENDLESS)))
          assert.equal("timeout", e.kind)
        end)
        for i = 6, 10 do s:spawn(function() insert(i) end) end
      end)
      assert.equal(10, done)
      assert.equal(55, db:value "select sum(n) from t")
    end)
  end)

  it("have happened exactly where they were answered, however they are cancelled", function()
    raw_database.with({}, function(db)
      db:exec "create table t (n integer)"
      local answered, n = {}, 0
      for round = 1, 30 do
        local tasks = {}
        for i = 1, 16 do
          n = n + 1
          local mine = n
          tasks[i] = @async(function()
            db:exec("insert into t values (?)", mine)
            answered[mine] = true
          end)
        end
        @try(@timeout, round * 0.00003, @(tasks[16]:await()))
        for i = 1, 16, 2 do tasks[i]:cancel() end
        for i = 1, 16 do pcall(function() tasks[i]:await() end) end
      end
      local rows = {}
      for _, row in ipairs(db:query "select n from t") do
        assert.is_nil(rows[row.n])
        rows[row.n] = true
      end
      assert.same(answered, rows)
    end)
  end)

  -- fn while another connection has the lock that writes need
  local function locked_out(path, fn)
    local other, begun, ended = @db.open(path), database.gate(), database.gate()
    local holder = @async(function()
      other.transaction(function(tx)
        tx.t.insert { n = 0 }
        begun.open()
        ended.wait()
      end)
    end)
    begun.wait()
    fn()
    ended.open()
    holder:await()
    other.close()
  end

  it("wait together for a lock, and each no longer than its task", function()
    raw_database.with({ busy_ms = 3600000 }, function(db, path)
      db:exec "create table t (n integer)"
      local tasks = {}
      locked_out(path, function()
        for i = 1, 6 do tasks[i] = @async(function() return db:exec("insert into t values (?)", i).changes end) end
        local _, e = @try(@timeout, "20ms", @(tasks[1]:await()))
        assert.equal("timeout", e.kind)
        tasks[2]:cancel()
        assert.is_false(pcall(function() tasks[2]:await() end))
      end)
      for _, i in ipairs { 1, 3, 4, 5, 6 } do assert.equal(1, tasks[i]:await()) end
      assert.is_nil(db:value "select n from t where n = 2")
      assert.equal(6, db:value "select count(*) from t")
    end)
  end)

  it("fail together when the lock is not had in time", function()
    raw_database.with({ busy_ms = 20 }, function(db, path)
      db:exec "create table t (n integer)"
      locked_out(path, function()
        local outs = @all_settled(@(db:exec "insert into t values (1)"), @(db:exec "insert into t values (2)"))
        for i = 1, 2 do
          assert.equal("db.busy", outs[i].err.kind)
          assert.is_true(outs[i].err.retryable)
        end
      end)
      assert.equal(1, db:value "select count(*) from t")
    end)
  end)

  it("are seen by a read that follows their answer", function()
    raw_database.with({}, function(db)
      db:exec "create table t (id integer primary key, n integer)"
      for id = 1, 8 do db:exec("insert into t values (?, 0)", id) end
      local missed = 0
      @scope(function(s)
        for id = 1, 8 do
          s:spawn(function()
            for i = 1, 100 do
              db:exec("update t set n = ? where id = ?", i, id)
              if db:value("select n from t where id = ?", id) ~= i then missed = missed + 1 end
            end
          end)
        end
      end)
      assert.equal(0, missed)
    end)
  end)
end)

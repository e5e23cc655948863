-- What happens to a database beside other processes, full disks, kills and cancellations.
local core = require "tusk.core"
local program = require "spec.support.program"
local raw_database = require "spec.support.raw_database"
local temp = require "spec.support.temp"
local uv = require "luv"

local UP_TO = "with recursive c(x) as (select 1 union all select x + 1 from c where x < ?) "

local function failure(fn, ...)
  local _, e = @try(fn, ...)
  assert.is_not_nil(e, "it did not fail")
  return e
end

-- Starts a script of its own process, with PATH standing for path, and calls fn(process).
local function beside(dir, path, text, fn)
  local script = temp.write(dir .. "/beside.lua", (text:gsub("PATH", function() return ("%q"):format(path) end)))
  program.start({ "run", script }, {}, fn)
end

describe("a database whose process is killed", function()
  it("has every row that was answered, under FULL", function()
    temp.dir(function(dir)
      local path, told = dir .. "/a.db", {}
      local db = @db.open(path)
      db.exec "create table t (run integer, n integer, primary key (run, n))"
      db.close()
      for run = 1, tonumber(os.getenv "N" or 20) do
        beside(dir, path, ([[
          io.stdout:setvbuf("no")
          local db, n = @db.open(PATH, { synchronous = "full" }), 0
          @scope(function(s)
            for _ = 1, 16 do
              s:spawn(function()
                while true do
                  n = n + 1
                  local mine = n
                  db.exec("insert into t values (RUN, ?)", mine)
                  io.write(mine, "\n")
                end
              end)
            end
          end)
        ]]):gsub("RUN", run), function(p)
          for _ = 1, 1 + run * 7 % 60 do p:read_line() end
          p:signal("sigkill")
          local r = p:wait()
          assert.equal("sigkill", r.signal)
          for line in r.stdout:gmatch("(%d+)\n") do told[#told + 1] = { run, tonumber(line) } end
        end)
      end
      db = @db.open(path)
      assert.equal("ok", db.value "pragma integrity_check")
      for _, row in ipairs(told) do
        assert.equal(1, db.value("select count(*) from t where run = ? and n = ?", row[1], row[2]))
      end
      assert.is_true(#told > 20)
      db.close()
    end)
  end)

  it("is put right from its journal by a thread, under the eyes of another process", function()
    temp.dir(function(dir)
      local path = dir .. "/a.db"
      local db = raw_database.open(path, { rollback = true })
      db:exec "create table t (id integer primary key, s text)"
      db:exec(UP_TO .. "insert into t select x, 'before' from c", 3000)
      assert.equal("before", db:value("select s from t where id = ?", 7))
      beside(dir, path, [[
        local db = @db.open(PATH, { journal = "delete", cache_size = "16KiB" })
        db.transaction(function(tx) -- more than its cache: it is written to the file before it is committed
          tx.exec "update t set s = 'after and rather longer than it was'"
          print "now"
          io.stdout:flush()
          @sleep "60s"
        end)
      ]], function(p)
        p:read_until("now")
        p:signal("sigkill")
        p:wait()
      end)
      assert.is_true((uv.fs_stat(path .. "-journal") or { size = 0 }).size > 0, "there is no journal")
      assert.equal("before", db:value("select s from t where id = ?", 7))
      assert.equal(3000, db:value "select count(*) from t where s = 'before'")
      assert.equal("ok", db:value "pragma integrity_check")
      db:close()
    end)
  end)
end)

local function on_small_disk(fn)
  temp.dir(function(dir)
    local r = program.run({ "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir }, { program = "/bin/mount" })
    if r.status ~= 0 then
      io.stderr:write("\nNOT TESTED: no file system can be mounted here: ", r.stderr, "\n")
      return pending("no file system can be mounted")
    end
    local ok, e = pcall(fn, dir)
    program.run({ "-l", dir }, { program = "/bin/umount" })
    if not ok then error(e, 0) end
  end)
end

describe("a folder that nothing can be written to", function()
  local function opening(path, opts)
    local ok, e = pcall(@db.open, path, opts)
    return ok or e.kind
  end

  it("lets a database without a log be read, and no other be opened; each says why", function()
    on_small_disk(function(dir)
      for name, journal in pairs { wal = "wal", plain = "delete" } do
        local db = @db.open(("%s/%s.db"):format(dir, name), { journal = journal })
        db.exec "create table t (a)"
        db.t.insert { a = 1 }
        db.close()
      end
      assert.equal(0, program.run({ "-o", "remount,ro", dir }, { program = "/bin/mount" }).status)
      local db = @db.open(dir .. "/plain.db", { journal = "delete", readonly = true })
      assert.same({ { a = 1 } }, db.query "select * from t")
      local ok, e = pcall(db.exec, "insert into t values (2)")
      assert.same({ false, "db.readonly", false }, { ok, e.kind, e.sent or false })
      assert.equal(1, db.value "select count(*) from t")
      db.close()
      assert.equal("db.readonly", opening(dir .. "/plain.db")) -- it would be given a log
      assert.equal("db.open", opening(dir .. "/wal.db"))
      assert.equal("db.open", opening(dir .. "/wal.db", { readonly = true }))
      assert.equal("db.open", opening(dir .. "/new.db"))
    end)
  end)
end)

describe("a disk that is full", function()
  it("fails the writes that have no room, whole, and no others", function()
    on_small_disk(function(dir)
      local db = raw_database.open(dir .. "/a.db")
      db:exec "create table t (id integer primary key, b blob)"
      local answered, full = 0, 0
      for round = 1, 12 do
        local function insert(i)
          local ok, e = pcall(db.exec, db, "insert into t values (?, zeroblob(?))", round * 100 + i, i == 5 and 900000 or 3000)
          if ok then
            answered = answered + 1
          else
            assert.equal("db.full", type(e) == "table" and e.kind, tostring(e))
            full = full + 1
          end
        end
        @map({ 1, 2, 3, 4, 5, 6, 7, 8 }, insert)
      end
      assert.is_true(answered > 8 and full > 12)
      assert.equal(answered, db:value "select count(*) from t")
      assert.equal("ok", db:value "pragma integrity_check")
      db:close()
    end)
  end)
end)

describe("a flush that fails", function()
  local FAILING = [[
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <errno.h>
    #include <stdlib.h>
    #include <unistd.h>
    static int flush(const char *name, int fd)
    {
        if (access(getenv("FAIL_WHEN"), F_OK))
            return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
        errno = EIO;
        return -1;
    }
    int fsync(int fd) { return flush("fsync", fd); }
    int fdatasync(int fd) { return flush("fdatasync", fd); }
  ]]

  it("is told as a commit that is perhaps done, to all that share it", function()
    if (os.getenv "SANITIZE" or "") ~= "" then return pending("a sanitizer has to be loaded first") end
    temp.dir(function(dir)
      local source, library = temp.write(dir .. "/fail.c", FAILING), dir .. "/fail.so"
      local cc = program.run({ "-c", (os.getenv "CC" or "cc") .. ' -shared -fPIC -o "$0" "$1" -ldl', library, source }, { program = "/bin/sh" })
      assert.equal(0, cc.status, cc.stderr)
      local script = temp.write(dir .. "/main.lua", ([[
        local db = @db.open(%q, { synchronous = "full" })
        db.exec "create table t (n integer)"
        db.exec "insert into t values (0)"
        io.open(%q, "w"):close()
        for _, out in ipairs(@all_settled(@(db.exec "insert into t values (1)"), @(db.exec "insert into t values (2)"))) do
          print(out.err.kind, out.err.sent)
        end
        os.remove(%q)
        db.exec "insert into t values (3)"
        print(db.value "select count(*) from t where n in (0, 3)", db.value "pragma integrity_check")
      ]]):format(dir .. "/a.db", dir .. "/now", dir .. "/now"))
      local r = program.run({ "run", script }, { env = { LD_PRELOAD = library, FAIL_WHEN = dir .. "/now" } })
      assert.equal("db.io\ttrue\ndb.io\ttrue\n2\tok\n", r.stdout, r.stderr)
    end)
  end)
end)

describe("another process", function()
  it("writes at the same time, and nothing is lost", function()
    temp.dir(function(dir)
      local path = dir .. "/a.db"
      local db = raw_database.open(path)
      db:exec "create table t (who integer, n integer); create table total (n integer)"
      db:exec "insert into total values (0)"
      beside(dir, path, [[
        local db = @db.open(PATH)
        for i = 1, 150 do
          db.exec("insert into t values (1, ?)", i)
          db.exec("update total set n = n + 1")
        end
        db.close()
      ]], function(p)
        @map({ 2, 3, 4 }, function(who)
          for i = 1, 50 do
            db:exec("insert into t values (?, ?)", who, i)
            db:exec("update total set n = n + 1")
            assert.equal(i, db:value("select max(n) from t where who = ?", who))
          end
        end)
        assert.equal(0, p:wait().status)
      end)
      assert.equal(300, db:value "select count(*) from t")
      assert.equal(300, db:value "select n from total")
      assert.equal("ok", db:value "pragma integrity_check")
      db:close()
    end)
  end)

  -- With the log a reader needs no lock that it may hold; without one it is locked out, but the loop goes on.
  for _, journal in ipairs { "wal", "delete" } do
    it("is stopped with a lock, and the loop goes on; journal " .. journal, function()
      temp.dir(function(dir)
        local path = dir .. "/a.db"
        local db = raw_database.open(path, { rollback = journal == "delete", busy_ms = 60 })
        db:exec "create table t (id integer primary key, n integer)"
        db:exec "insert into t values (1, 10)"
        assert.equal(10, db:value("select n from t where id = ?", 1))
        beside(dir, path, ([[
          local db = @db.open(PATH, { journal = "JOURNAL" })
          db.transaction({ mode = "exclusive" }, function(tx)
            tx.exec "update t set n = 11"
            print "now"
            io.stdout:flush()
            @sleep "60s"
          end)
        ]]):gsub("JOURNAL", journal), function(p)
          p:read_until("now")
          p:signal("sigstop")
          local ticks, working = 0, true
          local ticker = @async(function()
            while working do
              ticks = ticks + 1
              @sleep("1ms")
            end
          end)
          assert.equal("db.busy", failure(db.exec, db, "update t set n = 12").kind)
          if journal == "wal" then
            assert.equal(10, db:value("select n from t where id = ?", 1))
          else
            assert.equal("db.busy", failure(db.value, db, "select n from t where id = ?", 1).kind)
          end
          working = false
          ticker:await()
          assert.is_true(ticks > 5)
          p:signal("sigkill")
          p:wait()
        end)
        assert.equal(10, db:value("select n from t where id = ?", 1))
        assert.equal(1, db:exec("update t set n = 13").changes)
        db:close()
      end)
    end)
  end
end)

describe("reads", function()
  it("by many tasks on several threads see whole transactions while others write", function()
    raw_database.with({ readers = 4 }, function(db)
      db:exec "create table t (id integer primary key, n integer)"
      for id = 1, 20 do db:exec("insert into t values (?, 100)", id) end
      local writing, looks = 3, 0
      @scope(function(s)
        for k = 1, 6 do
          s:spawn(function()
            local before = 0
            while writing > 0 do
              local row
              if k % 2 == 0 then -- on a thread
                row = db:one "select sum(n) as total, max(n) as top from (select n, count(*) over () from t)"
              else -- by key, where it stands
                row = { total = 2000, top = db:value("select n from t where id = ?", 20) }
                assert.is_true(row.top >= before) -- it only grows
                before = row.top
              end
              assert.equal(2000, row.total)
              looks = looks + 1
            end
          end)
        end
        for k = 1, 3 do
          s:spawn(function()
            for i = 1, 40 do
              local id = (k * 40 + i) % 19 + 1
              db:exec("update t set n = n + case id when 20 then 1 else -1 end where id in (?, 20)", id)
            end
            writing = writing - 1
          end)
        end
      end)
      assert.is_true(looks > 20)
      assert.equal(220, db:value("select n from t where id = ?", 20))
    end)
  end)

  it("are never hit by what was to end another", function()
    raw_database.with({ readers = 1 }, function(db)
      local text = UP_TO .. "select count(*) from c"
      db:value(text, 1)
      for round = 1, 60 do
        local tasks = {}
        for i = 1, 8 do tasks[i] = @async(function() return db:value(text, 2000 + round * 10) end) end
        for i = 1, 8, 2 do
          if i % 4 == 1 then core.yield() end
          tasks[i]:cancel()
        end
        for i = 2, 8, 2 do assert.equal(2000 + round * 10, tasks[i]:await()) end
        for i = 1, 8, 2 do @try(function() return tasks[i]:await() end) end
      end
    end)
  end)
end)

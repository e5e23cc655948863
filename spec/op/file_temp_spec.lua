-- @file.temp, and what is left by those who were killed: @file.sweep.
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

describe("@file.temp", function()
  local dir

  before_each(function() dir = temp.new() end)
  after_each(function() temp.remove(dir) end)

  it("gives an empty file of one's own, and removes it", function()
    local seen
    local path, two = @file.temp({ parent = dir, suffix = ".csv" }, function(p)
      assert.equal(0, @file.metadata(p).size)
      assert.equal(tonumber("600", 8), @file.metadata(p).mode)
      @file.write(p, "text")
      seen = p
      return p, 2
    end)
    assert.truthy(path:find("%.csv$"))
    assert.same({ seen, 2 }, { path, two })
    assert.same({}, temp.list(dir))
  end)

  it("gives a folder, and removes it with all in it", function()
    @file.temp({ parent = dir, directory = true }, function(p)
      assert.equal(tonumber("700", 8), @file.metadata(p).mode)
      @file.mkdir(p .. "/a/b", { parents = true })
      @file.write(p .. "/a/b/c", "")
    end)
    assert.same({}, temp.list(dir))
  end)

  it("is in the folder for such things unless told", function()
    local folder = (os.getenv "TMPDIR" or "/tmp"):gsub("/+$", "")
    local path = @file.temp(function(p) return p end)
    assert.equal(folder, path:match("^(.*)/tusk%-%x+/file$"))
    assert.is_false(@file.exists(path:match("^(.*)/")))
    path = @file.temp({ directory = true, suffix = ".d" }, function(p) return p end)
    assert.equal(folder, path:match("^(.*)/tusk%-%x+%.d$"))
  end)

  it("removes it when fn fails, is cancelled, is out of time, or has removed or renamed it", function()
    local opts = { parent = dir }
    assert.equal("boom", failure(@file.temp, opts, function() error("boom", 0) end).value)
    assert.equal("timeout", failure(@timeout, "10ms", @(@file.temp(opts, function() @sleep "1h" end))).kind)
    local task = @async(@file.temp, opts, function() @sleep "1h" end)
    while #temp.list(dir) == 0 do @sleep "1ms" end
    task:cancel()
    @try(task.await, task)
    assert.is_true(@file.temp(opts, @file.remove))
    assert.is_true(@file.temp(opts, function(p) return @file.rename(p, dir .. "/kept") end))
    assert.same({ "kept" }, temp.list(dir))
  end)

  it("removes what has taken its place, and whatever was put beside it", function()
    @file.temp({ parent = dir }, function(p)
      @file.write_atomic(p, "another file")
      @file.write(p .. ".part", "")
      assert.equal("another file", temp.read(p))
    end)
    assert.same({}, temp.list(dir))
    @file.temp({ parent = dir, directory = true }, function(p)
      os.execute(("rmdir '%s' && printf x >'%s'"):format(p, p))
    end)
    assert.same({}, temp.list(dir))
  end)

  for _, directory in ipairs { false, true } do
    local what = directory and "a folder" or "a file"

    it("removes " .. what .. " from where it was made, whatever has become of that one's name", function()
      os.execute(("mkdir -p '%s/d' '%s/other'"):format(dir, dir))
      @file.temp({ parent = dir .. "/d", directory = directory }, function()
        os.rename(dir .. "/d", dir .. "/moved")
      end)
      assert.same({ "moved", "other" }, temp.list(dir))
      assert.same({}, temp.list(dir .. "/moved"))

      local name
      @file.temp({ parent = dir .. "/moved", directory = directory }, function(p)
        name = p:match("/(tusk%-%x+)")
        os.rename(dir .. "/moved", dir .. "/again")
        os.execute(("mkdir '%s/other/%s' && ln -s other '%s/moved'"):format(dir, name, dir))
      end)
      assert.same({}, temp.list(dir .. "/again"))
      assert.same({ name }, temp.list(dir .. "/other"))
    end)
  end

  it("holds its folder and gives it back", function()
    local function held()
      local n = 0
      for _, fd in ipairs(temp.list("/proc/self/fd")) do
        local target = require("luv").fs_readlink("/proc/self/fd/" .. fd)
        if target and target:find(dir, 1, true) then n = n + 1 end
      end
      return n
    end
    @file.temp({ parent = dir }, function() assert.equal(2, held()) end)
    @try(@file.temp, { parent = dir, directory = true }, error)
    assert.equal(0, held())
  end)

  it("waits for what fn has started", function()
    local seen
    @file.temp({ parent = dir }, function(p)
      @spawn(function()
        @sleep(0)
        seen = @file.exists(p)
      end)
    end)
    assert.is_true(seen)
  end)

  it("is in the root that it is asked of", function()
    local root = @file.root(dir)
    local path = root.temp(function(p)
      root.write(p, "x")
      assert.equal(1, #temp.list(dir))
      return p
    end)
    assert.equal("./", path:sub(1, 2))
    assert.equal("file.escape", failure(root.temp, { parent = ".." }, function() end).kind)
    assert.same({}, temp.list(dir))
  end)

  it("gives two tasks two", function()
    local function mine()
      return @file.temp({ parent = dir }, function(p)
        @sleep(0)
        return p
      end)
    end
    local a, b = @all(mine, mine)
    assert.not_equal(a, b)
  end)

  it("says what is wrong with a call", function()
    local function fn() end
    for _, call in ipairs {
      @(@file.temp()), @(@file.temp({})), @(@file.temp("x", fn)), @(@file.temp({ sufix = "" }, fn)), @(@file.temp({ suffix = "/x" }, fn)),
      @(@file.temp({ directory = 1 }, fn)), @(@file.temp({ parent = 1 }, fn)), @(@file:temp(fn)),
    } do assert.equal("argument", failure(call).kind) end
    assert.equal("file.not_found", failure(@file.temp, { parent = dir .. "/none" }, fn).kind)
  end)
end)

describe("@file.sweep", function()
  local dir

  before_each(function() dir = temp.new() end)
  after_each(function() temp.remove(dir) end)

  it("removes what has such a name and nobody's lock, and nothing else", function()
    for _, name in ipairs { ".a.tusk-0123abcd.tmp", ".b.tusk-0123abcd.tmp.x", "a.tusk-0123abcd.tmp", ".tusk-0123abcd.tmp", ".a.tusk-0123abcx.tmp" } do
      temp.write(dir .. "/" .. name, "")
    end
    os.execute(("cd '%s'; mkdir -p .d.tusk-00000000.tmp/x sub; touch sub/.c.tusk-00000001.tmp; ln -s sub/x .l.tusk-00000002.tmp")
      :format(dir))
    assert.equal(2, @file.sweep(dir))
    assert.same({ ".a.tusk-0123abcx.tmp", ".b.tusk-0123abcd.tmp.x", ".l.tusk-00000002.tmp", ".tusk-0123abcd.tmp", "a.tusk-0123abcd.tmp", "sub" },
      temp.list(dir))
    assert.equal(0, @file.sweep(dir))
    assert.equal(1, @file.root(dir).sweep(".", { recursive = true }))
    assert.same({}, temp.list(dir .. "/sub"))
  end)

  it("removes the folders of @file.temp that nobody is in, and nothing else of such a name", function()
    os.execute(([[cd '%s'; mkdir -p tusk-0123456789abcdef/x tusk-0123456789abcdef.d tusk-0123456789abcde tusk-0123456789abcdex Tusk-0123456789abcdef
      touch tusk-0123456789abcdef/file tusk-00000000000000ff; ln -s tusk-0123456789abcde tusk-fedcba9876543210]]):format(dir))
    local there
    @file.temp({ parent = dir, suffix = ".csv" }, function(p)
      @file.write_atomic(p, "new")
      @file.temp({ parent = dir, directory = true }, function(folder)
        temp.write(folder .. "/.a.tusk-0123abcd.tmp", "")
        there = @file.sweep(dir, { recursive = true })
        assert.same({ ".a.tusk-0123abcd.tmp" }, temp.list(folder))
      end)
      assert.equal("new", temp.read(p))
    end)
    assert.equal(2, there)
    assert.same({ "Tusk-0123456789abcdef", "tusk-00000000000000ff", "tusk-0123456789abcde", "tusk-0123456789abcdex", "tusk-fedcba9876543210" },
      temp.list(dir))
  end)

  it("removes the temporary files of a process that was killed, and no sooner", function()
    local script = temp.write(dir .. "/main.lua", [[
      @file.temp({ parent = "." }, function(p)
        @file.write_atomic(p, "x")
        @file.temp({ parent = ".", directory = true }, function()
          print("working")
          io.stdout:flush()
          @sleep "1h"
        end)
      end)
    ]])
    program.start({ script }, { cwd = dir }, function(p)
      p:read_until("working")
      assert.equal(0, @file.sweep(dir))
      assert.equal(3, #temp.list(dir))
      p:signal("sigkill")
      p:wait()
    end)
    assert.equal(2, @file.sweep(dir))
    assert.same({ "main.lua" }, temp.list(dir))
  end)

  it("never takes a temporary folder, however often it comes in between", function()
    local working = true
    @all(function()
      for _ = 1, 40 do
        @file.temp({ parent = dir }, function(p) @file.write(p, "x") end)
      end
      working = false
    end, function()
      while working do @file.sweep(dir) end
    end)
    assert.same({}, temp.list(dir))
  end)

  it("leaves what is being written, here", function()
    local w = @file.writer(dir .. "/f")
    w:write(("x"):rep(200000))
    assert.equal(0, @file.sweep(dir))
    w:commit()
    assert.same({ "f" }, temp.list(dir))
    assert.equal(0, @file.sweep(dir))
  end)

  it("never takes a write's file, however often it comes in between", function()
    local writing = true
    @all(function()
      for _ = 1, 40 do @file.write_atomic(dir .. "/f", ("x"):rep(20000)) end
      writing = false
    end, function()
      while writing do @file.sweep(dir) end
    end)
    assert.same({ "f" }, temp.list(dir))
  end)

  it("leaves what another process is writing, and removes it when that was killed", function()
    local script = temp.write(dir .. "/main.lua", [[
      local w = @file.writer("f")
      w:write(("x"):rep(200000))
      print("writing")
      io.stdout:flush()
      @sleep "1h"
    ]])
    program.start({ script }, { cwd = dir }, function(p)
      p:read_until("writing")
      assert.equal(0, @file.sweep(dir))
      p:signal("sigkill")
      p:wait()
    end)
    assert.equal(2, #temp.list(dir))
    assert.equal(1, @file.sweep(dir))
    assert.same({ "main.lua" }, temp.list(dir))
  end)

  -- Killed at any moment, a write leaves the old or the new file; the next start removes what else it left.
  it("at the start of a directory, after kills in the middle of atomic writes", function()
    temp.write(dir .. "/main.lua", "if not arg[1] then return end " .. [[
      local texts = { ("a"):rep(300000), ("b"):rep(200000) }
      for i = 1, math.huge do
        @file.write_atomic("data/f", texts[i % 2 + 1])
        io.stdout:write("written\n")
        io.stdout:flush()
      end
    ]])
    os.execute(("mkdir '%s/data'"):format(dir))
    temp.write(dir .. "/data/.old.tusk-00000000.tmp", "")
    for round = 1, tonumber(os.getenv "N") and 200 or 20 do
      program.start({ "run", dir, "write" }, { cwd = dir }, function(p)
        for _ = 0, round % 5 do p:read_until("written") end
        p:signal("sigkill")
        assert.equal("sigkill", p:wait().signal)
      end)
      local text = temp.read(dir .. "/data/f")
      assert.is_true(text == ("a"):rep(300000) or text == ("b"):rep(200000))
      assert.is_true(#temp.list(dir .. "/data") <= 2)
    end
    assert.equal(0, program.run({ "run", dir }, { cwd = dir }).status)
    assert.same({ "f" }, temp.list(dir .. "/data"))
  end)

  it("fails as others do", function()
    assert.equal("file.not_found", failure(@file.sweep, dir .. "/none").kind)
    assert.equal("argument", failure(@file.sweep, dir, { recursiv = true }).kind)
    assert.equal("argument", failure(@file.sweep).kind)
    local task = @async(@file.sweep, dir, { recursive = true })
    task:cancel()
    assert.equal("task_cancelled", failure(task.await, task).kind)
  end)
end)

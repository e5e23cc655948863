-- @process.run: a program to its end.
local processes = require "spec.support.processes"
local program = require "spec.support.program"
local secret = require "tusk.secret"
local temp = require "spec.support.temp"
local test = require "tusk.test"
local uv = require "luv"

local run = @process.run

local function sh(line, opts)
  opts = opts or {}
  opts.shell = true
  return run(line, opts)
end

local function fails(...)
  local ok, e = pcall(...)
  assert.is_false(ok)
  return e
end

local function wait_until(condition, what)
  for _ = 1, 5000 do
    if condition() then return end
    @sleep "1ms"
  end
  error(what .. " never came", 0)
end

after_each(function() assert.same({}, processes.children()) end)

describe("@process.run", function()
  it("returns the code and what was written", function()
    local r = sh "echo out; echo err >&2; exit 3"
    assert.same({ 3, nil, false, "out\n", "err\n" }, { r.code, r.signal, r.ok, r.stdout, r.stderr })
    assert.is_true(run({ "true" }).ok)
  end)

  it("hands over arguments as they are", function()
    local odd = { "a b", "", "$HOME", "*", "'\"\\", "ü\n", "-n" }
    assert.equal(table.concat(odd, "|") .. "|", run({ "printf", "%s|", unpack(odd) }).stdout)
    assert.equal("5 0.5\n", run({ "echo", 5, 0.5 }).stdout)
  end)

  it("names the signal that ended it", function()
    local r = sh "kill -KILL $$"
    assert.same({ nil, "KILL", false }, { r.code, r.signal, r.ok })
  end)

  it("gives it a text to read, and the end after it", function()
    assert.equal("text", run({ "cat" }, { stdin = "text" }).stdout)
    assert.equal("", run({ "cat" }, { stdin = "" }).stdout)
    assert.equal("", run({ "cat" }).stdout)
    local big = ("\0\1\255x"):rep(500000)
    assert.equal(big, run({ "cat" }, { stdin = big }).stdout)
  end)

  it("gives it what comes from a stream", function()
    assert.equal("a\nb\n", run({ "cat" }, { stdin = @stream({ "a", "b" }):map(function(s) return s .. "\n" end) }).stdout)
    local ch = @channel()
    @scope(function(s)
      s:spawn(function()
        for i = 1, 3 do ch:send(tostring(i)) end
        ch:close()
      end)
      assert.equal("123", run({ "cat" }, { stdin = ch }).stdout)
    end)
  end)

  it("does not mind that it leaves its input unread", function()
    assert.equal("hi\n", sh("exec <&-; echo hi", { stdin = ("x"):rep(1000000) }).stdout)
    local pulled = 0
    local endless = function()
      pulled = pulled + 1
      return ("x"):rep(100000)
    end
    assert.is_true(run({ "true" }, { stdin = endless }).ok)
    assert.is_true(pulled < 10)
  end)

  it("ends with a program that has ended, whatever its source still waits for", function()
    assert.is_true(run({ "true" }, { stdin = @channel() }).ok)
  end)

  it("fails when its source does, and ends the program", function()
    local e = fails(run, { "cat" }, { stdin = function() error("no more", 0) end })
    assert.equal("no more", e.message)
  end)

  it("starts in a folder, finding programs from there", function()
    temp.dir(function(dir)
      dir = uv.fs_realpath(dir)
      uv.fs_chmod(temp.write(dir .. "/here", "#!/bin/sh\npwd\n"), 493)
      assert.equal(dir .. "\n", run({ "pwd", "-P" }, { cwd = dir }).stdout)
      assert.equal(dir .. "\n", run({ "./here" }, { cwd = dir }).stdout)
      assert.equal(dir .. "\n", run({ "here" }, { cwd = dir, env = { PATH = ":/bin" } }).stdout)
    end)
  end)

  it("adds to the environment, takes from it, or makes one", function()
    local text = run({ "env" }, { env = { ADDED = "a=b", N = 5, HOME = false } }).stdout
    assert.truthy(text:find("\nADDED=a=b\n", 1, true) or text:find("^ADDED=a=b\n"))
    assert.truthy(("\n" .. text):find("\nN=5\n", 1, true))
    assert.falsy(("\n" .. text):find("\nHOME=", 1, true))
    assert.truthy(("\n" .. text):find("\nPATH=", 1, true))
    assert.equal("A=1\n", run({ "env" }, { env = { A = "1" }, clear_env = true }).stdout)
    assert.equal("", run({ "env" }, { clear_env = true }).stdout)
  end)

  it("keeps stderr apart, or joins it to stdout, or forgets either", function()
    local r = sh("echo 1; echo 2 >&2; echo 3", { stderr = "stdout" })
    assert.same({ "1\n2\n3\n" }, { r.stdout, r.stderr })
    r = sh("echo 1; echo 2 >&2", { stdout = "ignore" })
    assert.same({ nil, "2\n" }, { r.stdout, r.stderr })
  end)

  it("lets it write to this process's own outputs", function()
    local r = program.run({ "-e", [[
      print(@process.run({ "echo", "out" }, { capture = false }).stdout)
      @process.run("echo err >&2; cat", { shell = true, terminal = true })
    ]] }, { stdin = "typed\n" })
    assert.same({ "out\nnil\ntyped\n", "err\n", 0 }, { r.stdout, r.stderr, r.status })
  end)

  it("gives it descriptors 0, 1 and 2, and no signal blocked or ignored", function()
    local file = assert(io.open("/dev/null")) -- not closed on exec
    assert.equal("0\n1\n2\n3\n", run({ "ls", "/proc/self/fd" }).stdout) -- 3: the folder itself
    file:close()
    local status = run({ "cat", "/proc/self/status" }).stdout
    local function of(what) return tonumber(status:match(what .. ":%s*(%x+)"):sub(-7), 16) end -- glibc's own beyond 28
    assert.same({ 0, 0 }, { of "SigBlk", of "SigIgn" })
  end)

  it("works where this process has no stdin, stdout and stderr", function()
    temp.dir(function(dir)
      local script = temp.write(dir .. "/s.lua", ([[
        local r = @process.run({ "cat" }, { stdin = "text" })
        @file.write("%s/out", r.stdout .. r.code)
      ]]):format(dir))
      assert.equal(0, sh(("exec <&- >&- 2>&-; exec '%s' '%s'"):format(program.path(), script)).code)
      assert.equal("text0", temp.read(dir .. "/out"))
    end)
  end)

  it("makes a session of it, or leaves it where it is", function()
    local field = function(opts) return tonumber(run({ "cat", "/proc/self/stat" }, opts).stdout:match("%) %a %d+ %d+ (%d+)")) end
    local own = tonumber(temp.read("/proc/self/stat"):match("%) %a %d+ %d+ (%d+)"))
    assert.not_equal(own, field())
    assert.equal(own, field { group = false })
  end)

  it("interleaves two tasks", function()
    temp.dir(function(dir)
      assert.is_true(run({ "mkfifo", dir .. "/a", dir .. "/b" }).ok)
      local a, b = @all( -- each waits for the other
        @(sh("echo 1 >a; cat b", { cwd = dir })), @(sh("cat a; echo 2 >b", { cwd = dir })))
      assert.same({ "2\n", "1\n" }, { a.stdout, b.stdout })
    end)
  end)

  it("runs 200 at once", function()
    local list = {}
    for i = 1, 200 do list[i] = i end
    local out = @map(list, function(i) return run({ "cat" }, { stdin = tostring(i) }).stdout end, { concurrency = 200 })
    for i = 1, 200 do assert.equal(tostring(i), out[i]) end
  end)

  it("leaves nothing behind", function()
    test.leaks({ warm = true }, function()
      run({ "cat" }, { stdin = "x" })
      @try(run, { "no-such-program" }, { stdin = "x" })
      @try(run, { "yes" }, { max = 1000 })
      run({ "cat" }, { stdin = @stream { "a" } })
    end)
  end)

  it("has no handler of SIGCHLD", function()
    local out = program.run({ "-e", [[
      @process.run { "true" }
      print(@file.read("/proc/self/status"):match("SigCgt:%s*%x*(%x%x%x%x%x)\n"))
    ]] }).stdout
    assert.equal(0, bit.band(tonumber(out:match("%x+"), 16), 0x10000), "CHLD is signal 17")
  end)
end)

describe("@process.run, when it cannot start a program:", function()
  it("there is none of that name", function()
    local e = fails(run, { "no-such-program" })
    assert.same({ "process.not_found", "no-such-program", "ENOENT" }, { e.kind, e.program, e.errno })
    assert.equal("process.not_found", fails(run, { "/no/such" }).kind)
    assert.equal("process.not_found", fails(run, { "/etc/passwd/x" }).kind)
    assert.equal("process.not_found", fails(run, { "ls" }, { env = { PATH = "/no/such" } }).kind)
  end)

  it("the folder cannot be entered: that is told apart", function()
    local e = fails(run, { "ls" }, { cwd = "/no/such" })
    assert.same({ "process.cwd", "/no/such", "ENOENT" }, { e.kind, e.cwd, e.errno })
    assert.equal("ENOTDIR", fails(run, { "ls" }, { cwd = "/etc/passwd" }).errno)
  end)

  it("the file may not be run, or is nothing to run", function()
    temp.dir(function(dir)
      assert.equal("process.permission", fails(run, { temp.write(dir .. "/plain", "x") }).kind)
      assert.equal("process.permission", fails(run, { dir }).kind)
      uv.fs_chmod(temp.write(dir .. "/odd", "no program"), 493)
      assert.equal("process.format", fails(run, { dir .. "/odd" }).kind)
      uv.fs_chmod(temp.write(dir .. "/script", "#!/no/such/interpreter\n"), 493)
      local e = fails(run, { dir .. "/script" })
      assert.equal("process.not_found", e.kind)
      assert.truthy(e.message:find("interpreter", 1, true))
    end)
  end)

  it("its arguments are too long", function()
    assert.equal("process.too_large", fails(run, { "echo", ("x"):rep(200000) }).kind)
  end)

  it("no descriptors are left", function()
    local r = program.run({ "-e", [[
      local ffi = require "ffi"
      ffi.cdef "struct limit { unsigned long now, most; }; int setrlimit(int, const struct limit *);"
      assert(@process.run({ "true" }).ok)
      ffi.C.setrlimit(7, ffi.new("struct limit", { 24, 24 }))
      local list = {}
      for i = 1, 8 do list[i] = @(@process.run({ "sleep", "0.2" })) end
      local kinds = {}
      for _, out in ipairs(@all_settled(list)) do kinds[out.ok and "ok" or out.err.kind] = true end
      print(kinds["process.too_many"], @process.run({ "true" }).ok)
    ]] })
    assert.same({ "true\ttrue\n", "" }, { r.stdout, r.stderr })
  end)
end)

describe("@process.run, when a program ends badly or not at all:", function()
  it("check() raises, with the code and the last of stderr", function()
    local e = fails(function() sh("echo one >&2; echo two >&2; exit 7"):check() end)
    assert.same({ "process.exit", 7, nil, "one\ntwo\n" }, { e.kind, e.code, e.signal, e.stderr })
    assert.truthy(tostring(e):find("exited with code 7: two", 1, true))
    e = fails(function() sh("kill -TERM $$"):check() end)
    assert.same({ "TERM" }, { e.signal, e.code })
    local r = run { "true" }
    assert.equal(r, r:check())
  end)

  it("check() tells no secrets", function()
    local token = "s3cret-t0ken-of-process"
    secret.new(token)
    local e = fails(function() run({ "sh", "-c", "echo $0 >&2; exit 1", token }):check() end)
    assert.falsy((e.message .. e.argv .. e.stderr):find(token, 1, true))
    assert.truthy(e.argv:find("***", 1, true))
  end)

  it("too much output is an error, and the end of the program", function()
    local e = fails(run, { "yes" }, { max = "1MiB" })
    assert.same({ "process.too_large", true }, { e.kind, e.sent })
    assert.truthy(e.message:find("stdout", 1, true))
    e = fails(sh, "yes >&2", { max = 1000 })
    assert.truthy(e.message:find("stderr", 1, true))
    assert.equal(1000, #sh("head -c 1000 /dev/zero", { max = 1000 }).stdout)
  end)

  it("a deadline ends it", function()
    assert.equal("timeout", fails(run, { "sleep", "1000" }, { timeout = "20ms" }).kind)
    assert.equal("timeout", fails(@timeout, "20ms", run, { "sleep", "1000" }).kind)
  end)

  it("one that ignores TERM is killed after its grace, with all that it has started", function()
    temp.dir(function(dir)
      local task = @async(run, { "sh", "-c", "trap '' TERM; sleep 1000 & echo $! >pid; mv pid ready; wait; sleep 1000" },
        { cwd = dir, grace = "50ms" })
      wait_until(function() return uv.fs_stat(dir .. "/ready") end, "the program")
      local pid = tonumber(temp.read(dir .. "/ready"))
      assert.is_true(processes.is_alive(pid))
      task:cancel()
      assert.equal("task_cancelled", fails(task.await, task).kind)
      wait_until(function() return not processes.is_alive(pid) end, "the end of what it has started")
    end)
  end)

  it("one that hears TERM may tidy up, and write", function()
    temp.dir(function(dir)
      local line = "trap 'echo bye; echo done >done; exit 0' TERM; echo >ready; while :; do sleep 0.01; done"
      local task = @async(run, { "sh", "-c", line }, { cwd = dir })
      wait_until(function() return uv.fs_stat(dir .. "/ready") end, "the program")
      task:cancel()
      pcall(task.await, task)
      assert.equal("done\n", temp.read(dir .. "/done"))
    end)
  end)

  it("one that is stopped is ended too", function()
    temp.dir(function(dir)
      local task = @async(run, { "sh", "-c", "echo $$ >pid; mv pid ready; kill -STOP $$" }, { cwd = dir })
      wait_until(function() return uv.fs_stat(dir .. "/ready") end, "the program")
      task:cancel()
      pcall(task.await, task)
      assert.equal("cancelled", task.state)
    end)
  end)

  it("cancelled, it says that something has been done", function()
    local seen
    local task = @async(function()
      local ok, e = pcall(run, { "sleep", "1000" })
      seen = e
      error(ok, 0)
    end)
    wait_until(function() return next(processes.children()) end, "the program")
    task:cancel()
    pcall(task.await, task)
    assert.same({ "cancelled", true }, { seen.kind, seen.sent })
  end)

  it("what it leaves behind with its outputs has the grace, and no more", function()
    local r = sh("sleep 1000 & echo $!", { grace = "20ms" })
    assert.is_true(r.ok)
    wait_until(function() return not processes.is_alive(tonumber(r.stdout)) end, "its end")
    r = sh("(sleep 0.05; echo late) & echo first")
    assert.equal("first\nlate\n", r.stdout)
  end)

  it("what it leaves behind without them ends with it", function()
    local r = sh "sleep 1000 >/dev/null 2>&1 & echo $!"
    wait_until(function() return not processes.is_alive(tonumber(r.stdout)) end, "its end")
  end)

  it("its end was seen by somebody else", function()
    local r = program.run({ "-e", [[
      local ffi = require "ffi"
      ffi.cdef "void (*signal(int, void (*)(int)))(int);"
      ffi.C.signal(17, ffi.cast("void (*)(int)", 1)) -- ignored: the kernel reaps
      local _, e = @try(@process.run, { "true" })
      print(e.kind)
    ]] })
    assert.equal("process.lost\n", r.stdout)
  end)

  it("it has become another user, and cannot be ended", function()
    if uv.getuid() ~= 0 then return pending "only root can try" end
    local function as_nobody(...) return run { "setpriv", "--reuid", "65534", "--clear-groups", program.path(), ... } end
    temp.dir(function(dir)
      local other = dir .. "/other"
      uv.fs_chmod(dir, 493)
      assert.equal(0, run({ "cc", "spec/op/process_other_user.c", "-o", other }).code)
      uv.fs_chmod(other, tonumber("4755", 8))
      if not as_nobody("version").ok then
        return pending "the program under test is out of nobody's reach"
      end
      local r = as_nobody("-e", ([[
        @scope(function()
          local p = @process.spawn({ "%s" }, { grace = "1ms", stdout = "ignore", stderr = "ignore" })
          repeat local sent = @try(p.kill, p, "WINCH") @sleep "1ms" until not sent
          local _, e = @try(p.stop, p)
          print(e.kind)
        end)
        print(@try(@process.run, { "%s" }, { grace = "1ms", timeout = "200ms" }))
      ]]):format(other, other))
      assert.truthy(r.stdout:find("^process.permission\nnil.*timed out"), r.stdout .. r.stderr)
    end)
  end)

  it("the host ends meanwhile", function()
    temp.dir(function(dir)
      local code = [[@process.spawn { "sh", "-c", "echo $$ >pid; mv pid ready; exec sleep 1000" } @sleep "1h"]]
      program.start({ "-e", code }, { cwd = dir }, function(p)
        wait_until(function() return uv.fs_stat(dir .. "/ready") end, "the program")
        local pid = tonumber(temp.read(dir .. "/ready"))
        p:signal("sigterm")
        p:wait()
        assert.is_false(processes.is_alive(pid))
      end)
    end)
  end)
end)

describe("@process says what is misused:", function()
  local function misused(text, ...)
    local e = fails(...)
    assert.equal("argument", e.kind)
    assert.truthy(e.message:find(text, 1, true), e.message)
  end

  it("arguments", function()
    misused("shell = true", run, "ls -l")
    misused("a list expected", run)
    misused("the program is missing", run, {})
    misused("the program is missing", run, { "" })
    misused("argv[2]: string expected", run, { "ls", {} })
    misused("argv[2] cannot contain a zero byte", run, { "ls", "a\0b" })
    misused("it has the key x", run, { "ls", x = 1 })
    misused("with shell = true a string", run, { "ls" }, { shell = true })
    misused("argv cannot contain a zero byte", run, "a\0b", { shell = true })
    misused("hand it over in env or stdin", run, { "x", secret.new("process-secret") })
    misused("called with a colon", @(@process:run { "ls" }))
  end)

  it("options", function()
    misused('did you mean "stdin"', run, { "ls" }, { stdi = "" })
    misused("unknown option", @process.spawn, { "ls" }, { max = 5 })
    misused("env: a variable's name", run, { "ls" }, { env = { ["a=b"] = "c" } })
    misused("env: a variable's name", run, { "ls" }, { env = { "A=b" } })
    misused("env.A cannot contain a zero byte", run, { "ls" }, { env = { A = "\0" } })
    misused("cwd cannot contain a zero byte", run, { "ls" }, { cwd = "\0" })
    misused("cwd", run, { "ls" }, { cwd = "" })
    misused("stdout: write", run, { "ls" }, { stdout = "no" })
    misused("stdin: a string", run, { "ls" }, { stdin = 5 })
    misused("stdin: a string", @process.spawn, { "ls" }, { stdin = { "a" } })
    misused("terminal = true", run, { "ls" }, { terminal = true, stdin = "x" })
    misused("grace", run, { "ls" }, { grace = "soon" })
  end)

  it("a secret goes by stdin and by the environment", function()
    local s = secret.new("process-secret-2")
    assert.equal("process-secret-2", run({ "cat" }, { stdin = s }).stdout)
    assert.equal("process-secret-2", sh("printf %s $S", { env = { S = s } }).stdout)
  end)
end)

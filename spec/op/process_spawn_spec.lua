-- @process.spawn: a program that runs beside its caller.
local processes = require "spec.support.processes"
local temp = require "spec.support.temp"
local test = require "tusk.test"

local spawn = @process.spawn

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

-- Is a task parked in a pipe of a process, or done?
local function let_run(n)
  for _ = 1, n or 20 do @sleep "1ms" end
end

after_each(function() assert.same({}, processes.children()) end)

describe("@process.spawn", function()
  it("is talked to line by line", function()
    local p = spawn { "sed", "-u", "s/^/> /" }
    local lines = p.stdout:lines()
    p.stdin:write("a\n")
    assert.equal("> a", lines())
    p.stdin:write("b\n")
    assert.equal("> b", lines())
    p.stdin:close()
    assert.is_nil(lines())
    assert.same({ 0, nil, true }, { p:wait().code, p:wait().signal, p:wait().ok })
    assert.is_true(p.pid > 1)
  end)

  it("gives its outputs apart, in pieces, lines, or whole", function()
    local p = spawn({ "sh", "-c", "printf '1\\r\\n2'; echo err >&2" }, { stdin = false })
    assert.is_nil(p.stdin)
    local lines = {}
    for line in p.stdout:lines() do lines[#lines + 1] = line end
    assert.same({ "1", "2" }, lines)
    assert.equal("err\n", p.stderr:text())
    assert.is_nil(p.stderr:read())
    assert.is_nil(p.stderr())
    p = spawn({ "cat" }, { stdin = "text" })
    assert.equal("text", p.stdout:read())
    assert.is_nil(p.stdout:read())
  end)

  it("has the methods of streams", function()
    local p = spawn({ "seq", "10" })
    assert.same({ 12, 14, 16, 18, 20 }, p.stdout:lines():map(tonumber):filter(function(n) return n > 5 end)
      :map(function(n) return 2 * n end, { concurrency = 2 }):collect())
    assert.same({ { "1\n2\n" } }, spawn({ "seq", "2" }).stdout:chunks(2):collect())
    local size = 0
    spawn({ "head", "-c", "300000", "/dev/zero" }).stdout:chunks():each(function(piece) size = size + #piece end)
    assert.equal(300000, size)
  end)

  it("reads what was written though the program is over", function()
    local p = spawn { "echo", "left" }
    assert.is_true(p:wait().ok)
    assert.equal("left\n", p.stdout:text())
  end)

  it("waits for a reader that is slow, and for a writer", function()
    local p, written = spawn { "cat" }, 0
    @scope(function(s)
      s:spawn(function()
        for _ = 1, 40 do
          p.stdin:write(("x"):rep(10000))
          written = written + 1
        end
        p.stdin:close()
      end)
      let_run()
      assert.is_true(written < 40)
      assert.equal(400000, #p.stdout:text())
    end)
    assert.equal(40, written)
  end)

  it("carries 100 MB in a few", function()
    local function pass(megabytes)
      local p, size = spawn({ "head", "-c", megabytes .. "M", "/dev/zero" }), 0
      for piece in p.stdout do size = size + #piece end
      assert.equal(megabytes * 1024 * 1024, size)
    end
    pass(1)
    collectgarbage()
    temp.write("/proc/self/clear_refs", "5") -- the peak begins anew
    local function peak() return tonumber(temp.read("/proc/self/status"):match("VmHWM:%s*(%d+)")) end
    local before = peak()
    pass(100)
    assert.is_true(peak() - before < 20000, "kB more: " .. peak() - before)
  end)

  it("gives two tasks to two programs", function()
    local out = {}
    local function talk(name)
      local p = spawn { "cat" }
      local lines = p.stdout:lines()
      for i = 1, 3 do
        p.stdin:write(name .. i .. "\n")
        local line = lines()
        out[#out + 1] = line
      end
    end
    @all(@(talk "a"), @(talk "b"))
    table.sort(out)
    assert.same({ "a1", "a2", "a3", "b1", "b2", "b3" }, out)
  end)

  it("refuses a second task while one reads or writes", function()
    @scope(function(s)
      local p = spawn { "sleep", "1000" }
      s:spawn(function() pcall(p.stdout.read, p.stdout) end)
      s:spawn(function() pcall(p.stdin.write, p.stdin, ("x"):rep(1000000)) end)
      assert.equal("process.busy", fails(p.stdout.read, p.stdout).kind)
      assert.equal("process.busy", fails(p.stdin.write, p.stdin, "x").kind)
      p:kill("KILL")
    end)
  end)

  it("writing to one that reads no more fails, and is safe", function()
    local p = spawn { "sh", "-c", "exec <&-; echo closed; sleep 1000" }
    p.stdout:read()
    assert.equal("process.closed", fails(p.stdin.write, p.stdin, "x").kind)
    assert.equal("closed", fails(p.stdin.write, p.stdin, "x").kind)
    p = spawn { "sh", "-c", "sleep 0.02; exec <&-; sleep 1000" }
    local e = fails(p.stdin.write, p.stdin, ("x"):rep(1000000)) -- while it waits
    assert.same({ "process.closed", true }, { e.kind, e.sent })
  end)

  it("a reader that goes ends a program that writes", function()
    local p = spawn { "yes" }
    p.stdout:read()
    p.stdout:close()
    assert.equal("PIPE", p:wait().signal)
    assert.equal("closed", fails(p.stdout.read, p.stdout).kind)
  end)

  it("sends signals", function()
    local p = spawn { "sh", "-c", "trap 'echo usr1' USR1; echo ready; while :; do sleep 0.01; done" }
    local lines = p.stdout:lines()
    assert.equal("ready", lines())
    assert.is_true(p:kill "USR1")
    assert.equal("usr1", lines())
    assert.is_true(p:kill(9))
    assert.equal("KILL", p:wait().signal)
    assert.is_false(p:kill "sigterm")
  end)

  it("a cancelled read or write leaves it going", function()
    local p = spawn { "sh", "-c", "read line; echo $line" }
    assert.equal("timeout", fails(@timeout, "10ms", p.stdout.read, p.stdout).kind)
    assert.equal("timeout", fails(p.wait, p, { timeout = "10ms" }).kind)
    p.stdin:write("hello\n")
    assert.equal("hello\n", p.stdout:read())
    p = spawn { "sleep", "1000" }
    local seen
    @try(@timeout, "10ms", function()
      local ok, e = pcall(p.stdin.write, p.stdin, ("x"):rep(1000000))
      seen = e
      error(ok, 0)
    end)
    assert.same({ "cancelled", true }, { seen.kind, seen.sent })
  end)

  it("says what it is", function()
    local p = spawn { "true" }
    assert.equal("process " .. p.pid, tostring(p))
    p:wait()
    assert.equal('"true" exited with code 0', tostring(p:wait()))
  end)

  it("says what is misused", function()
    local p = spawn { "cat" }
    for _, call in ipairs {
      function() p.wait() end, function() p:kill("TREM") end, function() p:kill(0) end, function() p.stdin.write("x") end,
      function() p.stdin:write(5) end, function() p:wati() end, function() p.stdout.read() end,
      function() p.stdout:lines { mx = 1 } end,
    } do
      assert.equal("argument", fails(call).kind)
    end
    assert.equal("TERM", fails(p.kill, p, "TREM").suggestion)
    p.stdout:lines()
    assert.equal("argument", fails(p.stdout.read, p.stdout).kind)
  end)

  it("lines and texts are bounded", function()
    local p = spawn { "sh", "-c", "printf 12345; echo 678" }
    assert.equal("process.too_large", fails(p.stdout:lines { max = 5 }).kind)
    p = spawn { "yes" }
    assert.equal("process.too_large", fails(p.stdout.text, p.stdout, { max = 100000 }).kind)
  end)
end)

describe("a program belongs to its scope:", function()
  it("it ends with it, also one that would not", function()
    local p, child
    @scope(function()
      p = spawn({ "sh", "-c", "trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000" }, { grace = "20ms" })
      child = tonumber(p.stdout:lines()())
    end)
    assert.equal("KILL", p:wait().signal)
    assert.is_false(processes.is_alive(p.pid))
    wait_until(function() return not processes.is_alive(child) end, "the end of what it has started")
    assert.equal("closed", fails(p.stdout:lines()).kind)
  end)

  it("and with a task that started it", function()
    local p
    local task = @async(function()
      p = spawn { "sleep", "1000" }
      return "done"
    end)
    assert.equal("done", task:await())
    assert.same({}, processes.children())
    assert.equal("TERM", p:wait().signal)
  end)

  it("and with one that fails, or is cancelled", function()
    local e = fails(@scope, function()
      spawn { "sleep", "1000" }
      error("failed", 0)
    end)
    assert.equal("failed", e)
    assert.same({}, processes.children())
    local task = @async(function()
      spawn { "sleep", "1000" }
      @sleep "1h"
    end)
    wait_until(function() return next(processes.children()) end, "the program")
    task:cancel()
    pcall(task.await, task)
    assert.same({}, processes.children())
  end)

  it("its tasks and finalizers still have it", function()
    local got
    @scope(function(s)
      local p = spawn { "cat" }
      s:defer(function()
        p.stdin:write("from a finalizer")
        p.stdin:close()
        got = p.stdout:text()
      end)
      s:spawn(function() @sleep "2ms" end)
    end)
    assert.equal("from a finalizer", got)
  end)

  it("the deadline of the scope does not matter once its body has returned", function()
    for _, seconds in ipairs { 0.05, 0.2, 1, 5 } do -- starting it may take long where much else runs
      local returned = false
      local ok, v = pcall(@timeout, seconds, function()
        spawn({ "sh", "-c", "trap '' TERM; echo; sleep 1000" }, { grace = 2 * seconds }).stdout:read()
        returned = true
        return "value"
      end)
      if returned then return assert.same({ true, "value" }, { ok, v }) end
    end
    error "no program started in time"
  end)

  it("a task that waits for it says so", function()
    local task = @async(function()
      spawn({ "sh", "-c", "trap '' TERM; echo; sleep 1000" }, { grace = "50ms" }).stdout:read()
    end)
    wait_until(function() return task.state == "joining" end, "the end of the body")
    local found
    for _, t in ipairs(require("tusk").ps()) do found = t.id == task.id and t.on or found end
    assert.equal("for the end of what the scope owns", found.text)
    task:await()
  end)

  it("many end side by side", function()
    @scope(function()
      for _ = 1, 10 do
        spawn({ "sh", "-c", "trap '' TERM; echo; sleep 1000" }, { grace = "50ms" }).stdout:read()
      end
    end)
    assert.same({}, processes.children())
  end)

  it("one that is ended by hand is over at once for the scope", function()
    @scope(function()
      local p = spawn { "sleep", "1000" }
      assert.equal("TERM", p:stop().signal)
      assert.equal("TERM", p:stop().signal)
    end)
  end)

  it("a coroutine that is dropped leaves none", function()
    local step = coroutine.wrap(function()
      @scope(function()
        coroutine.yield(spawn { "sleep", "1000" })
      end)
    end)
    local p = step()
    assert.is_true(processes.is_alive(p.pid))
    p, step = nil, nil -- luacheck: ignore
    wait_until(function()
      collectgarbage()
      return not next(processes.children())
    end, "its end")
  end)

  it("nothing is left behind, read or unread", function()
    test.leaks({ warm = true }, function()
      @scope(function()
        spawn { "cat" }
        spawn({ "echo", "unread" }):wait()
        spawn({ "yes" }).stdout:read()
      end)
    end)
  end)
end)

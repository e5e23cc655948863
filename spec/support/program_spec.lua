-- What specs that start programs rely on.
local program = require "spec.support.program"

-- Lua's output into a pipe is kept back until it is flushed.
local UP = "print('up') io.stdout:flush() "

describe("program.run", function()
  it("gives status, stdout and stderr of a program that was given stdin, folder and environment", function()
    local r = program.run({ "-e", [[
      jit.off() -- its buffers are no leaks, but look like some where the state is not closed
      io.stderr:write("bad")
      print(io.read("*a"), os.getenv("SPEC_NAME"), os.getenv("HOME"), @file.read("here"))
      os.exit(3)
    ]] }, { stdin = "in", env = { SPEC_NAME = "set", HOME = false }, cwd = "spec/support/program" })
    assert.same({ status = 3, stdout = "in\tset\tnil\tthere\n\n", stderr = "bad" }, r)
  end)

  it("lets other tasks run meanwhile", function()
    local turns = 0
    @timeout("30s", function()
      program.start({ "-e", "io.read() print('done')" }, {}, function(p)
        @spawn(function()
          for _ = 1, 5 do
            @yield()
            turns = turns + 1
          end
          p:send("go\n")
        end)
        p:read_until("done")
      end)
    end)
    assert.equal(5, turns)
  end)

  it("runs any other program", function()
    assert.equal("1\n", program.run({ "-c", "echo $A" }, { program = "/bin/sh", env = { A = "1" } }).stdout)
  end)

  it("raises when there is no such program", function()
    assert.has_error(function() program.run({}, { program = "/nowhere" }) end,
      "cannot start /nowhere: ENOENT: no such file or directory")
  end)
end)

describe("program.start", function()
  it("gives a process that can be signalled", function()
    program.start({ "-e", UP .. "@sleep(100)" }, {}, function(p)
      p:read_until("up")
      p:signal("sigterm")
      assert.equal(143, p:wait().status)
    end)
  end)

  it("names the signal that ended it", function()
    program.start({ "-e", UP .. "while true do end" }, {}, function(p)
      assert.equal("up", p:read_line())
      p:signal("sigkill")
      assert.equal("sigkill", p:wait().signal)
    end)
  end)

  it("reads line by line, then nil", function()
    program.start({ "-e", "print('a\\nb')" }, {}, function(p)
      assert.same({ "a", "b" }, { p:read_line(), p:read_line() })
      assert.is_nil(p:read_line())
    end)
  end)

  it("raises when the program ends without saying what is waited for", function()
    program.start({ "-e", "print('a')" }, {}, function(p)
      local ok, e = pcall(p.read_until, p, "b")
      assert.is_false(ok)
      assert.matches("ended without saying b\nstdout: a\n", e, 1, true)
    end)
  end)

  it("ends the program when its function fails", function()
    local kept
    local ok, e = pcall(program.start, { "-e", "@sleep(100)" }, {}, function(p)
      kept = p
      error("mine", 0)
    end)
    assert.same({ false, "mine", "sigkill" }, { ok, e, kept.killed_by })
  end)

  it("ends the program when its task is cancelled", function()
    local kept
    local task = @async(function()
      program.start({ "-e", UP .. "@sleep(100)" }, {}, function(p)
        kept = p
        p:wait()
      end)
    end)
    while not kept do @yield() end
    kept:read_until("up")
    task:cancel()
    assert.is_false((pcall(task.await, task)))
    assert.equal("sigkill", kept.killed_by)
  end)
end)

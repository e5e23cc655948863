-- INT and TERM.
local app = require "spec.support.app"
local program = require "spec.support.program"

local TIDY = [[
  @spawn(function()
    @scope(function(s)
      s:defer(function() @sleep("1ms") print("tidied") end)
      print("ready")
      @sleep("1h")
    end)
  end)
  @sleep("1h")
]]

local function started(code, fn)
  return program.start({ "-e", code }, {}, fn)
end

for signal, status in pairs { sigterm = 143, sigint = 130 } do
  describe(signal, function()
    it("cancels the tasks, runs their finalizers, and is exit status " .. status, function()
      local result = started(TIDY, function(p)
        p:read_until("ready\n")
        p:signal(signal)
        return p:wait()
      end)
      assert.same({ status, "ready\ntidied\n" }, { result.status, result.stdout })
      assert.equal("", result.stderr)
    end)

    it("a second time ends the program at once", function()
      local result = started([[
        @spawn(function()
          pcall(function() @sleep("1h") end)
          print("stopping")
        end)
        print("ready")
        @shield(function() @sleep("1h") end)
      ]], function(p)
        p:read_until("ready\n")
        p:signal(signal)
        p:read_until("stopping\n")
        p:signal(signal)
        return p:wait()
      end)
      assert.equal(status, result.status)
    end)
  end)
end

describe("sigterm in a directory", function()
  -- A plugin whose worker does ten jobs, one after the other; WHEN is where TERM comes.
  local PLUGIN = [[
    local uv = require "luv"
    local queue, worker = @channel(10), nil
    local function term() uv.kill(uv.os_getpid(), "sigterm") end
    local function work(i)
      if WHEN == i then term() end
      @sleep("1ms")
      io.write(i, " ")
    end
    return {
      name = "queue",
      setup = function()
        for i = 1, 10 do queue:send(i) end
        worker = @spawn(function() for i in queue do work(i) end end)
      end,
      on = { shutdown = function()
        if WHEN == "shutdown" then term() end
        queue:close()
        worker:await()
        print("drained")
      end },
    }]]

  local function ended(when, main)
    return app.run { ["plugins/queue.lua"] = PLUGIN:gsub("WHEN", when), ["main.lua"] = main }
  end

  it("leaves the tasks of plugins to them, though it comes while one of them runs", function()
    local r = ended("2", '@sleep("1h")')
    assert.same({ 143, "1 2 3 4 5 6 7 8 9 10 drained\n" }, { r.status, r.stdout }, r.stderr)
  end)

  it("lets plugins end in good order that are about to", function()
    local r = ended('"shutdown"', "")
    assert.same({ 143, "1 2 3 4 5 6 7 8 9 10 drained\n" }, { r.status, r.stdout }, r.stderr)
  end)

  it("ends what a plugin's task computes meanwhile without end", function()
    local code = [[
      local stop, worker = @channel(), nil
      local function compute(s)
        s:defer(function() print("tidied") end)
        print("computes")
        io.stdout:flush()
        while true do ("x"):gsub(".", function() end) end
      end
      return {
        name = "endless",
        setup = function()
          worker = @spawn(function()
            stop:recv()
            @scope(compute)
          end)
        end,
        on = { shutdown = function()
          stop:close()
          print(select(2, @try(worker.await, worker)).kind)
        end },
      }]]
    app.with({ ["plugins/endless.lua"] = code, ["main.lua"] = "" }, function(dir)
      local r = program.start({ "run", dir }, {}, function(p)
        p:read_until("computes\n")
        p:signal("sigterm")
        return p:wait()
      end)
      assert.same({ 143, "computes\ntidied\ntask_cancelled\n" }, { r.status, r.stdout }, r.stderr)
    end)
  end)
end)

describe("sigusr1", function()
  it("lists the tasks on stderr, each below its owner, and ends nothing", function()
    local result = started([[
      @spawn({ name = "asleep" }, function()
        @spawn(function() @sleep("1h") end)
        @sleep("1h")
      end)
      print("ready")
      @sleep("1h")
    ]], function(p)
      p:read_until("ready\n")
      p:signal("sigusr1")
      p:read_until("task %d+ waits since [%d.]+ s in @sleep at %(command line%):2\n", "stderr")
      p:signal("sigterm")
      return p:wait()
    end)
    assert.equal(143, result.status)
    assert.matches('task %d+ waits since [%d.]+ s in @sleep at %(command line%):6\n'
      .. ' +task %d+ "asleep" waits since [%d.]+ s in @sleep at %(command line%):3\n', result.stderr)
  end)
end)

-- What computes here is called from C: LuaJIT does not compile that into a loop, which would see no signal.
describe("a signal", function()
  it("reaches a script that only computes and yields", function()
    local result = started([[
      print("ready")
      io.stdout:flush()
      while true do @yield() end
    ]], function(p)
      p:read_until("ready\n")
      p:signal("sigterm")
      return p:wait()
    end)
    assert.equal(143, result.status)
  end)

  it("cancels a script that computes and never waits, and its finalizers run", function()
    local result = started([[
      @scope(function(s)
        s:defer(function() @sleep("1ms") print("tidied") end)
        print("ready")
        io.stdout:flush()
        while true do ("x"):gsub(".", function() end) end
      end)
    ]], function(p)
      p:read_until("ready\n")
      p:signal("sigterm")
      return p:wait()
    end)
    assert.same({ 143, "ready\ntidied\n", "" }, { result.status, result.stdout, result.stderr })
  end)

  it("tells a script that computes on again", function()
    local result = started([[
      local function compute()
        print("ready")
        io.stdout:flush()
        while true do ("x"):gsub(".", function() end) end
      end
      local _, e = pcall(compute)
      print(e)
      compute()
    ]], function(p)
      p:read_until("ready\n")
      p:signal("sigint")
      return p:wait()
    end)
    assert.same({ 130, "" }, { result.status, result.stderr })
    assert.matches("^ready\n%(command line%):%d: cancelled\nready\n$", result.stdout)
  end)

  it("lets what is shielded compute to its end", function()
    local result = started([[
      @shield(function()
        print("ready")
        io.stdout:flush()
        for _ = 1, 3000000 do tostring({}) end
        print("done")
      end)
      print("and no further", pcall(@sleep, 1))
    ]], function(p)
      p:read_until("ready\n")
      p:signal("sigterm")
      return p:wait()
    end)
    assert.same(143, result.status)
    assert.matches("^ready\ndone\nand no further\tfalse", result.stdout)
  end)

  it("gives the user's hook back once the script has given way", function()
    local result = started([[
      local hook = function() end
      debug.sethook(hook, "", 1000)
      pcall(function()
        print("ready")
        io.stdout:flush()
        while true do ("x"):gsub(".", function() end) end
      end)
      @shield(@(@sleep("5ms")))
      print(debug.gethook() == hook)
    ]], function(p)
      p:read_until("ready\n")
      p:signal("sigterm")
      return p:wait()
    end)
    assert.same({ 143, "ready\ntrue\n" }, { result.status, result.stdout })
  end)

  it("ends a script that LuaJIT has compiled into a loop without an exit, when the time is over", function()
    local result = program.start({ "run", "--shutdown-timeout=10ms", "-" }, {}, function(p)
      p:send([[
        print("ready")
        io.stdout:flush()
        while true do end
      ]])
      p:close_stdin()
      p:read_until("ready\n")
      p:signal("sigterm")
      return p:wait()
    end)
    assert.equal(143, result.status)
  end)

  it("names what does not end in time, and ends all the same", function()
    local result = program.start({ "run", "--shutdown-timeout=10ms", "-" }, {}, function(p)
      p:send([[
        @spawn({ name = "stubborn" }, function() @shield(function() @sleep("1h") end) end)
        print("ready")
        @sleep("1h")
      ]])
      p:close_stdin()
      p:read_until("ready\n")
      p:signal("sigterm")
      return p:wait()
    end)
    assert.equal(143, result.status)
    assert.truthy(result.stderr:find('stubborn', 1, true))
  end)

  it("lets a loop that swallows every cancel go on no longer than that", function()
    local result = program.start({ "run", "--shutdown-timeout=10ms", "-" }, {}, function(p)
      p:send([[
        print("ready")
        while true do
          pcall(function() @sleep("1h") end)
          @shield(function() @sleep(0) end)
        end
      ]])
      p:close_stdin()
      p:read_until("ready\n")
      p:signal("sigterm")
      return p:wait()
    end)
    assert.equal(143, result.status)
  end)
end)

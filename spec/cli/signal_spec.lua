-- INT and TERM.
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

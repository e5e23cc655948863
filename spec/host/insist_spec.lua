-- A cancellation that code swallows again and again gets its way all the same.
local program = require "spec.support.program"

local function run(code)
  local r = program.run { "-e", code }
  assert.equal(0, r.status, r.stderr)
  local _, reports = r.stderr:gsub("has caught its cancellation 100 times", "")
  return r.stdout, reports, r.stderr
end

describe("a cancellation that is swallowed", function()
  it("ends a loop around pcall, and the timeout is raised where it belongs", function()
    local out, reports = run [[
      local v, err = @try(@timeout, "5ms", function() while true do pcall(@sleep, "1ms") end end)
      print(v, err.kind)]]
    assert.equal("nil\ttimeout\n", out)
    assert.equal(1, reports)
  end)

  it("says which task and which call, and what to do", function()
    local _, _, text = run [[
      @scope(function(s)
        s:spawn({ name = "deaf" }, function() while true do pcall(@sleep, "1ms") end end)
        s:cancel()
      end)]]
    assert.matches('task %d+ "deaf" has caught its cancellation 100 times', text)
    assert.matches("(command line):2:", text, 1, true)
    assert.matches("let `cancelled` through", text, 1, true)
  end)

  it("ends xpcall with a handler, a pcall inside a pcall, and an operator that never waits", function()
    local out = run [[
      local function deaf(body) print(@scope(function(s) s:spawn(body) @yield() s:cancel() end)) end
      deaf(function() while true do xpcall(@sleep, function(e) return e end, "1ms") end end)
      deaf(function() while true do pcall(pcall, function() while true do pcall(@sleep, "1ms") end end) end end)
      deaf(function() @yield() while true do pcall(@cache.get, "key") end end)]]
    assert.equal(("nil\tcancelled\n"):rep(3), out)
  end)

  it("ends a generator's loop together with its consumer's", function()
    local out = run [[
      print(@scope(function(s)
        s:spawn(function()
          while true do
            pcall(function()
              for _ in coroutine.wrap(function() while true do pcall(@sleep, "1ms") end end) do end
            end)
          end
        end)
        s:cancel()
      end))]]
    assert.equal("nil\tcancelled\n", out)
  end)

  it("still joins children and runs finalizers on the way out", function()
    local out = run [[
      print(@scope(function(outer)
        outer:spawn(function()
          @scope(function(s)
            s:defer(function() @sleep("1ms") print("finalized") end)
            s:spawn(function() @shield(@(@sleep("2ms"))) print("child ended") end)
            while true do pcall(@sleep, "1ms") end
          end)
        end)
        outer:cancel()
      end))]]
    assert.equal("child ended\nfinalized\nnil\tcancelled\n", out)
  end)

  it("leaves other tasks and later work alone, and gives the user's hook back", function()
    local out = run [[
      local calls = 0
      debug.sethook(function() calls = calls + 1 end, "c")
      local function deaf() while true do pcall(@sleep, "1ms") end end
      local other = @async(function() local n = 0 for _ = 1, 50 do @sleep("1ms") n = n + 1 end return n end)
      for _ = 1, 3 do pcall(@timeout, "2ms", deaf) end
      print(other:await(), debug.gethook() ~= nil, calls > 0)
      debug.sethook()]]
    assert.equal("50\ttrue\ttrue\n", out)
  end)

  it("does not count what scopes of their own have ended with", function()
    local _, reports = run [[
      for _ = 1, 300 do pcall(@timeout, 0, @sleep, "1h") end]]
    assert.equal(0, reports)
  end)

  it("does not count what the tasks of a cancelled scope were told, each for itself", function()
    local _, reports = run [[
      for n = 99, 102 do
        @scope(function(s)
          s:spawn(function() @scope(function() for _ = 1, n do @spawn(@(@sleep("1h"))) end end) end)
          @yield()
          s:cancel()
        end)
      end]]
    assert.equal(0, reports)
  end)

  it("lets TERM end a service that catches everything", function()
    program.start({ "-e", 'print("ready") while true do pcall(@sleep, "1h") end' }, {}, function(p)
      p:read_until("ready\n")
      p:signal("sigterm")
      assert.equal(143, p:wait().status)
    end)
  end)
end)

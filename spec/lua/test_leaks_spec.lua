-- tusk.test: what a body leaves behind.
local temp = require "spec.support.temp"
local test = require "tusk.test"
local uv = require "luv"

local function complaint(fn)
  local _, e = @try(test.leaks, fn)
  assert.equal("test", e and e.kind)
  return e.message
end

describe("test.leaks", function()
  it("passes what leaves nothing, with its values", function()
    assert.equal(5, test.leaks(function(a, b)
      @scope(function(s) s:spawn(@(@sleep "1ms")) end)
      return a + b
    end, 2, 3))
  end)

  it("names a task, and where it waits", function()
    local t
    assert.matches("task %d+ \"forgotten\", parked in @sleep at [^ ]*test_leaks_spec.lua:%d+", complaint(function()
      t = @spawn({ name = "forgotten" }, @(@sleep "1h"))
    end))
    t:cancel()
  end)

  it("names a handle of luv", function()
    local timer
    assert.matches("a uv timer", complaint(function()
      timer = uv.new_timer()
      timer:start(1e6, 0, function() end)
    end), 1, true)
    timer:close()
  end)

  it("names a descriptor and its file", function()
    temp.dir(function(dir)
      local file
      assert.matches("descriptor %d+: .*/kept", complaint(function()
        file = io.open(dir .. "/kept", "w")
      end))
      file:close()
    end)
  end)

  it("passes what is closing, or only waits to be collected", function()
    temp.dir(function(dir)
      test.leaks(function()
        io.open(dir .. "/f", "w")
        uv.new_timer():close()
        @spawn(@(@sleep "1ms"))
      end)
    end)
  end)

  it("passes a file that was cancelled in flight", function()
    temp.dir(function(dir)
      test.leaks(function()
        local t = @spawn(function() @file.write(dir .. "/f", ("x"):rep(1e6)) end)
        t:cancel()
      end)
    end)
  end)

  it("passes what a warm run has left already", function()
    local list = {}
    test.leaks({ warm = true }, function()
      list[1] = list[1] or uv.new_timer()
    end)
    list[1]:close()
  end)

  it("works on a virtual clock", function()
    test.clock(function()
      test.leaks(function() @sleep "1h" end)
      local t
      complaint(function() t = @spawn(@(@select { x = @channel() })) end)
      t:cancel()
    end)
  end)
end)

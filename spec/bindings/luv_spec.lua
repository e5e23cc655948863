-- luv on the host's loop: its callbacks are not tasks, and their errors end nothing.
local uv = require "luv"
local core = require "tusk.core"
local program = require "spec.support.program"

-- fn(log): what luv callbacks fail with meanwhile goes to log instead of the host's log.
local function with_failures(fn)
  local real, failures = core.callback_failed, {}
  core.callback_failed = function(err, traceback) failures[#failures + 1] = { err = err, traceback = traceback } end
  local ok, e = pcall(fn, failures)
  core.callback_failed = real
  if not ok then error(e, 0) end
end

-- Runs body in a luv callback, and returns when it has run.
local function in_callback(body)
  local timer, done = uv.new_timer(), core.Queue.new()
  local over = false
  timer:start(0, 0, function()
    timer:close()
    over = true
    done:wake()
    body()
  end)
  core.timeout(5, function()
    while not over do done:park() end
  end)
end

describe("luv", function()
  it("wakes tasks from its callbacks", function()
    local ran = false
    in_callback(function() ran = true end)
    assert.is_true(ran)
  end)

  it("reports an error in a callback, and the next callbacks still run", function()
    with_failures(function(failures)
      local ticks, done, timer = 0, core.Queue.new(), uv.new_timer()
      timer:start(1, 1, function()
        ticks = ticks + 1
        if ticks == 3 then
          timer:close()
          done:wake()
        end
        error("tick " .. ticks)
      end)
      core.timeout(5, function()
        while ticks < 3 do done:park() end
      end)
      core.sleep(0)
      assert.equal(3, #failures)
      assert.truthy(tostring(failures[1].err):find("tick 1", 1, true))
      assert.truthy(failures[1].traceback:find("luv_spec", 1, true))
    end)
  end)

  it("keeps the error object that a callback raised", function()
    with_failures(function(failures)
      local object = {}
      in_callback(function() error(object) end)
      assert.equal(object, failures[1].err)
    end)
  end)

  it("logs such an error, and the program goes on", function()
    local r = program.run { "-e", [[
      local uv = require "luv"
      local timer = uv.new_timer()
      timer:start(0, 0, function() timer:close() error("on purpose") end)
      @sleep("5ms")
      print("went on")
    ]] }
    assert.equal("went on\n", r.stdout)
    assert.truthy(r.stderr:find("on purpose", 1, true))
    assert.is_nil(r.signal)
  end)

  it("does not keep a program from ending by what it left open", function()
    local r = program.run { "-e", [[
      local uv = require "luv"
      local server, timer = uv.new_tcp(), uv.new_timer()
      server:bind("127.0.0.1", 0)
      server:listen(8, function() end)
      timer:start(1, 1, function() end)
      uv.new_tcp():close()
      @sleep("5ms")
    ]] }
    assert.equal(0, r.status)
    assert.equal("", r.stderr)
  end)

  it("refuses operators that wait in a callback, and says so", function()
    local err
    in_callback(function()
      local _, e = pcall(core.sleep, 0.001)
      err = e
    end)
    assert.equal("operator", err.kind)
  end)

  it("lets a callback start a task, which may wait", function()
    local done, steps = core.Queue.new(), {}
    in_callback(function()
      core.spawn(function()
        steps[#steps + 1] = "started"
        core.sleep(0.001)
        steps[#steps + 1] = "slept"
        done:wake()
      end)
      steps[#steps + 1] = "callback"
    end)
    core.timeout(5, function()
      while #steps < 3 do done:park() end
    end)
    assert.same({ "started", "callback", "slept" }, steps)
  end)

  it("serves TCP: an echo", function()
    local server, client = uv.new_tcp(), uv.new_tcp()
    local got, done = {}, core.Queue.new()
    server:bind("127.0.0.1", 0)
    server:listen(8, function()
      local peer = uv.new_tcp()
      server:accept(peer)
      peer:read_start(function(_, bytes)
        if bytes then peer:write(bytes) else peer:close() end
      end)
    end)
    client:connect("127.0.0.1", server:getsockname().port, function()
      client:read_start(function(_, bytes)
        got[#got + 1] = bytes
        done:wake()
      end)
      client:write("hello")
    end)
    core.timeout(5, function()
      while table.concat(got) ~= "hello" do done:park() end
    end)
    client:close()
    server:close()
  end)

  it("does not give the loop away", function()
    for _, name in ipairs { "run", "stop", "loop_close", "walk" } do
      local ok, e = pcall(uv[name])
      assert.is_false(ok)
      assert.truthy(tostring(e):find("the loop is the host's", 1, true))
    end
  end)

  it("is one module, wherever it is asked for", function()
    assert.equal(uv, @async(function() return require "luv" end):await())
  end)
end)

-- Looking inside a program: `tusk ps PID`, and the signal USR1.
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local SCRIPT = [[
@spawn({ name = "mail" }, function()
  print("ready")
  @sleep("1h")
end)
@timeout("2h", @(@sleep("3h")))
]]

-- fn(process, path) while that script, or another, runs.
local function with_script(fn, text)
  temp.dir(function(dir)
    local path = temp.write(dir .. "/main.lua", text or SCRIPT)
    program.start({ "run", path }, {}, function(p)
      p:read_until("ready\n")
      fn(p, path)
    end)
  end)
end

local function plain(text)
  return (text:gsub("%p", "%%%0"))
end

local function assert_tree(text, path)
  assert.matches("^2 tasks\n", text)
  assert.matches("\n  task 1 waits since %d+%.%d s in @sleep at " .. plain(path) .. ":5 %(7%d%d%d%.%d s left%)\n", text)
  assert.matches('\n    task 2 "mail" waits since %d+%.%d s in @sleep at ' .. plain(path) .. ":3\n", text)
end

describe("tusk ps", function()
  it("prints the tree of a running program's tasks", function()
    with_script(function(p, path)
      local result = program.run { "ps", tostring(p.pid) }
      assert.same({ 0, "" }, { result.status, result.stderr })
      assert_tree(result.stdout, path)
    end)
  end)

  it("may ask again and again, several at once", function()
    with_script(function(p)
      local results = @map({ 1, 2, 3, 4, 5, 6 }, function() return program.run { "ps", tostring(p.pid) } end)
      for i = 1, 6 do assert.matches("^2 tasks\n", results[i].stdout) end
    end)
  end)

  it("says that a program computes instead of answering", function()
    with_script(function(p)
      local result = program.run { "ps", tostring(p.pid) }
      assert.same({ 1, "" }, { result.status, result.stdout })
      assert.equal(("tusk: process %d does not answer: it computes\n"):format(p.pid), result.stderr)
    end, 'print("ready") io.stdout:flush() while true do end')
  end)

  it("leaves out what is more than 64 KiB, and counts it", function()
    with_script(function(p)
      local text = program.run({ "ps", tostring(p.pid) }).stdout
      assert.matches("^5001 tasks\n", text)
      assert.matches("\n  … and %d+ more\n$", text)
      assert.is_true(#text < 70000)
    end, 'for i = 1, 5000 do @spawn(@(@sleep("1h"))) end print("ready") @sleep("1h")')
  end)

  it("does not find a process that is no tusk", function()
    local result = program.run { "ps", "1" }
    assert.same({ 1, "" }, { result.status, result.stdout })
    assert.equal("tusk: process 1 cannot be asked: there is no `tusk run` of that number\n", result.stderr)
  end)

  it("needs a number", function()
    for _, args in ipairs { { "ps" }, { "ps", "x" }, { "ps", "-1" }, { "ps", "0" }, { "ps", "12x" } } do
      local result = program.run(args)
      assert.same({ 2, "", "tusk: ps needs the number of a process: tusk ps PID\n" },
        { result.status, result.stdout, result.stderr })
    end
  end)
end)

describe("the signal USR1", function()
  it("prints the tree on stderr, and the program goes on", function()
    with_script(function(p, path)
      for _ = 1, 2 do
        p:signal("sigusr1")
        local text = p:read_until("2 tasks\n.-\"mail\".-\n", "stderr")
        assert_tree(text:match("2 tasks.*"), path)
      end
      p:signal("sigterm")
      assert.equal(143, p:wait().status)
    end)
  end)

  it("reaches a script that only computes and yields", function()
    with_script(function(p)
      p:signal("sigusr1")
      p:read_until("1 task\n  task 1 ", "stderr")
    end, 'print("ready") io.stdout:flush() while true do @yield() end')
  end)

  it("reaches a piece of code, too", function()
    program.start({ "-e", 'print("ready") @sleep("1h")' }, {}, function(p)
      p:read_until("ready\n")
      p:signal("sigusr1")
      p:read_until("task 1 waits since %d+%.%d s in @sleep at %(command line%):1", "stderr")
    end)
  end)
end)

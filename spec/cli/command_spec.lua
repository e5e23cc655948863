-- The command line: commands, flags, what goes where, exit statuses.
local golden = require "spec.support.golden"
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local function run(...)
  return program.run({ ... })
end

local function assert_result(result, status, stdout, stderr)
  assert.same({ status, stdout, stderr }, { result.status, result.stdout, result.stderr })
end

describe("a usage error", function()
  for _, case in ipairs {
    { "an unknown command", { "rnu" }, "tusk: no such command or file: rnu; did you mean run?\n" },
    { "a word like nothing known", { "zzzzzz" }, "tusk: no such command or file: zzzzzz; see tusk help\n" },
    { "an unknown flag", { "run", "--tiemout=5s", "." }, "tusk: unknown flag --tiemout; did you mean --timeout?\n" },
    { "a flag without its value", { "run", "--timeout" }, "tusk: --timeout needs a value: --timeout DURATION\n" },
    { "a flag with a value it does not take", { "check", "--show-config=1" }, "tusk: --show-config takes no value\n" },
    { "help for what is no command", { "help", "tset" }, "tusk: no such command or file: tset; did you mean test?\n" },
  } do
    it("by " .. case[1] .. " is one line, exit status 2", function()
      assert_result(program.run(case[2]), 2, "", case[3])
    end)
  end

  it("by a flag of a command that has none is one line, exit status 2", function()
    for _, command in ipairs { "expand", "version" } do
      local r = program.run { command, "--nosuch" }
      assert.same({ 2, "tusk: unknown flag --nosuch; see tusk help\n" }, { r.status, r.stderr })
    end
  end)

  it("by a file that is not there is exit status 2", function()
    local result = run("nowhere/main.lua")
    assert.equal(2, result.status)
    assert.truthy(result.stderr:find("cannot open nowhere/main.lua: No such file or directory", 1, true))
  end)

  it("by checking what is not there is exit status 2", function()
    local result = run("check", "nowhere")
    assert.equal(2, result.status)
    assert.truthy(result.stderr:find("cannot open nowhere: No such file or directory", 1, true))
  end)

  it("by a duration, a name or a setting that is none says which, and takes plain seconds", function()
    local bad = run("run", "--timeout", "5x", "-")
    assert.same({ 2, true }, { bad.status, bad.stderr:find('--timeout: "5x" is not a duration', 1, true) ~= nil })
    assert.same({ 2, "error[usage]: --env needs a value\n" }, { run("run", "--env", "", "-").status, run("run", "--env", "", "-").stderr })
    assert.equal(124, run("run", "--timeout", "0.01", "spec/cli/golden/sleeps.lua").status)
    local unknown = run("run", "--set", "db.nosuch=1", "spec/cli/golden/sleeps.lua")
    assert.same({ 3, true }, { unknown.status, unknown.stderr:find("db.nosuch: there is no such setting", 1, true) ~= nil })
  end)

  it("by a flag before its command says where it goes", function()
    local result = run("--set", "x=1")
    assert.same({ 2, "tusk: --set is a flag of a command: tusk run --set ...\n" }, { result.status, result.stderr })
  end)

  it("by -e without code is exit status 2", function()
    assert.equal(2, run("-e").status)
  end)

  it("by a timeout that is no duration names it", function()
    local result = run("run", "--timeout=soon", "main.lua")
    assert.truthy(result.status ~= 0)
    assert.truthy(result.stderr:find('--timeout: "soon" is not a duration', 1, true))
  end)
end)

describe("help", function()
  it("lists the commands", function()
    assert_result(run("help"), 0, golden.text("help"), "")
    assert_result(run("--help"), 0, golden.text("help"), "")
    assert_result(run(), 0, golden.text("help"), "")
  end)

  it("shows one command with its flags", function()
    assert_result(run("help", "run"), 0, golden.text("help_run"), "")
    assert_result(run("run", "--help"), 0, golden.text("help_run"), "")
    assert_result(run("run", "-h"), 0, golden.text("help_run"), "")
    assert_result(run("test", "--help"), 0, run("help", "test").stdout, "")
  end)

  it("is not taken from a script or a piece of code", function()
    assert_result(run("-e", "print(...)", "--help"), 0, "--help\n", "")
  end)
end)

describe("version", function()
  it("names the version and what it is built on", function()
    local result = run("version")
    assert.truthy(result.stdout:find("^tusk %d+%.%d+%.%d+ %(LuaJIT 2%.1[^,]*, libuv [%d.]+%)\n$"))
    assert.equal(result.stdout, run("--version").stdout)
  end)
end)

describe("a program whose standard streams are closed", function()
  it("never gives their numbers to anything else", function()
    local code = "io.stderr:write('e') print('p') @file.read('/etc/passwd') @file.write(arg[1], 'done')"
    temp.dir(function(dir)
      local command = ("'%s' -e \"%s\" '%s/out' <&- >&- 2>&-"):format(program.path(), code, dir)
      assert.equal(0, program.run({ "-c", command }, { program = "/bin/sh" }).status)
      assert.equal("done", @file.read(dir .. "/out"))
    end)
  end)
end)

describe("a script", function()
  it("may be a piece of code, with arguments", function()
    assert_result(run("-e", "print(#arg, arg[1], select('#', ...), ...)", "a", "--b"), 0, "2\ta\t2\ta\t--b\n", "")
  end)

  it("may come from stdin", function()
    local result = program.run({ "-", "x" }, { stdin = "@yield() print(...) error('in it', 0)" })
    assert.equal("x\n", result.stdout)
    assert.truthy(result.stderr:find("stdin:1", 1, true))
    assert.equal(1, result.status)
  end)

  it("may be a file with a shebang line, with arguments, flags among them", function()
    temp.dir(function(dir)
      local path = temp.write(dir .. "/script", "#!/usr/bin/env tusk\n@sleep('1ms') print(arg[0], ...)\n")
      assert_result(run(path, "--timeout", "-x"), 0, path .. "\t--timeout\t-x\n", "")
    end)
  end)

  it("has stdout to itself, byte for byte", function()
    local result = run("-e", [[
      @log.info("for the log")
      io.stdout:write("a\0b\255")
      io.stdout:write("no newline at the end")
    ]])
    assert.equal("a\0b\255no newline at the end", result.stdout)
    assert.truthy(result.stderr:find("for the log", 1, true))
  end)

  it("may leave by os.exit, and no line of the log is lost", function()
    local result = program.run({ "-e", [[
      for i = 1, 500 do @log.info("line " .. i) end
      print("printed")
      os.exit(7)
    ]] }, { env = { ASAN_OPTIONS = "detect_leaks=0" } }) -- it frees nothing
    assert.equal(7, result.status)
    assert.equal("printed\n", result.stdout)
    assert.truthy(result.stderr:find("line 500", 1, true))
  end)

  it("ends with its tasks, not with handles of luv's it has left open", function()
    local result = run("-e", [[
      local uv = require "luv"
      local timer, server = uv.new_timer(), uv.new_tcp()
      timer:start(3600000, 0, function() end)
      server:bind("127.0.0.1", 0)
      server:listen(1, function() end)
      @spawn(function() @sleep("1ms") print("task") end)
    ]])
    assert_result(result, 0, "task\n", "")
  end)

  it("leaves a generator with an open scope, a shielded task and a coroutine that waits, and ends", function()
    local result = run("-e", [[
      generator = coroutine.wrap(function()
        @scope(function(s)
          s:spawn(function() pcall(function() @sleep("1h") end) print("child ended") end)
          coroutine.yield(1)
        end)
      end)
      generator()
      @spawn(coroutine.wrap(function() @shield(function() @sleep("1ms") end) end))
    ]])
    assert_result(result, 0, "child ended\n", "")
  end)
end)

describe("--timeout", function()
  it("ends the script with exit status 124, its finalizers run", function()
    temp.dir(function(dir)
      local path = temp.write(dir .. "/main.lua", [[
        @scope(function(s)
          s:defer(function() print("tidied") end)
          @sleep("1h")
        end)
      ]])
      local result = run("run", "--timeout", "10ms", path)
      assert.equal(124, result.status)
      assert.equal("tidied\n", result.stdout)
      assert.truthy(result.stderr:find("timed out after 10ms", 1, true))
    end)
  end)

  it("does not concern a script that is done in time", function()
    temp.dir(function(dir)
      local path = temp.write(dir .. "/main.lua", "print(@remaining() > 3000)")
      assert_result(run("run", "--timeout=1h", path), 0, "true\n", "")
    end)
  end)
end)

describe("expand", function()
  it("prints the plain Lua, line for line", function()
    temp.dir(function(dir)
      local path = temp.write(dir .. "/a.lua", "local a = @try(error)\n-- @comment\nreturn @(a + 1)\n")
      local result = run("expand", path)
      assert.equal(0, result.status)
      assert.equal(golden.text("expand"), result.stdout)
    end)
  end)

  it("prints a file without operators as it is", function()
    temp.dir(function(dir)
      local text = "local a = 'x@y' -- @here\r\nreturn a"
      assert_result(run("expand", temp.write(dir .. "/a.lua", text)), 0, text, "")
    end)
  end)

  it("reads stdin for -", function()
    assert_result(program.run({ "expand", "-" }, { stdin = "return 1" }), 0, "return 1", "")
  end)

  it("shows a syntax error, exit status 1; a missing file is exit status 2", function()
    local result = program.run({ "expand", "-" }, { stdin = "return @" })
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("error[syntax]", 1, true))
    assert.equal(2, run("expand", "/nonexistent.lua").status)
    assert.equal(2, run("expand").status)
  end)
end)

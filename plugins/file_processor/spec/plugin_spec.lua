-- The plugin: the folders that tusk.lua names; and what a processor asks of the disk.
local app = require "spec.support.app"
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local TRACE = [[
  #define _GNU_SOURCE
  #include <dlfcn.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <sys/stat.h>
  static void tell(const char *what)
  {
      FILE *f = fopen(getenv("TRACE"), "a");
      fprintf(f, "%s\n", what);
      fclose(f);
  }
  int fsync(int fd)
  {
      struct stat st;
      tell(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? "sync folder" : "sync file");
      return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
  }
  int renameat2(int a, const char *from, int b, const char *to, unsigned flags)
  {
      tell("rename");
      return ((int (*)(int, const char *, int, const char *, unsigned))dlsym(RTLD_NEXT, "renameat2"))(a, from, b, to, flags);
  }
]]

describe("the plugin file_processor", function()
  it("makes @processor of the folders in tusk.lua", function()
    app.with({
      ["tusk.lua"] = [[return { plugins = { file_processor = { from = env("IN"), to = env("OUT"), transform = "tidy", glob = "**/*.txt" } } }]],
      ["in/a.txt"] = "one  \n\n", ["in/b/c.txt"] = "two", ["in/d.log"] = "three",
      ["main.lua"] = [[
        local report = @processor.process_directory()
        print(#report.files, report.ok, @processor.process("x "))]],
    }, function(dir)
      local r = program.run({ "run", dir }, { env = { IN = dir .. "/in", OUT = dir .. "/out" } })
      assert.equal("2\ttrue\tx\n\n", r.stdout, r.stderr)
      assert.equal("one\n\n", temp.read(dir .. "/out/a.txt"))
      assert.equal("two\n", temp.read(dir .. "/out/b/c.txt"))
    end)
  end)

  it("finds them in the script directory, wherever it is run from", function()
    app.with({ ["tusk.lua"] = "return { plugins = { file_processor = { from = 'in', to = 'out/made' } } }", ["in/a.txt"] = "one  ",
      ["main.lua"] = "print(@processor.process_file('a.txt').written)" }, function(dir)
      local r = program.run { "run", dir }
      assert.equal("3\n", r.stdout, r.stderr)
      assert.equal("one", temp.read(dir .. "/out/made/a.txt"))
    end)
  end)

  it("does not start with a folder that is not there, or a transformation that nobody knows", function()
    local r = app.run { ["tusk.lua"] = "return { plugins = { file_processor = { from = '/nowhere' } } }", ["main.lua"] = "" }
    assert.equal(3, r.status)
    assert.matches("/nowhere", r.stderr, 1, true)
    r = app.run { ["tusk.lua"] = "return { plugins = { file_processor = { transform = 'claen' } } }", ["main.lua"] = "" }
    assert.equal(3, r.status)
    assert.matches('"claen" is not one of clean, copy, tidy', r.stderr, 1, true)
  end)

  it("places a mistake at the caller's line", function()
    local r = app.run { ["tusk.lua"] = "return { plugins = { file_processor = {} } }",
      ["main.lua"] = "\n  @processor.process_directory('.', { globb = 1 })" }
    assert.matches('@processor.process_directory: unknown option "globb" (did you mean "glob"?)', r.stderr, 1, true)
    assert.matches("main.lua:2:3", r.stderr, 1, true)
  end)

  it("ended half-way leaves no half file", function()
    app.with({
      ["tusk.lua"] = [[return { plugins = { file_processor = { from = env("IN"), to = env("OUT"), transform = "copy" } } }]],
      ["main.lua"] = [[
        local n = 0
        @processor.process_directory(".", { each = function()
          n = n + 1
          if n == 3 then print("three") io.stdout:flush() end
        end, transform = function(content, file)
          if n >= 3 then @sleep "1h" end
          return content
        end })]],
    }, function(dir)
      local big = ("x"):rep(300000)
      @file.mkdir(dir .. "/in")
      for i = 1, 20 do temp.write(("%s/in/%d.txt"):format(dir, i), big) end
      local r = program.start({ "run", dir }, { env = { IN = dir .. "/in", OUT = dir .. "/out" } }, function(p)
        p:read_until("three")
        p:signal("sigterm")
        return p:wait()
      end)
      assert.equal(143, r.status, r.stderr)
      local names = temp.list(dir .. "/out")
      assert.is_true(#names >= 3)
      for _, name in ipairs(names) do
        assert.matches("^%d+%.txt$", name)
        assert.equal(#big, #temp.read(dir .. "/out/" .. name))
      end
    end)
  end)
end)

describe("against known defects:", function()
  it("no fsync: what is written is on the disk before it has its name, and the name before it is told", function()
    if (os.getenv "SANITIZE" or "") ~= "" then return pending("a sanitizer has to be loaded first") end
    temp.dir(function(dir)
      local source, library = temp.write(dir .. "/trace.c", TRACE), dir .. "/trace.so"
      local cc = program.run({ "-c", (os.getenv "CC" or "cc") .. ' -shared -fPIC -o "$0" "$1" -ldl', library, source },
        { program = "/bin/sh" })
      assert.equal(0, cc.status, cc.stderr)
      @file.mkdir(dir .. "/in")
      temp.write(dir .. "/in/a.txt", "x")
      local script = temp.write(dir .. "/main.lua", [[
        require("tusk.plugins.file_processor").new { from = arg[1] .. "/in", to = arg[1] .. "/out" }.process_file("a.txt")]])
      local r = program.run({ script, dir }, { env = { LD_PRELOAD = library, TRACE = dir .. "/trace" } })
      assert.equal(0, r.status, r.stderr)
      assert.equal("sync file\nrename\nsync folder\n", temp.read(dir .. "/trace"))
    end)
  end)
end)

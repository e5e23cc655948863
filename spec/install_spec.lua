-- What `make install` puts into DESTDIR/PREFIX works from there, as program and as library.
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local EMBEDDER = [[
#include <stdio.h>
#include <string.h>
#include <tusk.h>
#include <tusk_lua.h>

static void log_line(void *ud, tusk_level level, const char *line, size_t length)
{
    (void)ud;
    (void)level;
    fprintf(stderr, "%.*s\n", (int)length, line);
}

int main(void)
{
    const char *code = "print(@json.encode({ 1, 2 })) @sleep(0.001) print('done')";
    tusk_host *host;
    tusk_config config;
    tusk_config_init(&config);
    config.log = log_line;
    if (tusk_open(&config, &host) || tusk_load_source(host, "=game", code, strlen(code)))
        return 1;
    tusk_run(host);
    tusk_close(host);
    return 0;
}
]]

local build = program.path():match("^(.*)/")

local function run(path, args, env)
  local r = program.run(args, { program = path, env = env or {} })
  assert(r.status == 0, r.stderr)
  return r.stdout
end

local function install(destdir, prefix)
  run("/usr/bin/make", { "-s", "install-files", "DESTDIR=" .. destdir, "PREFIX=" .. prefix, "BUILD=" .. build },
    { MAKEFLAGS = false, MAKELEVEL = "1" })
end

local function libraries(folder)
  local names = {}
  for _, name in ipairs(temp.list(folder)) do
    if name:match("%.so$") then names[#names + 1] = name end
  end
  return names
end

describe("make install", function()
  local destdir, root

  setup(function()
    destdir = temp.new()
    root = destdir .. "/opt/tusk"
    install(destdir, "/opt/tusk")
  end)

  teardown(function() temp.remove(destdir) end)

  it("puts all below DESTDIR/PREFIX", function()
    assert.same({ "opt" }, temp.list(destdir))
    assert.same({ "bin", "include", "lib" }, temp.list(root))
    assert.same({ "tusk.h", "tusk_lua.h" }, temp.list(root .. "/include"))
    assert.same({ "libtusk.a", "libtusk.so", "libtusk.so.0", "pkgconfig", "tusk" }, temp.list(root .. "/lib"))
  end)

  it("leaves DESTDIR out of what is installed", function()
    assert.matches("^prefix=/opt/tusk\n", temp.read(root .. "/lib/pkgconfig/tusk.pc"))
  end)

  it("installs every binding", function()
    assert.same(libraries(build .. "/bindings"), libraries(root .. "/lib/tusk/bindings"))
  end)

  it("installs a program that runs a piece of code", function()
    assert.equal("2\n", run(root .. "/bin/tusk", { "-e", "print(1 + 1)" }))
  end)

  it("installs a program that finds its bindings", function()
    assert.equal("[1,2]\n", run(root .. "/bin/tusk", { "-e", "print(@json.encode({ 1, 2 }))" }))
  end)
end)

describe("an installed libtusk", function()
  local root

  local function shell(command)
    return run("/bin/sh", { "-ec", command }, {
      ROOT = root, PKG_CONFIG_PATH = root .. "/lib/pkgconfig",
      CC = os.getenv("CC") or "cc", FLAGS = "-Wall -Werror " .. (os.getenv("SANITIZE") or ""),
    })
  end

  setup(function()
    root = temp.new()
    install("", root)
    temp.write(root .. "/embedder.c", EMBEDDER)
  end)

  teardown(function() temp.remove(root) end)

  it("exports its own functions alone, and takes nothing that is the process's", function()
    for name in shell("nm -D --defined-only $ROOT/lib/libtusk.so"):gmatch(" [TDBR] (%S+)\n") do
      assert.matches("^tusk_", name)
    end
    local used = {}
    for name in shell("nm -D --undefined-only $ROOT/lib/libtusk.so"):gmatch(" U ([%w_]+)") do used[name] = true end
    assert.is_true(used.uv_run)
    for _, name in ipairs { "exit", "_exit", "abort", "atexit", "signal", "sigaction", "stdout", "stderr", "puts", "printf",
      "fprintf", "__printf_chk", "__fprintf_chk", "perror", "chdir", "setlocale", "uv_default_loop" } do
      assert.is_nil(used[name], name)
    end
  end)

  it("is of the program's version", function()
    local version = run(root .. "/bin/tusk", { "version" }):match("^tusk (%S+)")
    assert.equal(version .. "\n", shell("pkg-config --modversion tusk"))
  end)

  it("is found by pkg-config, and finds its bindings", function()
    shell("$CC $FLAGS $ROOT/embedder.c -o $ROOT/shared $(pkg-config --cflags --libs tusk)")
    assert.equal("[1,2]\ndone\n", run(root .. "/shared", {}, { LD_LIBRARY_PATH = root .. "/lib" }))
  end)

  it("can be linked statically, by a program that exports it to the bindings", function()
    shell([[
      $CC $FLAGS $ROOT/embedder.c -o $ROOT/bin/static $(pkg-config --cflags tusk) -rdynamic \
        -Wl,--whole-archive $ROOT/lib/libtusk.a -Wl,--no-whole-archive $(pkg-config --libs luajit libuv)
    ]])
    assert.equal("[1,2]\ndone\n", run(root .. "/bin/static", {}))
  end)
end)

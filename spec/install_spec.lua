-- What `make install` puts into DESTDIR/PREFIX works from there, as program and as library.
local loader = require "tusk.loader"
local program = require "spec.support.program"
local temp = require "spec.support.temp"
local uv = require "luv"

-- In C it keeps to the stable header, in C++ it looks into the Lua state too.
local EMBEDDER = [[
#include <stdio.h>
#include <string.h>
#include <tusk.h>
#ifdef __cplusplus
#include <tusk_lua.h>
#define USE_LUA                                       \
    if (lua_gettop((lua_State *)tusk_unstable_lua(host))) \
        return 2;
#else
#define USE_LUA
#endif

static void log_line(void *ud, tusk_level level, const char *plugin, const char *line, size_t length)
{
    (void)ud;
    (void)level;
    (void)plugin;
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
    USE_LUA
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

local CMAKE = [[
cmake_minimum_required(VERSION 3.13)
project(embedder C CXX)
set(CMAKE_C_STANDARD 11)
set(CMAKE_CXX_STANDARD 17)
find_package(Tusk 0.1 REQUIRED COMPONENTS static lua)
foreach(language c cc)
  add_executable(shared_${language} embedder.${language})
  target_link_libraries(shared_${language} PRIVATE tusk::tusk)
  add_executable(static_${language} embedder.${language})
  target_link_libraries(static_${language} PRIVATE tusk::static)
endforeach()
target_link_libraries(shared_cc PRIVATE tusk::lua)
]]

-- What a folder holds, with all below it.
local function tree(folder, under, into)
  for _, name in ipairs(temp.list(folder)) do
    local path = under .. name
    if loader.is_directory(folder .. "/" .. name) then tree(folder .. "/" .. name, path .. "/", into)
    else into[#into + 1] = path end
  end
  return into
end

-- The functions that the public headers declare.
local function declared()
  local names = {}
  for _, header in ipairs { "host/tusk.h", "host/tusk_lua.h" } do
    for text in temp.read(header):gmatch("TUSK_%u*_?EXPORT([^;{]*);") do
      for name in text:gsub("/%*.-%*/", ""):gmatch("(tusk_[%w_]+)%s*%(") do names[name] = true end
    end
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
    assert.same({ "bin", "include", "lib", "share" }, temp.list(root))
    assert.same({ "tusk" }, temp.list(root .. "/bin"))
    assert.same({ "tusk.h", "tusk_lua.h" }, temp.list(root .. "/include"))
    assert.same({ "cmake", "libtusk.a", "libtusk.so", "libtusk.so.0", "lua", "pkgconfig", "tusk" }, temp.list(root .. "/lib"))
    assert.same({ "TuskConfig.cmake", "TuskConfigVersion.cmake" }, temp.list(root .. "/lib/cmake/Tusk"))
    assert.same({ "tusk-static.pc", "tusk.pc" }, temp.list(root .. "/lib/pkgconfig"))
    assert.same({ "man1/tusk.1", "man3/libtusk.3" }, tree(root .. "/share/man", "", {}))
  end)

  it("installs every binding", function()
    assert.same(libraries(build .. "/bindings"), libraries(root .. "/lib/tusk/bindings"))
  end)

  it("installs every plugin, without its specs", function()
    local expected = {}
    for _, path in ipairs(tree("plugins", "", {})) do
      if path:find("/", 1, true) and not path:find("/spec/", 1, true) then expected[#expected + 1] = path end
    end
    assert.same(expected, tree(root .. "/share/tusk/plugins", "", {}))
  end)

  it("writes no place of this machine into it", function()
    for _, path in ipairs { "pkgconfig/tusk.pc", "pkgconfig/tusk-static.pc", "cmake/Tusk/TuskConfig.cmake" } do
      local text = temp.read(root .. "/lib/" .. path)
      for _, place in ipairs { destdir, "/opt/tusk", build } do assert.is_nil(text:find(place, 1, true), path) end
    end
  end)

  it("installs a program that runs a piece of code", function()
    assert.equal("2\n", run(root .. "/bin/tusk", { "-e", "print(1 + 1)" }))
  end)

  it("installs a program that finds its bindings", function()
    assert.equal("[1,2]\n", run(root .. "/bin/tusk", { "-e", "print(@json.encode({ 1, 2 }))" }))
  end)
end)

describe("the pages of the manual", function()
  it("are well formed", function()
    assert.equal("", run("/usr/bin/mandoc", { "-T", "lint", "-W", "warning", "docs/man/tusk.1", "docs/man/libtusk.3" }))
  end)

  it("tell of every command and flag", function()
    local page = temp.read("docs/man/tusk.1")
    for name in run(program.path(), { "help" }):gmatch("\n  (%S+)") do
      assert.truthy(page:find((name:gsub("^%-", "Fl ")), 1, true), name)
      for flag in run(program.path(), { "help", name }):gmatch("%-%-([%w-]+)") do
        assert.truthy(page:find("Fl -" .. flag, 1, true), flag)
      end
    end
  end)

  it("tell of every function of tusk.h", function()
    local page = temp.read("docs/man/libtusk.3")
    local header = temp.read("host/tusk.h")
    for name in pairs(declared()) do
      if header:find("%f[%w_]" .. name .. "%(") then assert.truthy(page:find("Fn " .. name .. "%f[^%w_]"), name) end
    end
  end)
end)

-- Installed in one place, used from another.
describe("an installed libtusk", function()
  local folder, root

  local function shell(command)
    return run("/bin/sh", { "-ec", command }, {
      ROOT = root, WORK = folder, PKG_CONFIG_PATH = root .. "/lib/pkgconfig",
      CC = os.getenv("CC") or "cc", FLAGS = "-Wall -Werror " .. (os.getenv("SANITIZE") or ""),
    })
  end

  local function works(path)
    assert.equal("[1,2]\ndone\n", run(path, {}, { LD_LIBRARY_PATH = root .. "/lib" }))
  end

  setup(function()
    folder = temp.new()
    root = folder .. "/moved"
    install("", folder .. "/tusk")
    assert(uv.fs_rename(folder .. "/tusk", root))
    temp.write(folder .. "/embedder.c", EMBEDDER)
    temp.write(folder .. "/embedder.cc", EMBEDDER)
    temp.write(folder .. "/CMakeLists.txt", CMAKE)
  end)

  teardown(function() temp.remove(folder) end)

  it("exports what its headers declare, of one version, and nothing else", function()
    local exported = {}
    for name in shell("nm -D --defined-only $ROOT/lib/libtusk.so"):gmatch(" [TDBRVWi] (%S+)\n") do
      exported[assert(name:match("^(.*)@@TUSK_0$"), name)] = true
    end
    assert.same(declared(), exported)
  end)

  it("takes nothing that is the process's", function()
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

  it("is found by pkg-config, by C and C++, and finds its bindings", function()
    shell([[
      $CC -std=c11 -Wpedantic $FLAGS $WORK/embedder.c -o $WORK/shared $(pkg-config --cflags --libs tusk)
      c++ -std=c++17 $FLAGS $WORK/embedder.cc -o $WORK/shared++ $(pkg-config --cflags --libs tusk luajit)
    ]])
    works(folder .. "/shared")
    works(folder .. "/shared++")
  end)

  it("can be linked into a program, which has the bindings beside it", function()
    shell([[
      $CC -std=c11 -Wpedantic $FLAGS $WORK/embedder.c -o $WORK/static $(pkg-config --cflags --libs tusk-static)
      cp -r $ROOT/lib/tusk/bindings $WORK/bindings
    ]])
    assert.is_nil(shell("ldd $WORK/static"):find("libtusk", 1, true))
    works(folder .. "/static")
  end)

  it("is a module of luajit's, and finds its bindings", function()
    local code = "local h = require('tusk').open() h:source('=x', 'print(@json.encode { 1, 2 })') assert(h:run())"
    if (os.getenv("SANITIZE") or "") ~= "" then return end -- spec/host/module_spec.lua sees to that
    assert.equal("[1,2]\n", run("/usr/bin/luajit", { "-e", code }, { LUA_CPATH = root .. "/lib/lua/5.1/?.so" }))
  end)

  it("is found by CMake, shared and static, by C and C++", function()
    shell([[
      cmake -S $WORK -B $WORK/out -DCMAKE_PREFIX_PATH=$ROOT -DCMAKE_C_FLAGS="$FLAGS" -DCMAKE_CXX_FLAGS="$FLAGS"
      cmake --build $WORK/out
      cp -r $ROOT/lib/tusk/bindings $WORK/out/bindings
    ]])
    for _, name in ipairs { "shared_c", "shared_cc", "static_c", "static_cc" } do works(folder .. "/out/" .. name) end
  end)

  it("tells CMake of a version or a component that is not this one", function()
    local function configure(asked)
      temp.write(folder .. "/asks/CMakeLists.txt",
        "cmake_minimum_required(VERSION 3.13)\nproject(asks NONE)\nfind_package(Tusk " .. asked .. " REQUIRED)\n")
      local r = program.run({ "-S", folder .. "/asks", "-B", folder .. "/asks/out", "-DCMAKE_PREFIX_PATH=" .. root },
        { program = "/usr/bin/cmake" })
      assert.equal(1, r.status)
      return (r.stderr:gsub("%s+", " "))
    end
    assert(uv.fs_mkdir(folder .. "/asks", 493))
    assert.matches("compatible with requested version \"0.9\"", configure("0.9"), 1, true)
    assert.matches("Tusk has no component qt: static, lua", configure("COMPONENTS qt"), 1, true)
  end)
end)

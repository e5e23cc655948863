-- `require "tusk"` in a program that is LuaJIT's: the real luajit, with hosts inside.
local embedder = require "spec.support.embedder"
local program = require "spec.support.program"
local temp = require "spec.support.temp"
local uv = require "luv"

local build = program.path():match("^(.*)/")

-- What goes before luajit itself where the library is built with sanitizers.
local function preloaded()
  local names, flags = {}, os.getenv("SANITIZE") or ""
  for sanitizer, name in pairs { address = "libasan.so", undefined = "libubsan.so" } do
    if flags:find(sanitizer, 1, true) then
      local path = program.run({ "-print-file-name=" .. name }, { program = "/usr/bin/gcc" }).stdout
      names[#names + 1] = path:match("%S+")
    end
  end
  table.sort(names)
  return names[1] and table.concat(names, " ") or false
end

local preload = preloaded()

local PROLOGUE = [[
local tusk, ffi = require "tusk", require "ffi"
ffi.cdef "int usleep(unsigned microseconds);"
local function finish(host, future)
  for _ = 1, 200000 do
    host:poll(0.01)
    if future:done() then return future:result() end
    ffi.C.usleep(200)
  end
  error("it does not end")
end
]]

-- Runs code in luajit; what it prints.
local function luajit(code, env, complains)
  local all = { LUA_CPATH = build .. "/?.so", LD_PRELOAD = preload, ASAN_OPTIONS = "exitcode=99" }
  for name, value in pairs(env or {}) do all[name] = value end
  local r = program.run({ "-" }, { program = "/usr/bin/luajit", stdin = code, env = all })
  assert(r.status == 0, r.stderr)
  assert.equal(complains or "", r.stderr)
  return r.stdout
end

local function prints(expected, code)
  assert.equal(expected, luajit(PROLOGUE .. code))
end

describe("a host in luajit", function()
  it("runs code with operators while it is polled", function()
    prints("[1,2]\twaiting\tidle\n", [[
      local host = tusk.open()
      local said, held
      host:def_async("hold", function(op) held = op end)
      host:def("say", function(text) said = text end)
      assert(host:source("=code", "@hold() @say(@json.encode { 1, 2 })"))
      local first, state = host:poll()
      held:done()
      repeat state = host:poll(0.001) until state == "idle"
      host:close()
      print(said, first, state)
    ]])
  end)

  it("gives what a poll set of the program's own needs", function()
    prints("true\ttrue\ttrue\tnil\n", [[
      local host = tusk.open()
      host:source("=code", "@sleep('1h')")
      host:poll()
      local wait = host:timeout()
      host:source("=code", "while true do @yield() end")
      print(host:fd() > 2, wait >= 999 and wait <= 3600, host:timeout() == 0, tusk.open():timeout())
    ]])
  end)

  it("reads files and asks databases", function()
    temp.dir(function(dir)
      temp.write(dir .. "/a.txt", "from a file")
      assert.equal("from a file\t42\n", luajit(PROLOGUE .. [[
        local host = tusk.open()
        assert(host:source("=code", "function work(path) return @file.read(path), @db.value('select 6 * 7') end"))
        local future = assert(host:call("work", os.getenv("DIR") .. "/a.txt"))
        print(select(2, finish(host, future)))
        host:close()
      ]], { DIR = dir }))
    end)
  end)

  it("polls all hosts at once", function()
    prints("more\twaiting\tidle\t2\n", [[
      local a, b, ended, held = tusk.open(), tusk.open(), 0, nil
      for _, host in ipairs { a, b } do host:def("ended", function() ended = ended + 1 end) end
      b:def_async("hold", function(op) held = op end)
      a:source("=a", "for _ = 1, 1000 do @yield() end @ended()")
      b:source("=b", "@hold() @ended()")
      local first, second = tusk.poll(0)
      repeat second = tusk.poll(0.01) until second ~= "more"
      held:done()
      repeat local state = tusk.poll(0.01) until state == "idle"
      print(first, second, tusk.poll(), ended)
    ]])
  end)

  it("loads plugins, calls them, and takes them away", function()
    temp.dir(function(dir)
      temp.write(dir .. "/shop.lua", [[
        local shop = {}
        function shop.price(n) @sleep(0.001) return n * 2 end
        return { name = "shop", operators = { shop = shop }, setup = function() @sleep(0.001) end, teardown = function() @gone() end }
      ]])
      assert.equal("true\t42\ttrue\tnot_found\n", luajit(PROLOGUE .. [[
        local host, gone = tusk.open(), false
        host:def("gone", function() gone = true end)
        assert(host:load(os.getenv("DIR")))
        assert(host:run())
        local ok, price = finish(host, host:call({ "shop.price", plugin = "shop" }, 21))
        assert(host:stats().tasks == 0 and host:stats("shop") and host:stats().bytes > 100000)
        assert(host:unload("shop"))
        assert(host:run())
        local _, e = host:unload("shop")
        print(ok, price, gone, e.kind)
      ]], { DIR = dir }))
    end)
  end)

  it("loads plugins in C", function()
    temp.dir(function(dir)
      embedder.plugin(dir .. "/physics.so", "spec/embed/plugin.c")
      assert.equal("true\t19.625\n", luajit(PROLOGUE .. [[
        local host = tusk.open()
        assert(host:load(os.getenv("DIR")))
        assert(host:run())
        print(finish(host, host:call("physics.fall", 2)))
      ]], { DIR = dir }, "physics: closed\n"))
    end)
  end)

  it("ends in good order", function()
    prints("waiting\tdone\tdone\t1\n", [[
      local host, ended = tusk.open(), 0
      host:def("ended", function() ended = ended + 1 end)
      host:source("=code", "pcall(@sleep, '1h') @ended()")
      local before, after = host:poll(), nil
      assert(host:shutdown(5))
      repeat after = host:poll() ffi.C.usleep(200) until after == "done"
      print(before, after, tusk.poll(), ended)
    ]])
  end)

  it("collects in time that is to spare", function()
    prints("true\ttrue\n", [[
      local host = tusk.open()
      host:source("=code", "local t = {} for i = 1, 2e5 do t[i] = { i } end t = nil")
      local freed, before = 0, host:stats().lua_bytes
      for _ = 1, 1000 do freed = freed + host:gc(0.01) end
      print(freed > 1e6, host:stats().lua_bytes < before)
    ]])
  end)

  it("works inside a coroutine", function()
    prints("3\n", [[
      local host = tusk.open()
      host:def("add", function(a, b) return a + b end)
      host:source("=code", "sum = @add(1, 2)  function get() return sum end")
      print(coroutine.wrap(function() return select(2, finish(host, host:call("get"))) end)())
    ]])
  end)
end)

-- As LÖVE is: a program with libluajit as a library, and functions that it calls in Lua.
local FOREIGN = [=[
/* A game that goes on until love.over. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    int failed = luaL_dofile(L, argv[argc - 1]);
    for (int i = 0, over = 0; i < 100000 && !over && !failed; i++) {
        lua_getglobal(L, "love");
        lua_getfield(L, -1, "over");
        over = lua_toboolean(L, -1);
        lua_getfield(L, -2, "update");
        lua_pushnumber(L, 1 / 60.0);
        failed = lua_pcall(L, 1, 0, 0);
        lua_pop(L, failed ? 0 : 2);
    }
    if (failed)
        fprintf(stderr, "%s", lua_tostring(L, -1));
    lua_close(L);
    return failed;
}
]=]

describe("the program of docs/embedding.md", function()
  it("runs in a program that has libluajit as LÖVE has", function()
    local code = temp.read("docs/embedding.md"):match("\n```lua\n(local tusk = require \"tusk\".-)```")
    temp.dir(function(dir)
      temp.write(dir .. "/foreign.c", FOREIGN)
      temp.write(dir .. "/game.lua", [[
        local world = {}
        love = {}
        function world:update(dt) self.time = (self.time or 0) + dt end
        function world:spawn(kind, x)
          print("spawned", kind, x)
          love.over = true
          return 1
        end
      ]] .. code .. [[
        local update = love.update
        function love.update(dt) update(dt) require("ffi").C.usleep(500) end
        require("ffi").cdef "int usleep(unsigned microseconds);"
      ]])
      assert(uv.fs_mkdir(dir .. "/mods", 493))
      temp.write(dir .. "/mods/wasps.lua", [[
        return { name = "wasps", services = { attack = function() @sleep(0.001) @spawn_enemy("wasp", @json.decode("[3]")[1]) end } }
      ]])
      local built = program.run({ "-ec", '${CC:-cc} $SANITIZE foreign.c -o foreign $(pkg-config --cflags --libs luajit)' },
        { program = "/bin/sh", cwd = dir })
      assert(built.status == 0, built.stderr)
      local r = program.run({ "game.lua" }, { program = dir .. "/foreign", cwd = dir, env = { LUA_CPATH = build .. "/?.so" } })
      assert.equal("", r.stderr)
      assert.equal("spawned\twasp\t3\n", r.stdout)
    end)
  end)
end)

describe("of the program's own Lua", function()
  it("nothing is replaced or added", function()
    prints("same\n", [[
      local function all(t, path, into)
        for k, v in pairs(t) do
          local name = path .. "." .. tostring(k)
          if into[name] == nil then
            into[name] = v
            if type(v) == "table" and not into[v] then into[v] = true all(v, name, into) end
          end
        end
        return into
      end
      local function snapshot() return all(_G, "_G", all(debug.getmetatable(""), "string", {})) end
      local before = snapshot()
      local host = tusk.open()
      host:def("x", function() return {} end)
      host:source("=code", "require 'luv' @x() coroutine.wrap(function() @sleep(0.001) end)()")
      assert(host:run())
      host:close()
      local after = snapshot()
      for k, v in pairs(after) do assert(before[k] == v, tostring(k) .. " is another") end
      for k, v in pairs(before) do assert(after[k] == v, tostring(k) .. " has gone") end
      print("same")
    ]])
  end)

  it("there is but one LuaJIT in the process", function()
    assert.is_nil(program.run({ build .. "/tusk.so" }, { program = "/usr/bin/ldd" }).stdout:find("luajit", 1, true))
    prints("one\n", [[
      local host = tusk.open()
      host:source("=code", "@json.encode {} @db.value('select 1') @http.client {} @hash.sha256('') @random.bytes(1) require 'luv'")
      assert(host:run())
      local found = {}
      for line in io.lines("/proc/self/maps") do found[line:match("[^/]*luajit[^/]*$") or 0] = true end
      found[0] = nil
      print(next(found) and not next(found, next(found)) and "one" or "several")
    ]])
  end)

  it("no function is shadowed: the library shows its own alone", function()
    for name in program.run({ "-D", "--defined-only", build .. "/tusk.so" }, { program = "/usr/bin/nm" }).stdout:gmatch(" [TDBRVWi] (%S+)\n") do
      assert.truthy(name:find("^tusk_") or name:find("^luaopen_tusk@"), name)
    end
  end)

  it("globals of plugins are not its own, nor its own theirs", function()
    prints("nil\tnil\n", [[
      mine = 1
      local host = tusk.open()
      host:source("=code", "theirs = 2  function get() return mine end")
      local _, seen = finish(host, host:call("get"))
      print(theirs, seen)
    ]])
  end)

  it("closing leaves nothing: no descriptor, no thread", function()
    prints("same\n", [[
      ffi.cdef "int fcntl(int fd, int command, ...);"
      local function descriptors()
        local n = 0
        for fd = 0, 1023 do n = n + (ffi.C.fcntl(fd, 1) >= 0 and 1 or 0) end
        return n
      end
      local function threads()
        local file = io.open("/proc/self/status")
        local n = file:read("*a"):match("Threads:%s*(%d+)")
        file:close()
        return n
      end
      local function use()
        local host = tusk.open()
        host:source("=code", "function f() @db.exec('create table t (x)') @file.exists('/etc') @file.read('/etc/hostname') end")
        host:source("=waits", "@sleep('1h')")
        assert(finish(host, host:call("f")))
        host:close()
        host:close()
      end
      use() -- libuv's pool of threads is the process's
      local open, running = descriptors(), threads()
      for _ = 1, 20 do use() end
      assert(descriptors() == open, "descriptors") assert(threads() == running, "threads")
      print("same")
    ]])
  end)

  it("a host that was not closed is closed with the state", function()
    prints("working\n", [[
      local host = tusk.open()
      host:source("=code", "@spawn(@(@sleep('1h'))) @sleep('1h')")
      print(host:poll() == "waiting" and "working")
    ]])
  end)
end)

describe("what goes wrong in a plugin", function()
  it("is told to whoever called, as a value", function()
    prints("false\tshop.empty\tcode:1: nothing left\ttrue\n", [[
      local host = tusk.open()
      host:source("=code", "function buy() require('tusk').errors.raise('shop.empty', 'nothing left') end")
      local ok, e = finish(host, host:call("buy"))
      print(ok, e.kind, tostring(e):match("[^\n]*"), type(e.traceback) == "string")
    ]])
  end)

  it("is told to `error` when nobody waits for it", function()
    prints("1\tcode:1: oh\n", [[
      local seen = {}
      local host = tusk.open { error = function(e) seen[#seen + 1] = e end }
      host:source("=code", "error('oh')")
      host:run()
      print(#seen, (seen[1].message:gsub("\n.*", "")))
    ]])
  end)

  it("is a line for `log` otherwise", function()
    prints("error\ttrue\n", [[
      local host = tusk.open { log = function(level, line) print(level, line:find("oh", 1, true) ~= nil) end }
      host:source("=code", "error('oh')")
      host:run()
    ]])
  end)

  it("is a failure of loading", function()
    prints("nil\tsyntax\ttrue\nnil\tnot_found\ttrue\n", [[
      local host = tusk.open { log = false }
      local ok, e = host:source("=code", "x = = 1")
      print(ok, e.kind, e.message:find("code:1", 1, true) ~= nil)
      ok, e = host:load("/nowhere")
      print(ok, e.kind, e.message:find("/nowhere", 1, true) ~= nil)
    ]])
  end)

  it("is the end of its time", function()
    prints("false\ttimeout\n", [[
      local host = tusk.open()
      host:source("=code", "function wait() @sleep('1h') end")
      local ok, e = finish(host, host:call({ "wait", timeout = 0.01 }))
      print(ok, e.kind)
    ]])
  end)
end)

describe("an operator of the program's", function()
  it("answers at once", function()
    prints("true\t7\n", [[
      local host = tusk.open()
      host:def("game.width", function(a, b) return a + b end)
      host:source("=code", "function ask() return @game.width(3, 4) end")
      print(finish(host, host:call("ask")))
    ]])
  end)

  it("answers later, with any number of values", function()
    prints("true\tshot\t2\n", [[
      local host, op = tusk.open(), nil
      host:source("=code", "function ask() return @spawn_enemy('wasp') end")
      host:def_async("spawn_enemy", function(o, kind) op = o assert(kind == "wasp") end)
      local future = host:call("ask")
      host:poll() host:poll()
      assert(not future:done())
      assert(op:done("shot", 2)) assert(not op:done("again"))
      print(finish(host, future))
    ]])
  end)

  it("fails with a kind, or with what its function raised", function()
    prints("false\tgame.full\ttrue\nfalse\tfailed\ttrue\nfalse\tfailed\ttrue\n", [[
      local host = tusk.open()
      host:def_async("a", function(op) op:fail("game.full", "too many") end)
      host:def_async("b", function() error("broken b") end)
      host:def("c", function() error("broken c") end)
      host:source("=code", "function a() return @a() end function b() return @b() end function c() return @c() end")
      for name, text in ("a=too many,b=broken b,c=broken c"):gmatch("(%l)=([^,]+)") do
        local ok, e = finish(host, host:call(name))
        print(ok, e.kind, e.message:find(text, 1, true) ~= nil)
      end
    ]])
  end)

  it("hears that its task is cancelled", function()
    prints("cancelled\tfalse\tcancelled\n", [[
      local host, told = tusk.open(), nil
      local kept
      host:def_async("wait", function(op) kept = op end, function(op)
        assert(op == kept and op:cancelled())
        told = "cancelled"
        op:fail("cancelled")
      end)
      host:source("=code", "function wait() return @wait() end")
      local future = host:call("wait")
      host:poll() host:poll()
      future:cancel()
      local ok, e = finish(host, future)
      print(told, ok, e.kind)
    ]])
  end)

  it("that nobody will answer any more has failed", function()
    prints("false\tabandoned\n", [[
      local host = tusk.open()
      host:def_async("lose", function() end)
      host:source("=code", "function lose() return @lose() end")
      local future = host:call("lose")
      host:poll() host:poll()
      collectgarbage() collectgarbage()
      local ok, e = finish(host, future)
      print(ok, e.kind)
    ]])
  end)

  it("knows who asks, and outlives the host", function()
    prints("code\tfalse\n", [[
      local host, op = tusk.open { log = false }, nil
      host:def_async("ask", function(o) op = o end)
      host:source("=code", "@ask()")
      host:poll() host:poll()
      io.write(tostring(op:plugin()), "\t")
      host:close()
      print(op:done(1))
    ]])
  end)

  it("cannot yield: it has not been called by its program's own coroutine", function()
    prints("true\tfalse\tattempt to yield across C-call boundary\n", [[
      local host = tusk.open()
      host:def("ask", function() return coroutine.yield(1) end)
      host:source("=code", "function ask() return @ask() end")
      print(coroutine.resume(coroutine.create(function()
        local ok, e = finish(host, host:call("ask"))
        return ok, e.message:match("attempt.*boundary")
      end)))
    ]])
  end)

  it("may be called by two tasks at a time", function()
    prints("b\ta\n", [[
      local host, ops = tusk.open(), {}
      host:def_async("ask", function(op, name) ops[name] = op end)
      host:source("=code", "function ask(name) return @ask(name) end")
      local a, b = host:call("ask", "a"), host:call("ask", "b")
      host:poll() host:poll()
      ops.b:done("b") ops.a:done("a")
      local _, first = finish(host, b)
      local _, second = finish(host, a)
      print(first, second)
    ]])
  end)
end)

describe("values", function()
  it("cross both ways as they are", function()
    prints("same\n", [[
      local host = tusk.open()
      host:source("=code", "function echo(...) return ... end")
      local function same(a, b)
        if type(a) ~= type(b) then return false end
        if type(a) ~= "table" then return a == b or a ~= a and b ~= b end
        for k, v in pairs(a) do if not same(v, b[k]) then return false end end
        for k in pairs(b) do if a[k] == nil then return false end end
        return true
      end
      local deep = {}
      for _ = 1, 60 do deep = { deep } end
      for _, v in ipairs { 1, -0.5, 2^53, 1/0, 9007199254740993LL, -9223372036854775807LL, "a\0b", "", true, false,
          { 1, "two", { 3 } }, { a = { b = 1 } }, { [5] = "five", [true] = 1 }, { 1, tusk.null, 3 }, deep } do
        local ok, back = finish(host, host:call("echo", v))
        assert(ok and same(v, back), tostring(v) .. " " .. tostring(back))
      end
      assert(select("#", finish(host, host:call("echo", nil, 1, nil))) == 4)
      print("same")
    ]])
  end)

  it("that are no data are refused where they are given", function()
    prints([[
argument 1: a function cannot be given to C
argument 1.a[2]: a thread cannot be given to C
argument 1.me: a table that contains itself
]], [[
      local host = tusk.open()
      host:source("=code", "function f() end")
      local circle = {}
      circle.me = circle
      for _, v in ipairs { print, { a = { 1, coroutine.create(print) } }, circle } do
        print((select(2, pcall(host.call, host, "f", v))))
      end
    ]])
  end)
end)

describe("events", function()
  it("reach those who listen", function()
    prints("wasp\t25\n", [[
      local host = tusk.open()
      host:def("seen", function(kind, points) print(kind, points) end)
      host:source("=code", "@on('shot', function(kind, points) @seen(kind, points) end)")
      host:poll()
      assert(host:emit("shot", "wasp", 25))
      for _ = 1, 10 do host:poll() end
    ]])
  end)
end)

describe("misuse", function()
  local function refused(pattern, code)
    local text = luajit(PROLOGUE .. "print(select(2, pcall(function() " .. code .. " end)))")
    assert.truthy(text:find(pattern, 1, true), text)
  end

  it("of options", function()
    refused('no option "memroy" (options: error, log, memory, slice, tasks)', "tusk.open { memroy = 1 }")
    refused("memory must be a number of at least 1048576", "tusk.open { memory = '64MB' }")
    refused("log must be a function, or false", "tusk.open { log = 'x' }")
    refused("error must be a function", "tusk.open { error = 1 }")
    refused("a table of options is expected, got a string", "tusk.open 'mods'")
  end)

  it("of a host", function()
    refused("the host is closed", "local h = tusk.open() h:close() h:poll()")
    refused("seconds, 0 or more, expected", "tusk.open():poll(-1)")
    refused("tusk.Host expected, got no value", "tusk.open().poll()")
    refused("small letters, digits, _ and dots expected", [[
      local h = tusk.open() local e
      h:def_async("x", function(op) op:fail("No!") end)
      h:source("=x", "function f() @x() end")
      error(select(2, finish(h, h:call("f"))).message)]])
    refused('there is no operator "no"', "local h = tusk.open() local f, e = h:call('no.such') error(e.message)")
    refused("it is defined already", "local h = tusk.open() h:def('x', print) h:def('x', print)")
  end)

  it("of a host that runs", function()
    for _, name in ipairs { "poll", "run", "close" } do
      refused("a callback of the host's cannot poll, run or close it", ([[
        local h, why = tusk.open()
        h:def("x", function() why = select(2, pcall(h.%s, h)) end)
        h:source("=x", "@sleep(0.001) @x()")
        h:run()
        error(why)]]):format(name))
    end
  end)

  it("of a listener that fails is raised where the host was called", function()
    refused("no more room", [[
      local h = tusk.open { log = function() error("no more room") end }
      h:source("=x", "@log.info('x')")
      h:poll()]])
  end)
end)

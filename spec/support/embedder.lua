-- embedder.lua: programs in C that embed the library under test: built, run.
--
--   embedder.with("spec/embed/op.c", {}, function(run)  assert.equal("ok\n", run("done"))  end)
local assert = require "luassert"
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local embedder = {}

local FLAGS = "-std=c11 -D_GNU_SOURCE -g -Wall -Wextra -Werror $SANITIZE -Ihost $(pkg-config --cflags luajit libuv)"
local SHARED = '${CC:-cc} ' .. FLAGS .. ' $MORE $SOURCES -L"$LIB" -Wl,-rpath,"$LIB" -ltusk $(pkg-config --libs luajit libuv) -lpthread -o "$OUT"'
local STATIC = '${CC:-cc} ' .. FLAGS .. [[ $MORE $SOURCES -rdynamic -Wl,--whole-archive "$LIB/libtusk.a" \
  -Wl,--no-whole-archive $(pkg-config --libs luajit libuv) -ldl -lpthread -o "$OUT"]]
local PLUGIN = '${CC:-cc} ' .. FLAGS .. ' $MORE -fPIC -shared $SOURCES -o "$OUT"'

local function compile(command, out, sources, more)
  local built = program.run({ "-ec", command }, { program = "/bin/sh", env = {
    OUT = out, LIB = program.path():match("^(.*)/"), SOURCES = sources, MORE = more or "",
    SANITIZE = os.getenv("SANITIZE") or "",
  } })
  assert(built.status == 0, built.stderr)
  assert(built.stderr == "", built.stderr)
end

--- Is what is tested built with one of these ("address", "thread")?
function embedder.sanitized(...)
  local flags = os.getenv("SANITIZE") or ""
  for _, name in ipairs { ... } do
    if flags:find(name, 1, true) then return true end
  end
  return false
end

--- Builds a library that is a plugin.
---@param out string
---@param source string path of its file
---@param more string|nil flags
function embedder.plugin(out, source, more)
  compile(PLUGIN, out, source, more)
end

--- Builds a program in a temporary folder.
---@param source string path of its file
---@param opts { static: boolean, more: string }
---@return fun(...: string): string run what it prints on stdout, called with these arguments; it must end well
---@return function remove
function embedder.build(source, opts)
  local dir = temp.new()
  local out = dir .. "/program"
  local ok, e = pcall(compile, opts.static and STATIC or SHARED, out, source, opts.more)
  if not ok then
    temp.remove(dir)
    error(e, 0)
  end
  local function run(...)
    local r = program.run({ ... }, { program = out })
    assert(r.status == 0, ("status %s, signal %s\n%s\n%s"):format(r.status, tostring(r.signal), r.stdout, r.stderr))
    return r.stdout
  end
  return run, function() temp.remove(dir) end
end

-- Builds spec/embed/NAME.c and runs it in a folder of its own.
local function run_once(name, args)
  local r
  temp.dir(function(dir)
    local out = dir .. "/program"
    compile(SHARED, out, "spec/embed/" .. name .. ".c")
    r = program.run(args, { program = out, cwd = dir })
  end)
  return r
end

--- Builds and runs spec/embed/NAME.c: it must end well, be silent on stderr, and say this.
---@param name string
---@param expected string
function embedder.says(name, expected, ...)
  local r = run_once(name, { ... })
  assert.same({ status = 0, stdout = expected, stderr = "" }, { status = r.status, stdout = r.stdout, stderr = r.stderr })
end

--- The same of one that says "PROMISE: yes" or "PROMISE: NO" line by line, so many: all must hold.
---@param name string
---@param promises integer
function embedder.holds(name, promises, ...)
  local r = run_once(name, { ... })
  local held, broken = 0, {}
  for line in r.stdout:gmatch("[^\n]+") do
    if line:find(": yes$") then held = held + 1 else broken[#broken + 1] = line end
  end
  assert.same({ held = promises, broken = {}, status = 0, stderr = "" },
    { held = held, broken = broken, status = r.status, stderr = r.stderr })
end

return embedder

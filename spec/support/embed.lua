-- C programs of spec/embed that embed a host: built against the library that is tested, and run.
local assert = require "luassert"
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local embed = {}

local BUILD = [[
  ${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -g -O1 $SANITIZE -Ihost $(pkg-config --cflags luajit libuv) \
    "spec/embed/$NAME.c" -L"$LIB" -Wl,-rpath,"$LIB" -ltusk $(pkg-config --libs luajit libuv) -lpthread -o "$OUT"
]]

local function build(name, dir)
  local out, lib = dir .. "/" .. name, program.path():match("^(.*)/")
  local built = program.run({ "-ec", BUILD },
    { program = "/bin/sh", env = { NAME = name, OUT = out, LIB = lib, SANITIZE = os.getenv("SANITIZE") or "" } })
  assert.equal("", built.stderr)
  return out
end

--- Builds spec/embed/NAME.c, runs it, and calls fn(run, dir): run(…) gives { status =, stdout =, stderr = }.
function embed.with(name, fn)
  temp.dir(function(dir)
    local path = build(name, dir)
    fn(function(...) return program.run({ ... }, { program = path, cwd = dir, env = { LANG = "C.UTF-8" } }) end, dir)
  end)
end

--- Builds and runs it: it must end well, be silent on stderr, and say this.
function embed.says(name, expected, ...)
  local args = { ... }
  embed.with(name, function(run)
    local r = run(unpack(args))
    assert.same({ status = 0, stdout = expected, stderr = "" }, { status = r.status, stdout = r.stdout, stderr = r.stderr })
  end)
end

--- Builds and runs one that says "PROMISE: yes" or "PROMISE: NO" line by line, so many: all must hold.
---@param name string
---@param promises integer
function embed.holds(name, promises, ...)
  local args = { ... }
  embed.with(name, function(run)
    local r = run(unpack(args))
    local held, broken = 0, {}
    for line in r.stdout:gmatch("[^\n]+") do
      if line:find(": yes$") then held = held + 1 else broken[#broken + 1] = line end
    end
    assert.same({ held = promises, broken = {}, status = 0, stderr = "" },
      { held = held, broken = broken, status = r.status, stderr = r.stderr })
  end)
end

return embed

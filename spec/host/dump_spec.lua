-- tusk_dump, for a program that embeds a host (dump.c).
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local BUILD = [[
  ${CC:-cc} -std=c11 -D_GNU_SOURCE -g $SANITIZE -Ihost spec/host/dump.c -L"$LIB" -Wl,-rpath,"$LIB" -ltusk -lpthread \
    -o "$OUT"
]]

it("the tree of tasks that another thread asks for comes through the log, once", function()
  temp.dir(function(dir)
    local out, lib = dir .. "/dump", program.path():match("^(.*)/")
    local built = program.run({ "-ec", BUILD },
      { program = "/bin/sh", env = { OUT = out, LIB = lib, SANITIZE = os.getenv("SANITIZE") or "" } })
    assert.equal("", built.stderr)
    local r = program.run({}, { program = out })
    assert.same({ 0, "the tree\ntold 1 time\n", "" }, { r.status, r.stdout, r.stderr })
  end)
end)

-- tusk_step, for a program with a loop of its own (step.c).
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local BUILD = [[
  ${CC:-cc} -std=c11 -D_GNU_SOURCE -g $SANITIZE -Ihost spec/host/step.c -L"$LIB" -Wl,-rpath,"$LIB" -ltusk -o "$OUT"
]]

it("a step stops after its time, and the wait is that of the next timer", function()
  temp.dir(function(dir)
    local out, lib = dir .. "/step", program.path():match("^(.*)/")
    local built = program.run({ "-ec", BUILD },
      { program = "/bin/sh", env = { OUT = out, LIB = lib, SANITIZE = os.getenv("SANITIZE") or "" } })
    assert.equal("", built.stderr)
    local r = program.run({}, { program = out })
    assert(r.status == 0, r.stderr)
    assert.equal([[
a step of twenty that compute: more, one resume
an hour to wait: waiting, long
a budget without an end: done
]], r.stdout)
  end)
end)

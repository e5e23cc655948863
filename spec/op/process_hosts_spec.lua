-- @process in an embedder with several hosts (process_hosts.c).
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local BUILD = [[
  ${CC:-cc} -std=c11 -D_GNU_SOURCE -g $SANITIZE -Ihost spec/op/process_hosts.c -L"$LIB" -Wl,-rpath,"$LIB" -ltusk -lpthread \
    -o "$OUT"
]]

it("@process leaves an embedder its signals and its children, with hosts on two threads", function()
  temp.dir(function(dir)
    local out, lib = dir .. "/hosts", program.path():match("^(.*)/")
    local built = program.run({ "-ec", BUILD },
      { program = "/bin/sh", env = { OUT = out, LIB = lib, SANITIZE = os.getenv("SANITIZE") or "" } })
    assert.equal("", built.stderr)
    local r = program.run({}, { program = out })
    assert(r.status == 0, r.stderr)
    assert.equal([[
both ran: 1 1
the handler is the embedder's: 1, called: 1
so is its child: 1 7
there are no others: -1
]], r.stdout)
  end)
end)

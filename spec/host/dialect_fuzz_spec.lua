-- The dialect on random source, under sanitizers, judged by LuaJIT (dialect_fuzz.c). N: how many rounds.
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local BUILD = [[
  ${CC:-cc} -std=c11 -D_GNU_SOURCE -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -Ihost \
    $(pkg-config --cflags luajit) spec/host/dialect_fuzz.c host/dialect*.c -Wl,--wrap=realloc \
    $(pkg-config --libs luajit) -o "$OUT"
]]

it("the dialect stands random source", function()
  temp.dir(function(dir)
    local out = dir .. "/dialect_fuzz"
    local built = program.run({ "-ec", BUILD }, { program = "/bin/sh", env = { OUT = out } })
    assert.equal("", built.stderr)
    local seed, rounds = tostring(os.time()), os.getenv("N") or "20000"
    local r = program.run({ seed, rounds }, { program = out })
    assert(r.status == 0, ("seed %s\n%s%s"):format(seed, r.stdout, r.stderr))
    assert.matches("^seed " .. seed .. ": %d+ mistakes, %d+ rewritten, %d+ left alone\n$", r.stdout)
  end)
end)

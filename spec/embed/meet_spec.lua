-- How a program and the library meet (meet.c).
local embedder = require "spec.support.embedder"

it("versions, sizes, threads and callbacks: what does not fit is refused with a code", function()
  embedder.says("meet", [[
abi 1, version 0.1.0
another abi: 1
a later, larger struct: 1
that asks for more: 1
an older, smaller one: 1
none at all: 1
limits without a size: 1
with one: 1
an unknown flag: 1
each code has a text: 1, others have one too: unknown error
no host: 1 1 1
another thread: load 1, run 1, step 1, close 1, errmsg: not the owner's thread
once it has adopted the host: 1 1
the first one now: 1 1
and again: 1
in a callback: step 1, run 1, close 1, adopt 1: not from inside a callback of the host
]])
end)

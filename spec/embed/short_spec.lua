-- Operators, calls and events when memory is short at any moment (short.c).
local embedder = require "spec.support.embedder"

it("whatever allocation fails, a call says so, and the host goes on", function()
  embedder.says("short", "many, failed often, otherwise 0 (ok)\n")
end)

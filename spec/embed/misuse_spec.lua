-- What a program gets wrong (misuse.c).
local embedder = require "spec.support.embedder"

it("no handle, another thread, structs that nobody filled in, callbacks that close or load: all have an answer", function()
  embedder.holds("misuse", 16)
end)

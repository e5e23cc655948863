-- A host on the program's own loop (borrow.c).
local embedder = require "spec.support.embedder"

it("a borrowed loop tells when to step, ends when the tasks have, and is left as it was", function()
  embedder.holds("borrow", 12)
end)

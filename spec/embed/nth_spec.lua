-- Allocations that fail (nth.c). N: at how many of them, all modes together some thousands.
local embedder = require "spec.support.embedder"

it("whichever allocation of opening, loading and stepping fails, nothing is lost and the host goes on", function()
  embedder.says("nth", [[
one fails: not opened some, ran some
all from one on fail: not opened some, ran some
]], os.getenv("N") or "150")
end)

-- What a host may take (limits.c).
local embedder = require "spec.support.embedder"

it("memory, tasks, operators, depth, time without waiting, sizes: each limit holds, and ends only what breaks it", function()
  embedder.holds("limits", 21)
end)

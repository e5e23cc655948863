-- tusk_step and those around it (drive.c).
local embedder = require "spec.support.embedder"

it("steps keep their budget, waits are told right, clocks and chance are the program's", function()
  embedder.holds("drive", 28)
end)

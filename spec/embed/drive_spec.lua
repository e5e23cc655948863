-- tusk_step and those around it (drive.c).
local embed = require "spec.support.embed"

it("steps keep their budget, waits are told right, clocks and chance are the program's", function()
  embed.holds("drive", 27)
end)

-- What a host may take (limits.c).
local embed = require "spec.support.embed"

it("memory, tasks, operators, depth, time without waiting, sizes: each limit holds, and ends only what breaks it", function()
  embed.holds("limits", 19)
end)

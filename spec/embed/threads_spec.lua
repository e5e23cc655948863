-- Hosts on threads (threads.c); make tsan has it too.
local embed = require "spec.support.embed"

it("hosts run on several threads, are handed over, and can be asked from any", function()
  embed.holds("threads", 5)
end)

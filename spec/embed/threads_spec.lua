-- Hosts on threads (threads.c); make tsan has it too.
local embedder = require "spec.support.embedder"

it("hosts run on several threads, are handed over, and can be asked from any", function()
  embedder.holds("threads", 5)
end)

-- A host on the program's own loop (borrow.c).
local embed = require "spec.support.embed"

it("a borrowed loop tells when to step, ends when the tasks have, and is left as it was", function()
  embed.holds("borrow", 12)
end)

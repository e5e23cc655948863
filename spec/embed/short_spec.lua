-- Operators, calls and events when memory is short at any moment (short.c).
local embed = require "spec.support.embed"

it("whatever allocation fails, a call says so, and the host goes on", function()
  embed.says("short", "many, failed often, otherwise 0 (ok)\n")
end)

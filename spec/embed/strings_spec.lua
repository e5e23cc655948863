-- Memory that is full of strings (strings.c).
local embedder = require "spec.support.embedder"

it("whatever is refused its memory, LuaJIT's table of strings too, the host goes on", function()
  embedder.holds("strings", 2)
end)

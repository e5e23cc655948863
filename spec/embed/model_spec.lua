-- Operators from C at random: answered, failed, let go of by threads, while their tasks are cancelled (model.c).
local embedder = require "spec.support.embedder"

it("whatever the order of answers and cancellations, each call is told of once", function()
  local rounds = tostring(math.max(15, tonumber(os.getenv "N") or 0))
  embedder.says("model", rounds .. " rounds\n", "1", rounds)
end)

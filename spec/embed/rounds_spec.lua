-- Opening and closing, over and over (rounds.c). N: how often; 10000 is the full count.
local embedder = require "spec.support.embedder"

it("a host that is opened and closed over and over leaves nothing", function()
  if (os.getenv "SANITIZE" or "") ~= "" then return pending "a sanitizer keeps what was freed" end
  embedder.holds("rounds", 1, os.getenv("N") or "200")
end)

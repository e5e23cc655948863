-- Opening and closing, over and over (rounds.c). N: how often; 10000 is the full count.
local embed = require "spec.support.embed"

it("a host that is opened and closed over and over leaves nothing", function()
  if (os.getenv "SANITIZE" or "") ~= "" then return pending "a sanitizer keeps what was freed" end
  embed.holds("rounds", 1, os.getenv("N") or "200")
end)

-- Loading, unloading, shutting down (load.c).
local embed = require "spec.support.embed"

it("sources, plugins and directories are loaded, fail with codes and texts, and leave nothing behind", function()
  embed.holds("load", 42)
end)

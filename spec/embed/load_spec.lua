-- Loading, unloading, shutting down (load.c).
local embedder = require "spec.support.embedder"

it("sources, plugins and directories are loaded, fail with codes and texts, and leave nothing behind", function()
  embedder.holds("load", 44)
end)

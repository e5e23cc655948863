-- What a host does to its process (promises.c).
local embedder = require "spec.support.embedder"

it("a host prints nothing, leaves signals, folder and locale alone, and no descriptors behind", function()
  embedder.says("promises", [[
closed: dispositions 1, mask 1, folder 1, locale 1
shut down: dispositions 1, mask 1, folder 1, locale 1
descriptors left: 0
SIGPIPE: blocked in a step 1, outside 0, rung 0
]])
end)

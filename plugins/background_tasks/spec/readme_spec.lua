-- The example of the README runs.
local readme = require "spec.support.readme"

it("the example of the README runs", function()
  local r = readme.run "plugins/background_tasks/README.md"
  assert.equal(0, r.status, r.stderr)
  assert.equal("hello Ann\ncat.png.small\n", r.stdout)
end)

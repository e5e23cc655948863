-- Whatever tasks, scopes and generators do to each other, the host ends and nothing is touched twice.
local program = require "spec.support.program"

describe("tasks, scopes, deadlines and generators at random", function()
  for seed = 1, 4 do
    it("come to an end, seed " .. seed, function()
      local result = program.run { "spec/host/soak.lua", tostring(seed), os.getenv("N") or "15" }
      assert.equal("ended\n", result.stdout)
      assert.is_nil(result.signal)
    end)
  end
end)

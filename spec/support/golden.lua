-- golden.lua: texts that were read by a person once, and must stay as they are.
local temp = require "spec.support.temp"

local golden = {}

--- The text of spec/cli/golden/NAME.txt.
function golden.text(name)
  return temp.read(("spec/cli/golden/%s.txt"):format(name))
end

return golden

-- caches.lua: the caches that the specs of @cache are run against. Each: name, and each(fn), which calls
-- fn(cache, pass) with an empty one; pass(seconds) lets so much of what it keeps time by go by.
local test = require "tusk.test"

local caches = {}

local memory = { name = "in memory" }
caches[1] = memory

--- On a virtual clock that moves by hand.
function memory.each(fn)
  test.clock({ by_hand = true }, function()
    fn(@cache.open("memory:"), test.advance)
  end)
end

return caches

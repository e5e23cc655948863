-- tusk.test: what specs of the host and of plugins are written with.
local clock = require "tusk.test.clock"

return {
  clock = clock.run, advance = clock.advance, now = clock.now,
}

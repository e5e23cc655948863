-- metrics/host.lua: what the host tells of itself: its tasks, its memory, its loop.
local kernel = require "tusk.kernel"

local MICRO = 1e-6

-- The loop counts how often it was held up to 1, 2, 4, … microseconds between two polls.
local function holds()
  local turns, seconds, counts = kernel.holds()
  local buckets, up_to = {}, 0
  for i, count in ipairs(counts) do
    up_to = up_to + count
    buckets[i] = { le = i < #counts and 2 ^ (i - 1) * MICRO or math.huge, count = up_to }
  end
  return { count = turns, sum = seconds, buckets = buckets }
end

--- Emits the figures of this moment; see collect.lua.
return function(_, emit)
  local _, live, bytes, started = kernel.stats()
  emit("gauge", "tusk_tasks", "tasks that have not ended", {}, live)
  emit("counter", "tusk_tasks_started_total", "tasks since the host was opened", {}, started)
  emit("gauge", "tusk_memory_bytes", "memory of the Lua state", {}, bytes)
  emit("histogram", "tusk_loop_hold_seconds", "how long code ran between two polls of the loop", {}, holds())
end

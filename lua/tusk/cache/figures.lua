-- figures.lua: what a cache that has a name tells @metrics.

-- of what stats() has: name → type, its metric, its help
local FIGURES = {
  hits = { "counter", "tusk_cache_hits_total", "values that were there when they were asked for" },
  misses = { "counter", "tusk_cache_misses_total", "values that were not" },
  loads = { "counter", "tusk_cache_loads_total", "loads that were begun" },
  failures = { "counter", "tusk_cache_load_failures_total", "loads that failed" },
  loading = { "gauge", "tusk_cache_loading", "loads under way" },
  entries = { "gauge", "tusk_cache_entries", "values in memory" },
  bytes = { "gauge", "tusk_cache_bytes", "what they and their keys take, by estimate" },
  size = { "gauge", "tusk_cache_max_bytes", "what they may take" },
  evictions = { "counter", "tusk_cache_evictions_total", "values dropped to make room" },
  expirations = { "counter", "tusk_cache_expirations_total", "values dropped because their time was over" },
  down = { "gauge", "tusk_cache_down", "1 while the server does not answer" },
}

--- Emits them; see collect.lua.
---@param space table see load.remember
return function(space, emit)
  local labels = { cache = space.name }
  for key, value in pairs(space:stats()) do
    local figure = FIGURES[key]
    if figure then
      if type(value) == "boolean" then value = value and 1 or 0 end
      emit(figure[1], figure[2], figure[3], labels, value)
    end
  end
end

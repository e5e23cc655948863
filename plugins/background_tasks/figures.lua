-- figures.lua: what @metrics tells of one pool. A series is made when there is something to tell.

---@class background_tasks.Figures
local Figures = {}
Figures.__index = Figures

local figures = {}

local BUCKETS = { 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600 }

---@param pool string the label of all of them
---@param queued fun(): integer
---@param running fun(): integer
---@return background_tasks.Figures
function figures.new(pool, queued, running)
  local labels = { pool = pool }
  @metrics.gauge("tasks_queued", labels, { help = "background tasks in line", read = queued })
  @metrics.gauge("tasks_running", labels, { help = "background tasks under way", read = running })
  return setmetatable({ pool = pool, types = {} }, Figures)
end

local function labels_of(self, name)
  self.types[name] = true
  return { pool = self.pool, task = name }
end

--- One more has ended so.
---@param what string "done", "failed", "undone"
---@param name string its type
function Figures:count(what, name)
  @metrics.counter(("tasks_%s_total"):format(what), labels_of(self, name)):inc()
end

--- One took so long, all attempts together.
function Figures:took(name, seconds)
  @metrics.histogram("tasks_seconds", labels_of(self, name), { help = "seconds of tasks", buckets = BUCKETS }):observe(seconds)
end

function Figures:remove()
  for _, what in ipairs { "queued", "running" } do @metrics.remove("tasks_" .. what, { pool = self.pool }) end
  for name in pairs(self.types) do
    for _, what in ipairs { "done_total", "failed_total", "undone_total", "seconds" } do
      @metrics.remove("tasks_" .. what, { pool = self.pool, task = name })
    end
  end
end

return figures

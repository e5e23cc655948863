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

-- The series of a type: made once, then kept.
local function series(self, name, what, make)
  local own = self.types[name] or {}
  self.types[name] = own
  own[what] = own[what] or make("tasks_" .. what, { pool = self.pool, task = name })
  return own[what]
end

--- One more has ended so.
---@param what string "done", "failed", "undone"
---@param name string its type
function Figures:count(what, name)
  series(self, name, what .. "_total", @metrics.counter):inc()
end

local function histogram(name, labels)
  return @metrics.histogram(name, labels, { help = "seconds of tasks", buckets = BUCKETS })
end

--- One took so long, all attempts together.
function Figures:took(name, seconds)
  series(self, name, "seconds", histogram):observe(seconds)
end

function Figures:remove()
  for _, what in ipairs { "queued", "running" } do @metrics.remove("tasks_" .. what, { pool = self.pool }) end
  for name, own in pairs(self.types) do
    for what in pairs(own) do
      @metrics.remove("tasks_" .. what, { pool = self.pool, task = name })
    end
  end
end

return figures

-- figures.lua: what @metrics tells of one tracker.

---@class analytics.Figures
local Figures = {}
Figures.__index = Figures

local figures = {}

---@param sink string the label of all of them
---@param buffered fun(): integer
---@return analytics.Figures
function figures.new(sink, buffered)
  local labels = { sink = sink }
  @metrics.gauge("analytics_buffered", labels, { help = "events that are not sent yet", read = buffered })
  return setmetatable({
    labels = labels,
    all = @metrics.counter("analytics_tracked_total", labels, { help = "events" }),
    gone = @metrics.counter("analytics_sent_total", labels, { help = "events that the sink has taken" }),
    seconds = @metrics.histogram("analytics_send_seconds", labels, { help = "seconds of attempts to send a batch" }),
  }, Figures)
end

function Figures:tracked(n)
  self.all:inc(n)
end

function Figures:sent(n)
  self.gone:inc(n)
end

function Figures:took(seconds)
  self.seconds:observe(seconds)
end

---@param why string "full", "refused", "end"
function Figures:dropped(n, why)
  @metrics.counter("analytics_dropped_total", { sink = self.labels.sink, why = why }, { help = "events that are lost" }):inc(n)
end

function Figures:remove()
  for _, name in ipairs { "buffered", "tracked_total", "sent_total", "send_seconds" } do
    @metrics.remove("analytics_" .. name, self.labels)
  end
  for _, why in ipairs { "full", "refused", "end" } do
    @metrics.remove("analytics_dropped_total", { sink = self.labels.sink, why = why })
  end
end

return figures

-- chart.lua: a chart as shapes, in points from its upper left corner; pages and SVG draw the same ones.
local axes = require "tusk.plugins.reporter.axes"
local numbers = require "tusk.plugins.reporter.numbers"
local scale = require "tusk.plugins.reporter.scale"
local text = require "tusk.plugins.reporter.text"

local chart = {}

local LEGEND = 8 -- size of type
local MOST_POINTS = 400 -- of a line; more are drawn as the least and the most of each stretch

---@class reporter.Chart
---@field chart string "bars" "stacked" "lines"
---@field labels string[] of the x axis
---@field places number[]|nil where they are on it, if they are numbers that grow
---@field as_text boolean|nil whether they are written as they are, and no round numbers instead
---@field x table how x are shown
---@field series { title: string, values: (number|nil)[], color: table }[]
---@field spec table how values are shown

-- Least and most of all that is drawn; bars begin at zero.
local function range(c)
  local low, high = math.huge, -math.huge
  local function take(v)
    if v < low then low = v end
    if v > high then high = v end
  end
  for i = 1, #c.labels do
    local up, down = 0, 0
    for _, s in ipairs(c.series) do
      local v = s.values[i]
      if v and c.chart == "stacked" then
        if v > 0 then up = up + v else down = down + v end
        take(up)
        take(down)
      elseif v then take(v) end
    end
  end
  local from_zero = c.chart ~= "lines" or (low > 0 and low < high * 0.6) or (high < 0 and high > low * 0.6)
  if from_zero and low <= high then low, high = math.min(low, 0), math.max(high, 0) end
  return low, high
end

local function add(shapes, kind, shape)
  shape.kind = kind
  shapes[#shapes + 1] = shape
end

-- Colour and name of each series, in lines. -> the height they take
local function legend(c, shapes, look)
  if #c.series < 2 then return 0 end
  local x, y = 0, LEGEND
  for _, s in ipairs(c.series) do
    local title = text.cut(s.title, look.width - 24, function(t) return look.measure(t, LEGEND) end)
    local w = look.measure(title, LEGEND)
    if x > 0 and x + 12 + w > look.width then x, y = 0, y + LEGEND * 1.6 end
    if c.chart == "lines" then add(shapes, "line", { x, y - 3, x + 9, y - 3, color = s.color, width = 2 })
    else add(shapes, "rect", { x, y - 6.5, 7, 7, color = s.color }) end
    add(shapes, "text", { x + 13, y, text = title, size = LEGEND, color = look.ink })
    x = x + 13 + w + 16
  end
  return y + LEGEND
end

local function bars(c, box, shapes)
  local stacked = c.chart == "stacked"
  local group = box.slot * (box.slot > 14 and 0.68 or 0.8)
  local width = math.min(stacked and group or group / #c.series, 42)
  local all = stacked and width or width * #c.series
  for i = 1, #c.labels do
    local up, down = 0, 0
    for k, s in ipairs(c.series) do
      local v = s.values[i]
      if v and v ~= 0 then
        local from = stacked and (v > 0 and up or down) or 0
        local y1, y2 = box.y(from), box.y(from + v)
        local x = box.x(i) - all / 2 + (stacked and 0 or (k - 1) * width)
        local gap = not stacked and width > 5 and 1 or 0
        add(shapes, "rect", { x + gap / 2, math.min(y1, y2), width - gap, math.abs(y2 - y1), color = s.color })
        if v > 0 then up = up + v else down = down + v end
      end
    end
  end
end

-- Of many points, the least and the most of each stretch: no peak is lost.
local function thinned(points)
  local n = #points / 2
  if n <= MOST_POINTS then return points end
  local out, per = {}, n / (MOST_POINTS / 2)
  for b = 0, MOST_POINTS / 2 - 1 do
    local low, high
    for i = math.floor(b * per) + 1, math.floor((b + 1) * per) do
      if not low or points[2 * i] < points[2 * low] then low = i end
      if not high or points[2 * i] > points[2 * high] then high = i end
    end
    for _, i in ipairs { math.min(low, high), math.max(low, high) } do
      out[#out + 1], out[#out + 2] = points[2 * i - 1], points[2 * i]
    end
  end
  return out
end

local function one_line(s, box, shapes, few)
  local points = {}
  local function draw()
    if #points > 2 then add(shapes, "path", { points = thinned(points), color = s.color, width = 1.6 }) end
    if #points == 2 then add(shapes, "dot", { points[1], points[2], 2, color = s.color }) end
    points = {}
  end
  for i = 1, box.count do
    local v = s.values[i]
    if v then
      points[#points + 1], points[#points + 2] = box.x(i), box.y(v)
      if few then add(shapes, "dot", { box.x(i), box.y(v), 2, color = s.color }) end
    else draw() end -- a gap stays one
  end
  draw()
end

local function lines(c, box, shapes)
  for _, s in ipairs(c.series) do one_line(s, box, shapes, box.slot > 18) end
end

--- The shapes of a chart: line rect text path dot, each with a color.
---@param c reporter.Chart
---@param look table { width =, height =, measure = fn(text, size), ink =, grey =, hair =, style =, empty = }
---@return table[]
function chart.shapes(c, look)
  local shapes = {}
  local low, high = range(c)
  if low > high then
    add(shapes, "text", { 0, 12, text = look.empty, size = 9, color = look.grey })
    return shapes, 20
  end
  local axis = scale.nice(low, high, math.max(3, math.min(6, math.floor(look.height / 34))))
  local labels = scale.labels(axis, c.spec, look.style)
  local box = axes.box(c, axis, legend(c, shapes, look) + 6, axes.width(labels, look) + 8, look, shapes)
  axes.y(axis, labels, box, shapes, look)
  if c.chart == "lines" then lines(c, box, shapes) else bars(c, box, shapes) end
  return shapes, look.height
end

--- A value's place in a chart: nil where there is none.
chart.value = numbers.plain

return chart

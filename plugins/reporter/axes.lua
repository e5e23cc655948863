-- axes.lua: where values are in a chart, and what is written at its edges.
local scale = require "tusk.plugins.reporter.scale"
local text = require "tusk.plugins.reporter.text"

local axes = {}

local SMALL = 7.5 -- size of type
local LEADING = SMALL * 1.25
local ROOMY = 44 -- how wide the place of a label is in which it may be wrapped

local function label_at(shapes, look, x, y, s)
  local half = look.measure(s, SMALL) / 2
  local shift = math.min(0, look.width - (x + half)) + math.max(0, half - x) -- the outermost stay inside
  shapes[#shapes + 1] = { kind = "text", x + shift, y, text = s, size = SMALL, color = look.grey, align = "center" }
end

local function widest_of(labels, look)
  local widest = 0
  for _, label in ipairs(labels) do widest = math.max(widest, look.measure(label, SMALL)) end
  return widest
end

-- One label, in at most two lines.
local function two_lines(label, width, look)
  local function measure(s) return look.measure(s, SMALL) end
  local lines = text.wrap(label, width, measure)
  if #lines > 2 then lines = { lines[1], text.cut(table.concat(lines, " ", 2), width, measure) } end
  return lines
end

-- What is written below categories: { [i] = lines }, and how many lines there are.
local function categories(labels, slot, look)
  local widest, out = widest_of(labels, look), {}
  local most = 1
  if widest + 4 > slot and slot >= ROOMY then
    for i, label in ipairs(labels) do
      out[i] = two_lines(label, slot - 6, look)
      most = math.max(most, #out[i])
    end
    return out, most
  end
  local function measure(s) return look.measure(s, SMALL) end
  local width = math.min(widest, math.max(slot - 4, 60))
  for i = 1, #labels, math.max(1, math.ceil((width + 4) / slot)) do out[i] = { text.cut(labels[i], width + 0.1, measure) } end
  return out, most
end

-- The same along a scale: labels that have room beside each other.
local function along(labels, x, look)
  local widest, last, out = widest_of(labels, look), -math.huge, {}
  for i, label in ipairs(labels) do
    if x(i) - last >= widest + 8 then out[i], last = { label }, x(i) end
  end
  return out
end

-- Round numbers along a scale.
local function ticks(c, x_of, look, shapes, y)
  local axis = scale.nice(c.places[1], c.places[#c.places], math.max(2, math.floor(look.width / 70)))
  local labels = scale.labels(axis, c.x, look.style)
  for i, tick in ipairs(axis.ticks) do
    if tick >= c.places[1] and tick <= c.places[#c.places] then label_at(shapes, look, x_of(tick), y, labels[i]) end
  end
end

--- Where things are between both axes, when those of x are drawn: { left, right, top, bottom, slot, count, x(i), y(v) }.
---@param c reporter.Chart with `places`, if its x are numbers that grow
---@param axis table of y, from scale.nice
---@param top number
---@param left number
function axes.box(c, axis, top, left, look, shapes)
  local box = { left = left, right = look.width, top = top, count = #c.labels }
  local wide = box.right - left
  box.slot = wide / box.count
  local from, to = c.places and c.places[1], c.places and c.places[#c.places]
  local function x_of(v) return left + 6 + (v - from) / (to - from) * (wide - 12) end
  function box.x(i) return c.places and x_of(c.places[i]) or left + (i - 0.5) * box.slot end
  local below, most = nil, 1
  if not c.places then below, most = categories(c.labels, box.slot, look)
  elseif c.as_text then below = along(c.labels, box.x, look) end
  box.bottom = look.height - 9 - SMALL - (most - 1) * LEADING
  local scaled = (box.bottom - top) / (axis.high - axis.low)
  function box.y(v) return box.bottom - (v - axis.low) * scaled end
  if not below then ticks(c, x_of, look, shapes, box.bottom + SMALL + 5) end
  for i, lines in pairs(below or {}) do
    for k, line in ipairs(lines) do label_at(shapes, look, box.x(i), box.bottom + SMALL + 5 + (k - 1) * LEADING, line) end
  end
  return box
end

--- Lines across, and what they stand for.
---@param labels string[] from scale.labels
function axes.y(axis, labels, box, shapes, look)
  for i, tick in ipairs(axis.ticks) do
    local y = box.y(tick)
    local zero = tick == 0
    shapes[#shapes + 1] = { kind = "line", box.left, y, box.right, y, color = zero and look.grey or look.hair,
      width = zero and 0.8 or 0.5 }
    shapes[#shapes + 1] = { kind = "text", box.left - 6, y + SMALL * 0.35, text = labels[i], size = SMALL, color = look.grey,
      align = "right" }
  end
end

--- How wide the texts of the y axis are.
function axes.width(labels, look)
  return widest_of(labels, look)
end

return axes

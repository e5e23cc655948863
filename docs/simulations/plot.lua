-- plot.lua: figures over time as plain SVG, for light and dark pages.
local scale = require "tusk.plugins.reporter.scale"

local plot = {}

local WIDTH, LEFT, RIGHT, PANEL, TOP = 760, 62, 14, 150, 58

local STYLE = [[
<style>
text{font:12px system-ui,"Segoe UI","DejaVu Sans",sans-serif;fill:#3a4550}
.t{font-weight:600;font-size:15px;fill:#1d2733}.s{fill:#66717d}.p{font-weight:600}.a{font-size:11px;fill:#66717d}
.grid{stroke:#8a94a0;stroke-opacity:.28}.axis{stroke:#8a94a0}.band{fill:#8a94a0;fill-opacity:.14}.mark{stroke:#66717d;stroke-dasharray:4 3}
path{fill:none;stroke-width:1.6;stroke-linejoin:round}
.red{stroke:#cf5050}.orange{stroke:#e0953a}.blue{stroke:#3f7fbf}.green{stroke:#3f9e78}
@media(prefers-color-scheme:dark){text{fill:#c3ccd5}.t{fill:#eef2f5}.s,.a{fill:#98a4b0}.mark{stroke:#98a4b0}}
</style>]]

local function n(v)
  return (("%.1f"):format(v):gsub("%.0$", ""))
end

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function escape(s)
  return (s:gsub('[&<>"]', ESCAPES))
end

local function text(x, y, s, class, anchor)
  return ('<text x="%s" y="%s"%s%s>%s</text>'):format(n(x), n(y), class and (' class="%s"'):format(class) or "",
    anchor and (' text-anchor="%s"'):format(anchor) or "", escape(s))
end

local function line(x1, y1, x2, y2, class)
  return ('<line x1="%s" y1="%s" x2="%s" y2="%s" class="%s"/>'):format(n(x1), n(y1), n(x2), n(y2), class)
end

-- The y axis of a panel: ticks and their texts.
local function axis_of(panel)
  if panel.levels then
    local axis = { low = 0, high = #panel.levels - 1, ticks = {} }
    for i in ipairs(panel.levels) do axis.ticks[i] = i - 1 end
    return axis, panel.levels
  end
  local high = 0
  for _, s in ipairs(panel.series) do
    for i = 2, #s.points, 2 do high = math.max(high, s.points[i]) end
  end
  for _, l in ipairs(panel.lines or {}) do high = math.max(high, l.y) end
  local axis = scale.nice(0, high, 4)
  return axis, scale.labels(axis, {}, { thousands = ",", decimal = "." })
end

local function path(s, x, y)
  local d, last = {}, nil
  for i = 1, #s.points, 2 do
    local px, py = n(x(s.points[i])), n(y(s.points[i + 1]))
    if s.step and last and last ~= py then d[#d + 1] = px .. " " .. last end
    if not s.step or last ~= py or i + 2 > #s.points then d[#d + 1] = px .. " " .. py end
    last = py
  end
  return ('<path class="%s" d="M%s"/>'):format(s.color, table.concat(d, "L"))
end

local function draw_panel(out, panel, top, minutes, is_last)
  local height = panel.height or PANEL
  local axis, labels = axis_of(panel)
  local function x(v) return LEFT + v / minutes * (WIDTH - LEFT - RIGHT) end
  local function y(v) return top + height - v / axis.high * height end
  out(text(LEFT, top - 9, panel.title, "p"))
  for _, band in ipairs(panel.bands or {}) do
    out(('<rect x="%s" y="%s" width="%s" height="%s" class="band"/>'):format(n(x(band.from)), n(top), n(x(band.to) - x(band.from)), height))
    if not panel.levels then out(text(x(band.from) + 5, top + 13, band.label, "a")) end
  end
  for i, tick in ipairs(axis.ticks) do
    out(line(LEFT, y(tick), WIDTH - RIGHT, y(tick), tick == 0 and "axis" or "grid"))
    out(text(LEFT - 7, y(tick) + 4, labels[i], "a", "end"))
  end
  for _, l in ipairs(panel.lines or {}) do
    out(line(LEFT, y(l.y), WIDTH - RIGHT, y(l.y), "mark"))
    out(text(WIDTH - RIGHT, y(l.y) - 4, l.label, "a", "end"))
  end
  for _, s in ipairs(panel.series) do out(path(s, x, y)) end
  for m = 0, minutes do
    out(line(x(m), top + height, x(m), top + height + 4, "axis"))
    local last = m == minutes
    if is_last then out(text(x(m), top + height + 17, last and m .. " min" or tostring(m), "a", last and "end" or "middle")) end
  end
  return top + height
end

local function legend(out, series)
  local x = LEFT
  for _, s in ipairs(series) do
    if s.name then
      out(('<path class="%s" d="M%s 54h16" style="stroke-width:3"/>'):format(s.color, n(x)))
      out(text(x + 21, 58, s.name))
      x = x + 21 + 6.6 * select(2, s.name:gsub("[^\128-\191]", "")) + 18
    end
  end
end

--- The SVG of a figure: panels one below the other over the same minutes.
---@param figure { title: string, subtitle: string, panels: table[] } a panel has title, series = { { name, points, color, step } },
---  bands, lines, levels, height
---@param minutes integer
---@return string
function plot.svg(figure, minutes)
  local pieces, bottom = {}, TOP
  local function out(s) pieces[#pieces + 1] = s end
  out("") -- the head, when the height is known
  out(("<title>%s</title>"):format(escape(figure.title .. ": " .. figure.subtitle)))
  out(STYLE)
  out(text(0, 15, figure.title, "t"))
  out(text(0, 33, figure.subtitle, "s"))
  legend(out, figure.panels[1].series)
  for i, panel in ipairs(figure.panels) do
    bottom = draw_panel(out, panel, bottom + 38, minutes, i == #figure.panels)
  end
  pieces[1] = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">')
    :format(WIDTH, bottom + 24, WIDTH, bottom + 24)
  out("</svg>\n")
  return table.concat(pieces, "\n")
end

return plot

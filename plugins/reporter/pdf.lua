-- pdf.lua: a report as a PDF.
local canvas = require "tusk.plugins.reporter.canvas"
local chart = require "tusk.plugins.reporter.chart"
local grid = require "tusk.plugins.reporter.grid"
local look = require "tusk.plugins.reporter.look"
local pages = require "tusk.plugins.reporter.pages"
local text = require "tusk.plugins.reporter.text"

local pdf = {}

local LEADING = 1.45
local PER_ROW, GAP = 4, 14 -- key figures

-- Lines of text, one below the other; a page may turn between them.
local function put_lines(p, lines, size, color, bold)
  local leading = size * LEADING
  for i, line in ipairs(lines) do
    p:need(i == 1 and #lines > 1 and 2 * leading or leading) -- no first line alone at the bottom
    p:put(leading, function(c, x, y) c:text(x, y + size, line, size, color, "left", bold) end)
  end
end

local function wrapped(c, s, size, width, bold)
  return text.wrap(s, width, function(piece) return c.fonts:width(piece, size, bold) end)
end

local function put_title(p, c, doc)
  p:put(14, function(on, x, y) on:rect(x, y, 34, 3, look.accent) end)
  put_lines(p, wrapped(c, doc.title, look.title, p.width, true), look.title, look.ink, true)
  if doc.subtitle then
    p:space(1)
    put_lines(p, wrapped(c, doc.subtitle, look.subtitle, p.width), look.subtitle, look.grey)
  end
  p:space(12)
end

local put = {}

function put.text(p, c, block)
  put_lines(p, wrapped(c, block.text, look.body, p.width), look.body, look.ink)
  p:space(8)
end

function put.heading(p, c, block)
  p:space(8)
  p:need(110) -- not without what it is for
  p:mark(block.heading)
  put_lines(p, wrapped(c, block.heading, look.heading, p.width, true), look.heading, look.ink, true)
  p:space(4)
end

function put.page_break(p)
  if not p:is_fresh() then p:turn() end
end

local function figure(c, item, x, y, width, height)
  local function cut(s, size, bold)
    return text.cut(s, width - 12, function(piece) return c.fonts:width(piece, size, bold) end)
  end
  local size = look.figure
  while size > 9 and c.fonts:width(item.text, size, true) > width - 12 do size = size - 0.5 end
  c:rect(x, y, 2, height, look.accent)
  c:text(x + 10, y + 8, cut(item.label, look.small), look.small, look.grey)
  c:text(x + 10, y + 29, cut(item.text, size, true), size, look.ink, "left", true)
  if item.note then c:text(x + 10, y + 44, cut(item.note, look.small), look.small, look.grey) end
end

function put.figures(p, _, block)
  p:space(4)
  for first = 1, #block.items, PER_ROW do
    p:need(54)
    local count = math.min(PER_ROW, #block.items)
    local width, height = (p.width - GAP * (count - 1)) / count, 35
    local last = math.min(first + PER_ROW - 1, #block.items)
    for k = first, last do height = block.items[k].note and 47 or height end
    p:put(height + 10, function(c, x, y)
      for k = first, last do figure(c, block.items[k], x + (k - first) * (width + GAP), y, width, height) end
    end)
  end
  p:space(8)
end

local function put_caption(p, c, title, with)
  if not title then return end
  p:need(with)
  put_lines(p, wrapped(c, title, look.body, p.width, true), look.body, look.ink, true)
  p:space(5)
end

local DRAW = {
  line = function(c, s, x, y) c:line(x + s[1], y + s[2], x + s[3], y + s[4], s.color, s.width) end,
  rect = function(c, s, x, y) c:rect(x + s[1], y + s[2], s[3], s[4], s.color) end,
  dot = function(c, s, x, y) c:dot(x + s[1], y + s[2], s[3], s.color) end,
  path = function(c, s, x, y) c:path(s.points, x, y, s.color, s.width) end,
  text = function(c, s, x, y) c:text(x + s[1], y + s[2], s.text, s.size, s.color, s.align) end,
}

function put.chart(p, c, block, doc)
  local height = math.min(block.height or 190, p.bottom - look.margin - 80)
  local shapes, taken = chart.shapes(block, { width = p.width, height = height, ink = look.ink, grey = look.grey,
    hair = look.hair, style = doc.style, empty = doc.words.empty,
    measure = function(s, size) return c.fonts:width(s, size) end })
  put_caption(p, c, block.title, taken + 24)
  p:need(taken)
  p:put(taken, function(on, x, y)
    for _, s in ipairs(shapes) do DRAW[s.kind](on, s, x, y) end
  end)
  p:space(16)
end

local function rule(p, g, color, width)
  p:put(0, function(c, x, y) c:line(x, y, x + g.width, y, color, width) end)
end

local function put_head(p, g)
  p:put(g.head_height, function(c, x, y) g:draw(c, g.head, x, y, true, look.grey) end)
  rule(p, g, look.grey, 0.8)
end

local function put_totals(p, g, most, words)
  local first = true
  local row, height = g:row(function(column)
    local label = first and not column.total and words.total or ""
    first = false
    return column.total or label
  end, most, true)
  if p:need(height) then put_head(p, g) end
  rule(p, g, look.grey, 0.8)
  p:put(height, function(c, x, y) g:draw(c, row, x, y, true) end)
end

local function put_part(p, g, doc, pause)
  local whole = p:most()
  g.head, g.head_height = g:row(function(column) return column.title end, whole / 3, true)
  local most, sheet = whole - g.head_height, g.sheet
  local function row_at(i)
    return g:row(function(column) return column.texts[i] end, most)
  end
  p:need(g.head_height + (sheet.count > 0 and select(2, row_at(1)) or 20)) -- no head without a row
  put_head(p, g)
  for i = 1, sheet.count do
    local row, height = row_at(i)
    local with = i == sheet.count and sheet.totals and height + g.size * 2.05 or height -- no total alone on a page
    if p:need(with) then put_head(p, g)
    elseif i > 1 then rule(p, g, look.hair, 0.4) end
    p:put(height, function(c, x, y) g:draw(c, row, x, y) end)
    if i % 64 == 0 then pause() end
  end
  if sheet.totals and sheet.count > 0 then put_totals(p, g, most, doc.words) end
end

function put.table(p, c, block, doc, pause)
  put_caption(p, c, block.title, 70)
  for i, g in ipairs(grid.parts(block.sheet, p.width, c.fonts, pause)) do
    if i > 1 then p:space(16) end
    put_part(p, g, doc, pause)
  end
  if block.sheet.count == 0 then
    p:space(4)
    put_lines(p, { doc.words.empty }, look.body, look.grey)
  end
  p:space(16)
end

--- The file, and how many pages it has.
---@param doc table from gather.lua, prepared by render.lua
---@param pause fun() called often; it may raise
---@return string bytes, integer pages
function pdf.render(doc, pause)
  local paper = look.papers[doc.paper]
  local width, height = paper[1], paper[2]
  if doc.landscape then width, height = height, width end
  local c = canvas.new(doc, width, height)
  c:describe { title = doc.title, author = doc.author, subject = doc.subtitle, creator = "Tusk", created = doc.created }
  local p = pages.new(width, height)
  put_title(p, c, doc)
  for _, block in ipairs(doc.blocks) do put[block.kind](p, c, block, doc, pause) end
  doc.running = text.cut(doc.title, p.width, function(s) return c.fonts:width(s, look.small) end)
  doc.foot = text.cut(doc.foot, p.width - 80, function(s) return c.fonts:width(s, look.small) end)
  p:draw(c, doc, pause)
  return c:finish(), #p.list
end

return pdf

-- grid.lua: a table on pages: columns that fit, wrapped cells, a head that is repeated.
local look = require "tusk.plugins.reporter.look"
local text = require "tusk.plugins.reporter.text"

local grid = {}

local SIZES = { 8.5, 7.5, 6.8 } -- of type: the first that all columns fit in
local LEAST = 26 -- a column of text is not made narrower for the sake of others, in widths of its type

-- The width of the widest word, but no more than `most`.
local function word_width(s, measure, most)
  local widest = 0
  for word in s:gmatch("%S+") do widest = math.max(widest, measure(word)) end
  return math.min(widest, most)
end

-- How wide a column wants to be, and how narrow it may become.
local function wants(column, size, fonts, pause)
  local function plain(s) return fonts:width(s, size) end
  local function bold(s) return fonts:width(s, size, true) end
  local natural, least, most = 0, word_width(column.title, bold, size * LEAST), size * LEAST
  for i, cell in ipairs(column.texts) do
    local w = plain(cell)
    if cell:find("\n", 1, true) then w = math.min(w, most) end
    natural = math.max(natural, w)
    if w > least then least = math.max(least, column.align == "right" and w or word_width(cell, plain, most / 2)) end
    if i % 256 == 0 then pause() end
  end
  if column.total then natural = math.max(natural, bold(column.total)) end
  natural = math.max(natural, least, math.min(bold(column.title), most / 2))
  if column.align == "right" then least = natural end
  return natural, math.min(least, natural)
end

local function sum(list)
  local total = 0
  for _, v in ipairs(list) do total = total + v end
  return total
end

-- Widths within `width`, or nil when even the least do not fit.
local function share(natural, least, width)
  local widths, wanted, needed = {}, sum(natural), sum(least)
  if needed > width then return nil end
  local spare = width - needed
  for k in ipairs(natural) do
    if wanted <= width then widths[k] = natural[k] + (width - wanted) / #natural
    else widths[k] = least[k] + spare * (natural[k] - least[k]) / (wanted - needed) end
  end
  return widths
end

-- Two columns that do not fit beside each other are squeezed alike.
local function squeezed(least, width)
  local widths, needed = {}, sum(least)
  for k, w in ipairs(least) do widths[k] = w * width / needed end
  return widths
end

local Grid = {}
Grid.__index = Grid

-- Columns of those widths, spread over all of it.
local function new(sheet, widths, size, width, fonts)
  local gap = #widths > 1 and (width - sum(widths)) / (#widths - 1) or 0
  local self = setmetatable({ sheet = sheet, widths = widths, size = size, fonts = fonts, width = width, x = {} }, Grid)
  local x = 0
  for k, w in ipairs(widths) do self.x[k], x = x, x + w + gap end
  return self
end

local function pick(list, first, last)
  local out = {}
  if first > 1 then out[1] = list[1] end -- what a row is of is said again
  for k = first, last do out[#out + 1] = list[k] end
  return out
end

-- The table in parts, of as many columns each as fit, all of them after the first column.
local function divided(sheet, natural, least, size, width, fonts)
  local parts, first, gap = {}, 1, size * 1.5
  while first <= #least do
    local last, used = first, first > 1 and least[1] + gap + least[first] or least[1]
    while last < #least and (used + gap + least[last + 1] <= width or last == 1) do
      last = last + 1
      used = used + gap + least[last]
    end
    local own, wanted = pick(least, first, last), pick(natural, first, last)
    local room = width - gap * (#own - 1)
    local part = { columns = pick(sheet.columns, first, last), count = sheet.count, totals = sheet.totals }
    parts[#parts + 1] = new(part, share(wanted, own, room) or squeezed(own, room), size, width, fonts)
    first = last + 1
  end
  return parts
end

--- A table laid out in a width: in one part, with smaller type if need be, else in several.
---@param sheet table from sheet.of
---@return table[] grids
function grid.parts(sheet, width, fonts, pause)
  local natural, least
  for _, size in ipairs(SIZES) do
    natural, least = {}, {}
    for k, column in ipairs(sheet.columns) do natural[k], least[k] = wants(column, size, fonts, pause) end
    local widths = share(natural, least, width - size * 1.5 * (#sheet.columns - 1))
    if widths then return { new(sheet, widths, size, width, fonts) } end
  end
  return divided(sheet, natural, least, SIZES[#SIZES], width, fonts)
end

-- The lines of a cell, as many as a page has room for.
function Grid:lines(s, k, bold, most)
  local width = self.widths[k]
  if not s:find("\n", 1, true) and self.fonts:width(s, self.size, bold) <= width + 0.01 then return { s } end
  local lines = text.wrap(s, width, function(piece) return self.fonts:width(piece, self.size, bold) end)
  if #lines > most then
    lines[most] = lines[most] .. " …"
    for i = #lines, most + 1, -1 do lines[i] = nil end
  end
  return lines
end

--- A row of cells as lines, and its height.
---@param cell fun(column: table): string
---@param height number the most that it may have
function Grid:row(cell, height, bold)
  local row, most = {}, 1
  local fit = math.max(1, math.floor((height / self.size - 0.75) / 1.3))
  for k, column in ipairs(self.sheet.columns) do
    row[k] = self:lines(cell(column), k, bold, fit)
    most = math.max(most, #row[k])
  end
  return row, self.size * (1.3 * most + 0.75)
end

--- Draws the lines of a row with its upper left corner there.
function Grid:draw(canvas, row, x, y, bold, color)
  local size = self.size
  for k, column in ipairs(self.sheet.columns) do
    local right = column.align == "right"
    local at = x + self.x[k] + (right and self.widths[k] or column.align == "center" and self.widths[k] / 2 or 0)
    for n, line in ipairs(row[k]) do
      if line ~= "" then
        canvas:text(at, y + size * (1.3 * n + 0.02), line, size, color or look.ink, column.align, bold)
      end
    end
  end
end

return grid

-- canvas.lua: a PDF in memory to draw on, in points from the upper left corner.
local cairo = require "tusk.plugins.reporter.cairo"
local ffi = require "ffi"
local fonts = require "tusk.plugins.reporter.fonts"

local Canvas = {}
Canvas.__index = Canvas
local canvas = {}

local METADATA = { title = 0, author = 1, subject = 2, creator = 4, created = 5 }
local ROUND = 1

--- A new PDF.
---@param doc table { cairo =, font = }
---@param width number points
---@param height number
function canvas.new(doc, width, height)
  local lib = cairo.load(doc.cairo)
  local memory = cairo.memory()
  local surface = ffi.gc(lib.cairo_pdf_surface_create(cairo.path(memory), width, height), lib.cairo_surface_destroy)
  cairo.check(lib, lib.cairo_surface_status(surface))
  local cr = ffi.gc(lib.cairo_create(surface), lib.cairo_destroy)
  local self = setmetatable({ lib = lib, memory = memory, surface = surface, cr = cr, width = width, height = height,
    fonts = fonts.new(lib, doc.font) }, Canvas)
  lib.cairo_set_font_options(cr, self.fonts.options)
  lib.cairo_set_line_join(cr, ROUND)
  return self
end

--- What a reader of the file shows of it.
---@param values table title author subject creator created (RFC 3339)
function Canvas:describe(values)
  for name, number in pairs(METADATA) do
    if values[name] then self.lib.cairo_pdf_surface_set_metadata(self.surface, number, values[name]) end
  end
end

--- An entry of the file's outline: a heading and where it is.
function Canvas:outline(text, page, x, y)
  local link = ("page=%d pos=[%.1f %.1f]"):format(page, x, y)
  self.lib.cairo_pdf_surface_add_outline(self.surface, 0, text, link, 0)
end

function Canvas:color(color)
  self.lib.cairo_set_source_rgb(self.cr, color[1], color[2], color[3])
end

--- A line of text on its baseline; x is where it begins, ends or has its middle.
---@param align string|nil "left" "right" "center"
function Canvas:text(x, y, text, size, color, align, bold)
  local lib, cr = self.lib, self.cr
  if align == "right" then x = x - self.fonts:width(text, size, bold)
  elseif align == "center" then x = x - self.fonts:width(text, size, bold) / 2 end
  self:color(color)
  self.fonts:runs(text, size, bold, function(face, piece, width)
    lib.cairo_set_font_face(cr, face.face)
    lib.cairo_set_font_size(cr, size)
    lib.cairo_move_to(cr, x, y)
    lib.cairo_show_text(cr, piece)
    x = x + width
  end)
end

function Canvas:line(x1, y1, x2, y2, color, width)
  local lib, cr = self.lib, self.cr
  self:color(color)
  lib.cairo_set_line_width(cr, width)
  lib.cairo_move_to(cr, x1, y1)
  lib.cairo_line_to(cr, x2, y2)
  lib.cairo_stroke(cr)
end

function Canvas:rect(x, y, width, height, color)
  self:color(color)
  self.lib.cairo_rectangle(self.cr, x, y, width, height)
  self.lib.cairo_fill(self.cr)
end

function Canvas:dot(x, y, radius, color)
  self:color(color)
  self.lib.cairo_new_path(self.cr) -- text leaves a point, which an arc would be joined to
  self.lib.cairo_arc(self.cr, x, y, radius, 0, 2 * math.pi)
  self.lib.cairo_fill(self.cr)
end

--- A line through points { x1, y1, x2, y2, … }, moved by dx, dy.
function Canvas:path(points, dx, dy, color, width)
  local lib, cr = self.lib, self.cr
  self:color(color)
  lib.cairo_set_line_width(cr, width)
  for i = 1, #points, 2 do
    if i == 1 then lib.cairo_move_to(cr, dx + points[1], dy + points[2])
    else lib.cairo_line_to(cr, dx + points[i], dy + points[i + 1]) end
  end
  lib.cairo_stroke(cr)
end

--- The page is done; the next begins.
function Canvas:next_page()
  self.lib.cairo_show_page(self.cr)
  cairo.check(self.lib, self.lib.cairo_status(self.cr))
end

--- The whole file. Nothing can be drawn any more: what was needed for it is released, not left to the collector.
---@return string
function Canvas:finish()
  local lib = self.lib
  lib.cairo_surface_finish(self.surface)
  cairo.check(lib, lib.cairo_surface_status(self.surface))
  local bytes = cairo.content(self.memory)
  lib.cairo_destroy(ffi.gc(self.cr, nil))
  lib.cairo_surface_destroy(ffi.gc(self.surface, nil))
  self.fonts:release()
  return bytes
end

return canvas

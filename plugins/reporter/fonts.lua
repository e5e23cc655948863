-- fonts.lua: how wide text is, and which font has the characters that the chosen one lacks.
local cairo = require "tusk.plugins.reporter.cairo"
local ffi = require "ffi"
local tusk = require "tusk"

local Fonts = {}
Fonts.__index = Fonts
local fonts = {}

local UNIT = 1000 -- widths are measured at this size, unhinted, and scale
local BOLD, MATCH_PATTERN = 1, 0
local HINT_NONE, METRICS_OFF = 1, 1

local function options_of(lib)
  local options = ffi.gc(lib.cairo_font_options_create(), lib.cairo_font_options_destroy)
  lib.cairo_font_options_set_hint_style(options, HINT_NONE)
  lib.cairo_font_options_set_hint_metrics(options, METRICS_OFF)
  return options
end

-- One family in one weight.
local function open_face(self, family, bold)
  local lib = self.lib
  local face = ffi.gc(lib.cairo_toy_font_face_create(family, 0, bold and BOLD or 0), lib.cairo_font_face_destroy)
  local size = ffi.new("cairo_matrix_t", UNIT, 0, 0, UNIT, 0, 0)
  local plain = ffi.new("cairo_matrix_t", 1, 0, 0, 1, 0, 0)
  local scaled = ffi.gc(lib.cairo_scaled_font_create(face, size, plain, self.options), lib.cairo_scaled_font_destroy)
  cairo.check(lib, lib.cairo_scaled_font_status(scaled))
  return { face = face, scaled = scaled, family = family }
end

-- The family that fontconfig finds, for one character or for any. nil: there is no font at all.
local function match(family, codepoint)
  local fc = cairo.fontconfig()
  if not fc then return family end
  local pattern = ffi.gc(fc.FcPatternCreate(), fc.FcPatternDestroy)
  fc.FcPatternAddString(pattern, "family", ffi.cast("const unsigned char *", family))
  if codepoint then
    local set = ffi.gc(fc.FcCharSetCreate(), fc.FcCharSetDestroy)
    fc.FcCharSetAddChar(set, codepoint)
    fc.FcPatternAddCharSet(pattern, "charset", set)
  end
  fc.FcConfigSubstitute(nil, pattern, MATCH_PATTERN)
  fc.FcDefaultSubstitute(pattern)
  local found = fc.FcFontMatch(nil, pattern, ffi.new("int[1]"))
  if found == nil then return nil end
  ffi.gc(found, fc.FcPatternDestroy)
  local name = ffi.new("unsigned char *[1]")
  return fc.FcPatternGetString(found, "family", 0, name) == 0 and ffi.string(name[0]) or nil
end

-- Advance of a character in a face, and whether the face has it.
local function look_up(lib, face, char)
  local glyphs, n = ffi.new("cairo_glyph_t *[1]"), ffi.new("int[1]")
  local status = lib.cairo_scaled_font_text_to_glyphs(face.scaled, 0, 0, char, #char, glyphs, n, nil, nil, nil)
  cairo.check(lib, status)
  local extents = ffi.new("cairo_text_extents_t")
  lib.cairo_scaled_font_glyph_extents(face.scaled, glyphs[0], n[0], extents)
  local has = n[0] > 0 and glyphs[0][0].index ~= 0
  lib.cairo_glyph_free(glyphs[0])
  return extents.x_advance / UNIT, has
end

local function codepoint_of(char)
  local a, b, c, d = char:byte(1, 4)
  if not b then return a end
  if not c then return (a - 0xc0) * 64 + b - 0x80 end
  if not d then return ((a - 0xe0) * 64 + b - 0x80) * 64 + c - 0x80 end
  return (((a - 0xf0) * 64 + b - 0x80) * 64 + c - 0x80) * 64 + d - 0x80
end

-- Another face that has the character, opened once for each family; or nil.
local function other_face(self, style, char)
  local family = match(self.family, codepoint_of(char))
  if not family or family == self.family then return nil end
  local face = style.by_family[family] or open_face(self, family, style.bold)
  style.by_family[family] = face
  local advance, has = look_up(self.lib, face, char)
  return has and face or nil, advance
end

-- { advance =, face = } of a character.
local function glyph(self, style, char)
  local known = style.glyphs[char]
  if known then return known end
  local face = style.face
  local advance, has = look_up(self.lib, face, char)
  if not has then
    local other, wide = other_face(self, style, char)
    if other then face, advance = other, wide end
  end
  known = { advance = advance, face = face }
  style.glyphs[char] = known
  return known
end

local CHAR = "[%z\1-\127\194-\244][\128-\191]*"

-- Advances of ASCII by byte, most of all text; false when the face lacks some of it.
local function ascii_of(self, style)
  local advances = {}
  for byte = 0, 127 do
    local printed = byte >= 32 and byte < 127
    local g = printed and glyph(self, style, string.char(byte))
    if printed and g.face ~= style.face then return false end
    advances[byte] = printed and g.advance or 0
  end
  return advances
end

local function is_plain(style, text)
  return style.ascii and not text:find("[^ -~]")
end

--- Fonts of one family. Raises kind `reporter.cairo` when no font is installed.
---@param lib any libcairo
---@param family string
function fonts.new(lib, family)
  if not match(family) then
    tusk.errors.raise("reporter.cairo", "no font is installed: fontconfig finds none",
      { help = { "Debian, Ubuntu: apt-get install fonts-dejavu-core" } })
  end
  local self = setmetatable({ lib = lib, family = family, options = options_of(lib), styles = {} }, Fonts)
  for _, bold in ipairs { false, true } do
    local style = { bold = bold, face = open_face(self, family, bold), by_family = {}, glyphs = {} }
    self.styles[bold], style.ascii = style, false
    style.ascii = ascii_of(self, style)
  end
  return self
end

--- The width of a line, in points.
---@param text string UTF-8
---@param size number
---@param bold boolean|nil
function Fonts:width(text, size, bold)
  local style, sum = self.styles[bold or false], 0
  if is_plain(style, text) then
    local advances = style.ascii
    for i = 1, #text do sum = sum + advances[text:byte(i)] end
    return sum * size
  end
  for char in text:gmatch(CHAR) do
    sum = sum + (style.glyphs[char] or glyph(self, style, char)).advance
  end
  return sum * size
end

--- fn(face, piece, width) for each stretch of text that one face has, in order.
function Fonts:runs(text, size, bold, fn)
  local style = self.styles[bold or false]
  if is_plain(style, text) then return fn(style.face, text, 0) end -- nothing comes after it
  local face, piece, width = nil, {}, 0
  for char in text:gmatch(CHAR) do
    local g = glyph(self, style, char)
    if g.face ~= face and piece[1] then
      fn(face, table.concat(piece), width * size)
      piece, width = {}, 0
    end
    face, width = g.face, width + g.advance
    piece[#piece + 1] = char
  end
  if piece[1] then fn(face, table.concat(piece), width * size) end
end

local function release_face(lib, face)
  lib.cairo_scaled_font_destroy(ffi.gc(face.scaled, nil))
  lib.cairo_font_face_destroy(ffi.gc(face.face, nil))
end

--- Nothing is measured any more.
function Fonts:release()
  for _, style in pairs(self.styles) do
    release_face(self.lib, style.face)
    for _, face in pairs(style.by_family) do release_face(self.lib, face) end
  end
  self.lib.cairo_font_options_destroy(ffi.gc(self.options, nil))
end

return fonts

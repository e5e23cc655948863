-- cairo.lua: the few functions of libcairo and fontconfig that a page needs, and their failures as errors.
local ffi = require "ffi"
local tusk = require "tusk"

ffi.cdef [[
typedef struct _cairo cairo_t;
typedef struct _cairo_surface cairo_surface_t;
typedef struct _cairo_font_face cairo_font_face_t;
typedef struct _cairo_scaled_font cairo_scaled_font_t;
typedef struct _cairo_font_options cairo_font_options_t;
typedef struct { double xx, yx, xy, yy, x0, y0; } cairo_matrix_t;
typedef struct { unsigned long index; double x, y; } cairo_glyph_t;
typedef struct { double x_bearing, y_bearing, width, height, x_advance, y_advance; } cairo_text_extents_t;

const char *cairo_status_to_string(int status);
cairo_surface_t *cairo_pdf_surface_create(const char *filename, double width, double height);
void cairo_pdf_surface_set_metadata(cairo_surface_t *surface, int metadata, const char *utf8);
int cairo_pdf_surface_add_outline(cairo_surface_t *surface, int parent, const char *utf8, const char *link, int flags);
int cairo_surface_status(cairo_surface_t *surface);
void cairo_surface_finish(cairo_surface_t *surface);
void cairo_surface_destroy(cairo_surface_t *surface);
cairo_t *cairo_create(cairo_surface_t *target);
void cairo_destroy(cairo_t *cr);
int cairo_status(cairo_t *cr);
void cairo_show_page(cairo_t *cr);
void cairo_set_source_rgb(cairo_t *cr, double red, double green, double blue);
void cairo_set_line_width(cairo_t *cr, double width);
void cairo_set_line_join(cairo_t *cr, int line_join);
void cairo_new_path(cairo_t *cr);
void cairo_move_to(cairo_t *cr, double x, double y);
void cairo_line_to(cairo_t *cr, double x, double y);
void cairo_rectangle(cairo_t *cr, double x, double y, double width, double height);
void cairo_arc(cairo_t *cr, double xc, double yc, double radius, double angle1, double angle2);
void cairo_close_path(cairo_t *cr);
void cairo_stroke(cairo_t *cr);
void cairo_fill(cairo_t *cr);
void cairo_set_font_face(cairo_t *cr, cairo_font_face_t *font_face);
void cairo_set_font_size(cairo_t *cr, double size);
void cairo_set_font_options(cairo_t *cr, const cairo_font_options_t *options);
void cairo_show_text(cairo_t *cr, const char *utf8);
cairo_font_options_t *cairo_font_options_create(void);
void cairo_font_options_destroy(cairo_font_options_t *options);
void cairo_font_options_set_hint_style(cairo_font_options_t *options, int hint_style);
void cairo_font_options_set_hint_metrics(cairo_font_options_t *options, int hint_metrics);
cairo_font_face_t *cairo_toy_font_face_create(const char *family, int slant, int weight);
void cairo_font_face_destroy(cairo_font_face_t *font_face);
cairo_scaled_font_t *cairo_scaled_font_create(cairo_font_face_t *font_face, const cairo_matrix_t *font_matrix,
  const cairo_matrix_t *ctm, const cairo_font_options_t *options);
void cairo_scaled_font_destroy(cairo_scaled_font_t *scaled_font);
int cairo_scaled_font_status(cairo_scaled_font_t *scaled_font);
int cairo_scaled_font_text_to_glyphs(cairo_scaled_font_t *scaled_font, double x, double y, const char *utf8, int utf8_len,
  cairo_glyph_t **glyphs, int *num_glyphs, void **clusters, int *num_clusters, int *cluster_flags);
void cairo_scaled_font_glyph_extents(cairo_scaled_font_t *scaled_font, const cairo_glyph_t *glyphs, int num_glyphs,
  cairo_text_extents_t *extents);
void cairo_glyph_free(cairo_glyph_t *glyphs);

typedef struct _FcPattern FcPattern;
typedef struct _FcCharSet FcCharSet;
FcPattern *FcPatternCreate(void);
void FcPatternDestroy(FcPattern *p);
int FcPatternAddString(FcPattern *p, const char *object, const unsigned char *s);
int FcPatternAddCharSet(FcPattern *p, const char *object, const FcCharSet *c);
int FcPatternGetString(const FcPattern *p, const char *object, int n, unsigned char **s);
FcCharSet *FcCharSetCreate(void);
void FcCharSetDestroy(FcCharSet *fcs);
int FcCharSetAddChar(FcCharSet *fcs, unsigned int ucs4);
int FcConfigSubstitute(void *config, FcPattern *p, int kind);
void FcDefaultSubstitute(FcPattern *pattern);
FcPattern *FcFontMatch(void *config, FcPattern *p, int *result);

void *dlopen(const char *filename, int flags);
int memfd_create(const char *name, unsigned int flags);
long read(int fd, void *buf, unsigned long count);
long lseek(int fd, long offset, int whence);
int close(int fd);
typedef struct { int fd; } reporter_memory;
]]

local cairo = {}

local LAZY, KEEP = 1, 0x1000 -- RTLD_LAZY, RTLD_NODELETE: their caches belong to the process, not to a Lua state
local FONTCONFIG = "libfontconfig.so.1"
local loaded = {}

local function load_library(name)
  ffi.C.dlopen(name, LAZY + KEEP)
  return pcall(ffi.load, name)
end

--- The library, loaded once. Raises kind `reporter.cairo` when there is none.
---@param name string|nil "libcairo.so.2"
function cairo.load(name)
  name = name or "libcairo.so.2"
  if loaded[name] then return loaded[name] end
  local ok, lib = load_library(name)
  if not ok then
    tusk.errors.raise("reporter.cairo", ("a PDF needs the library cairo, which is not here: %s"):format(tostring(lib)),
      { help = { "Debian, Ubuntu: apt-get install libcairo2 fonts-dejavu-core", "HTML and CSV do without it" } })
  end
  loaded[name] = lib
  return lib
end

--- fontconfig, or nil; cairo itself brings it.
function cairo.fontconfig()
  if loaded.fontconfig == nil then
    local ok, lib = load_library(FONTCONFIG)
    loaded.fontconfig = ok and lib or false
  end
  return loaded.fontconfig or nil
end

--- Raises kind `reporter.cairo` for a status that is not 0.
function cairo.check(lib, status)
  if status == 0 then return end
  tusk.errors.raise("reporter.cairo", "cairo: " .. ffi.string(lib.cairo_status_to_string(status)))
end

local function close(memory)
  if memory.fd >= 0 then ffi.C.close(memory.fd) end
  memory.fd = -1
end
ffi.metatype("reporter_memory", { __gc = close })

--- A file in memory that cairo can write to: it has a path and a content.
function cairo.memory()
  local fd = ffi.C.memfd_create("report", 1)
  if fd < 0 then tusk.errors.raise("reporter.cairo", "no file in memory: errno " .. ffi.errno()) end
  return ffi.new("reporter_memory", fd)
end

function cairo.path(memory)
  return "/proc/self/fd/" .. memory.fd
end

--- All that was written, as a string. The file is gone then.
function cairo.content(memory)
  local size = tonumber(ffi.C.lseek(memory.fd, 0, 2))
  ffi.C.lseek(memory.fd, 0, 0)
  local buffer, got = ffi.new("char[?]", math.max(size, 1)), 0
  while got < size do
    local n = tonumber(ffi.C.read(memory.fd, buffer + got, size - got))
    if n <= 0 then tusk.errors.raise("reporter.cairo", "what cairo wrote cannot be read: errno " .. ffi.errno()) end
    got = got + n
  end
  close(memory)
  return ffi.string(buffer, size)
end

return cairo

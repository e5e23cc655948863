-- drawing.lua: what cairo and fontconfig keep for the life of a process, given back: they refer to some of it by offsets,
-- which LeakSanitizer does not follow. For the end of a spec, when nobody draws any more.
local ffi = require "ffi"

ffi.cdef [[
void cairo_debug_reset_static_data(void);
void FcFini(void);
]]

local drawing = {}

--- Gives it back.
function drawing.forget()
  ffi.load("libcairo.so.2").cairo_debug_reset_static_data()
  ffi.load("libfontconfig.so.1").FcFini()
end

return drawing

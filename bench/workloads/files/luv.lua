local luv_files = require "bench.lib.luv_files"
local uv = require "luv"
local _, folder, at_once = ...
local began, sum = uv.hrtime(), 0

luv_files.each(folder, tonumber(at_once), function(name)
  local text = luv_files.read(folder .. "/" .. name)
  sum = sum + #text + text:byte()
end)
print((uv.hrtime() - began) / 1e6, sum)

local luv_files = require "bench.lib.luv_files"
local uv = require "luv"
local _, folder, at_once = ...
local began, sum = uv.hrtime(), 0

local function process(text)
  local lines = {}
  for line in text:gmatch("[^\n]+") do
    line = line:match("^%s*(.-)%s*$")
    if line ~= "" then lines[#lines + 1] = line end
  end
  return table.concat(lines, "\n")
end

luv_files.each(folder, tonumber(at_once), function(name)
  local processed = process(luv_files.read(folder .. "/" .. name))
  luv_files.write(folder .. ".out/" .. name, processed)
  sum = sum + #processed
end)
print((uv.hrtime() - began) / 1e6, sum)

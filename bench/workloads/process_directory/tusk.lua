local _, folder, at_once = ...
local began, sum = @date.clock(), 0

local function process(text)
  local lines = {}
  for line in text:gmatch("[^\n]+") do
    line = line:match("^%s*(.-)%s*$")
    if line ~= "" then lines[#lines + 1] = line end
  end
  return table.concat(lines, "\n")
end

@map(@file.read_dir(folder), function(entry)
  local processed = process(@file.read(entry.path))
  @file.write(folder .. ".out/" .. entry.name, processed)
  sum = sum + #processed
end, { concurrency = tonumber(at_once) })
print((@date.clock() - began) * 1000, sum)

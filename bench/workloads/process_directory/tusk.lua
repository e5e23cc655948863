local text = require("tusk").text
local _, folder, at_once = ...
local began, sum = @date.clock(), 0

@map(@file.read_dir(folder), function(entry)
  local processed = text.clean(@file.read(entry.path))
  @file.write(folder .. ".out/" .. entry.name, processed)
  sum = sum + #processed
end, { concurrency = tonumber(at_once) })
print((@date.clock() - began) * 1000, sum)

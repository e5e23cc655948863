local _, folder, at_once = ...
local began, sum = @date.clock(), 0
local function read(entry)
  local text = @file.read(entry.path)
  sum = sum + #text + text:byte()
end

@map(@file.read_dir(folder), read, { concurrency = tonumber(at_once) })
print((@date.clock() - began) * 1000, sum)

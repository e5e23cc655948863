local n, path = ...
local list = @file.read_json(path)
local began, sum = @date.clock(), 0
for _ = 1, tonumber(n) do sum = sum + #@json.encode(list) end
print((@date.clock() - began) * 1000, sum)

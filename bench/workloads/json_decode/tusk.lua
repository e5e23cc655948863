local n, path = ...
local text = @file.read(path)
local began, sum = @date.clock(), 0
for _ = 1, tonumber(n) do
  local list = @json.decode(text)
  sum = sum + #list + list[#list].score
end
print((@date.clock() - began) * 1000, sum)

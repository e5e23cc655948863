local n, path = ...
local db = @db.open(path)
local began, sum = @date.clock(), 0

for row in db.each("select id, name, email from users limit ?", tonumber(n)) do
  sum = sum + row.id + #row.name + #row.email
end
print((@date.clock() - began) * 1000, ("%.0f"):format(sum))

local n, path, at_once = ...
local db = @db.open(path, { journal = path:find("rollback", 1, true) and "delete" or "wal" })
local rows = db.value("select count(*) from users")
local began, sum, next_one, last = @date.clock(), 0, 0, tonumber(n)

local function worker()
  while next_one < last do
    next_one = next_one + 1
    local row = db.one("select id, name, email from users where id = ?", next_one * 7919 % rows + 1)
    sum = sum + row.id + #row.name + #row.email
  end
end

@scope(function(s)
  for _ = 1, tonumber(at_once) do s:spawn(worker) end
end)
print((@date.clock() - began) * 1000, sum)

local n, path = ...
local db = @db.open(path)
local began = @date.clock()

for first = 1, tonumber(n), 1000 do
  db.transaction(function(tx)
    for i = first, first + 999 do
      tx.exec("insert into users (name, email) values (?, ?)", "user " .. i, "user" .. i .. "@example.com")
    end
  end)
end
local took = (@date.clock() - began) * 1000
print(took, db.value("select count(*) + sum(length(name)) from users"))

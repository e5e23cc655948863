local n, path, at_once = ...
local db = @db.open(path, { synchronous = path:find("full", 1, true) and "full" or "normal" })
local began, next_one, last = @date.clock(), 0, tonumber(n)

local function worker()
  while next_one < last do
    next_one = next_one + 1
    local i = next_one
    db.exec("insert into users (name, email) values (?, ?)", "user " .. i, "user" .. i .. "@example.com")
  end
end

@scope(function(s)
  for _ = 1, tonumber(at_once) do s:spawn(worker) end
end)
local took = (@date.clock() - began) * 1000
print(took, db.value("select count(*) + sum(length(name)) from users"))

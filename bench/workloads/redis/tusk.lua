local n, url, at_once = ...
local db = @redis.open(url)
db.ping()
local began, sum, left = @date.clock(), 0, tonumber(n)

local function worker()
  while left > 0 do
    left = left - 1
    local value = db.get("key:" .. left % 1000)
    sum = sum + #value
  end
end

@scope(function(s)
  for _ = 1, tonumber(at_once) do s:spawn(worker) end
end)
print((@date.clock() - began) * 1000, sum)

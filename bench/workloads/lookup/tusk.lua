local n, where, at_once = ...
local url, path = where:match("^(%S+) (.*)$")
local redis, db = @redis.open(url), @db.open(path)
redis.ping()
local began, sum, left = @date.clock(), 0, tonumber(n)

local function lookup(id)
  local key = "user:" .. id
  local text = redis.get(key)
  if text then return text end
  text = @json.encode(db.one("select id, name, email from users where id = ?", id))
  redis.set(key, text, "EX", 3600)
  return text
end

local function worker()
  while left > 0 do
    left = left - 1
    local text = lookup(left + 1)
    sum = sum + #text
  end
end

@scope(function(s)
  for _ = 1, tonumber(at_once) do s:spawn(worker) end
end)
print((@date.clock() - began) * 1000, sum)

local n, _, at_once = ...
n, at_once = tonumber(n), tonumber(at_once)
local began, sum, loads = @date.clock(), 0, 0

local function load()
  loads = loads + 1
  @sleep "1ms"
  return loads
end

local function ask(key)
  local value = @cache.remember(key, "1h", load)
  sum = sum + value
end

for first = 1, n, at_once do
  @scope(function(s)
    for _ = 1, at_once do s:spawn(ask, "key:" .. first) end
  end)
end
print((@date.clock() - began) * 1000, sum)

local n, url, at_once = ...
local began, sum, left = @date.clock(), 0, tonumber(n)

local function worker()
  while left > 0 do
    left = left - 1
    local r = @http.get(url)
    sum = sum + r.status + #r:text()
  end
end

@scope(function(s)
  for _ = 1, tonumber(at_once) do s:spawn(worker) end
end)
print((@date.clock() - began) * 1000, sum)

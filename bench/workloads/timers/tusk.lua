local n, fired, began = tonumber((...)), 0, os.clock()
local function wait(i)
  @sleep(i % 100 / 1000 + 0.001)
  fired = fired + 1
end

@scope(function(s)
  for i = 1, n do s:spawn(wait, i) end
end)
print((os.clock() - began) * 1000, fired)

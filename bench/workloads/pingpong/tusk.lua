local n, sum, began = tonumber((...)), 0, @date.clock()
local there, back = @channel(), @channel()

@scope(function(s)
  s:spawn(function()
    for v in there do back:send(v + 1) end
    back:close()
  end)
  for i = 1, n / 2 do
    there:send(i)
    sum = sum + back:recv()
  end
  there:close()
end)
print((@date.clock() - began) * 1000, sum)

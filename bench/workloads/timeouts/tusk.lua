-- A deadline that is never reached, beside a thousand tasks that sleep.
local n, done, began = tonumber((...)), 0, nil
local function work() done = done + 1 end

@scope(function(s)
  for _ = 1, 1000 do s:spawn(@sleep, "30m") end
  began = @date.clock()
  for _ = 1, n do @timeout("1h", work) end
  print((@date.clock() - began) * 1000, done)
  s:cancel()
end)

-- From the cancellation until all have ended and are joined.
local n, ended, began = tonumber((...)), 0, nil
local function wait()
  local ok, err = pcall(@sleep, "1h")
  ended = ended + 1
  if not ok then error(err, 0) end
end

@scope(function(s)
  for _ = 1, n do s:spawn(wait) end
  began = @date.clock()
  s:cancel()
end)
print((@date.clock() - began) * 1000, ended)

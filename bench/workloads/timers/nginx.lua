local n, fired, began = tonumber(ngx.var.arg_n), 0, os.clock()
local function fire() fired = fired + 1 end

for i = 1, n do assert(ngx.timer.at((i % 100 + 1) / 1000, fire)) end
while fired < n do ngx.sleep(0.005) end
ngx.say((os.clock() - began) * 1000, " ", fired)

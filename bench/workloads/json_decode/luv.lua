local n, path = ...
local cjson, uv = require "cjson", require "luv"
local file = assert(io.open(path, "rb"))
local text = file:read("*a")
file:close()
local began, sum = uv.hrtime(), 0
for _ = 1, tonumber(n) do
  local list = cjson.decode(text)
  sum = sum + #list + list[#list].score
end
print((uv.hrtime() - began) / 1e6, sum)

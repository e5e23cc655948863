-- SQLite through LuaJIT's FFI; each row a table, as everybody makes one.
local sqlite = require "bench.lib.sqlite"
local uv = require "luv"
local n, path = ...
local db = sqlite.open(path)
local began, sum = uv.hrtime(), 0
local rows = db:prepare("select id, name, email from users limit ?")

rows:bind(1, tonumber(n))
while rows:step() do
  local row = { id = rows:number(0), name = rows:text(1), email = rows:text(2) }
  sum = sum + row.id + #row.name + #row.email
end
print((uv.hrtime() - began) / 1e6, ("%.0f"):format(sum))

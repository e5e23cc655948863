-- SQLite through LuaJIT's FFI, on the loop's thread: there is nothing in luv for it.
local sqlite = require "bench.lib.sqlite"
local uv = require "luv"
local n, path = ...
local db = sqlite.open(path)
local count = db:prepare("select count(*) from users")
count:step()
local rows, get = count:number(0), db:prepare("select id, name, email from users where id = ?")
count:reset()
local began, sum = uv.hrtime(), 0

for i = 1, tonumber(n) do
  get:bind(1, i * 7919 % rows + 1)
  get:step()
  local row = { id = get:number(0), name = get:text(1), email = get:text(2) }
  get:reset()
  sum = sum + row.id + #row.name + #row.email
end
print(("%.3f %d"):format((uv.hrtime() - began) / 1e6, sum))

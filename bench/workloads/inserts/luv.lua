-- SQLite through LuaJIT's FFI.
local sqlite = require "bench.lib.sqlite"
local uv = require "luv"
local n, path = ...
local db = sqlite.open(path)
db:run("pragma synchronous = normal")
local began, put = uv.hrtime(), db:prepare("insert into users (name, email) values (?, ?)")

for first = 1, tonumber(n), 1000 do
  db:run("begin immediate")
  for i = first, first + 999 do
    put:bind_text(1, "user " .. i)
    put:bind_text(2, "user" .. i .. "@example.com")
    put:step()
    put:reset()
  end
  db:run("commit")
end
local took = (uv.hrtime() - began) / 1e6
local check = db:prepare("select count(*) + sum(length(name)) from users")
check:step()
print(took, check:number(0))

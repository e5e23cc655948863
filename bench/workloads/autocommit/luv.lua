-- SQLite through LuaJIT's FFI, each row committed by itself.
local sqlite = require "bench.lib.sqlite"
local uv = require "luv"
local n, path = ...
local db = sqlite.open(path)
db:run("pragma synchronous = " .. (path:find("full", 1, true) and "full" or "normal"))
local began, put = uv.hrtime(), db:prepare("insert into users (name, email) values (?, ?)")

for i = 1, tonumber(n) do
  put:bind_text(1, "user " .. i)
  put:bind_text(2, "user" .. i .. "@example.com")
  put:step()
  put:reset()
end
local took = (uv.hrtime() - began) / 1e6
local check = db:prepare("select count(*) + sum(length(name)) from users")
check:step()
print(took, check:number(0))

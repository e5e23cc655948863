-- How late a timer of 1 ms is beside 64 tasks that read by key, visit whole tables and insert by the hundred. The time that
-- the loop's thread was ready and another program had its core is not counted.
local n, path, quantile = ...
local db = @db.open(path)
local rows = db.value("select count(*) from users")
db.exec("create table if not exists bulk (id integer primary key, name text)")

local function waited()
  local file = io.open("/proc/thread-self/schedstat")
  if not file then return 0 end
  local _, ns = file:read("*n", "*n")
  file:close()
  return ns / 1e9
end

local working, lags, sum = true, {}, 0

local function read(k)
  while working do
    for _ = 1, 8 do
      k = k * 7919 % rows + 1
      db.one("select id, name, email from users where id = ?", k)
    end
    @sleep(0.005)
  end
end

local function scan()
  while working do
    db.value("select count(*) from users where name like '%99%'")
    db.value("select sum(length(email)) from users where id > ?", 10) -- a search in the plan; every row all the same
  end
end

local function insert()
  local list = {}
  for i = 1, 100 do list[i] = { name = "bulk " .. i } end
  while working do
    db.bulk.insert_many(list)
    db.exec("delete from bulk")
  end
end

@scope(function(s)
  for i = 1, 48 do s:spawn(function() read(i) end) end
  for _ = 1, 8 do s:spawn(scan) end
  for _ = 1, 8 do s:spawn(insert) end
  for i = 1, tonumber(n) do
    local due = @date.clock() - waited() + 0.001
    @sleep(0.001)
    lags[i] = math.max(0, @date.clock() - waited() - due)
    sum = sum + 1
  end
  working = false
end)
table.sort(lags)
print(lags[math.max(1, math.floor(#lags * tonumber(quantile)))] * 1000, sum)

-- corpus.lua: the files and databases that workloads read.
local uv = require "luv"
local temp = require "spec.support.temp"

local corpus = {}

-- 4096 bytes of lines, some of them blank, with blanks around.
local function text_of(i)
  local parts, length = { i % 10 .. " the first line\n" }, 17
  while length < 4096 do
    local part = ("   line %d of file %d, like any other  \n%s"):format(#parts, i, #parts % 3 == 0 and "  \n\n" or "")
    parts[#parts + 1], length = part, length + #part
  end
  return table.concat(parts):sub(1, 4095) .. "\n"
end

--- A folder of n files of 4 KiB.
function corpus.folder(dir, n)
  local folder = ("%s/files%d"):format(dir, n)
  if not uv.fs_stat(folder) then
    assert(uv.fs_mkdir(folder, 493))
    for i = 1, n do temp.write(("%s/%06d.txt"):format(folder, i), text_of(i)) end
  end
  return folder
end

local TABLE = "create table users (id integer primary key, name text not null, email text)"

--- A database with n rows, at most so many. kind: "read", or "rollback" for one without a log.
function corpus.database(dir, n, most, kind)
  local path, rows = ("%s/%s%d.db"):format(dir, kind or "read", n), math.min(n, most)
  if uv.fs_stat(path) then return path end
  local db = @db.open(path, { journal = kind == "rollback" and "delete" or "wal" })
  db.exec(TABLE)
  db.transaction(function(tx)
    for i = 1, rows do
      tx.exec("insert into users (name, email) values (?, ?)", "user " .. i, "user" .. i .. "@example.com")
    end
  end)
  db.close()
  return path
end

--- An empty one, another at each call; programs flush every commit if its name says "full".
function corpus.new_database(dir, name)
  local folder = dir .. "/new"
  if uv.fs_stat(folder) then temp.remove(folder) end
  assert(uv.fs_mkdir(folder, 493))
  local path = ("%s/%s.db"):format(folder, name or "new")
  local db = @db.open(path)
  db.exec(TABLE)
  db.close()
  return path
end

local RECORD = '{"id":%d,"name":"User %d","email":"user%d@example.com","active":%s,"score":%s,"tags":["red","green","n%d"],'
  .. '"address":{"street":"%d High Street","city":"Tromsø","zip":"%05d"},"created":"2026-03-%02dT10:20:30Z",'
  .. '"about":"\\"Quoted\\", and a line\\nthat goes on a little, of user %d"}'

--- A file of 520 KB of JSON: a list of records. No two readers make different numbers or texts of it.
function corpus.json(dir)
  local path, records = dir .. "/records.json", {}
  if uv.fs_stat(path) then return path end
  for i = 1, 1900 do
    records[i] = RECORD:format(i, i, i, tostring(i % 3 == 0), i % 4 == 0 and i or i + 0.25, i % 7, i % 90, i, i % 28 + 1, i)
  end
  return temp.write(path, "[" .. table.concat(records, ",") .. "]")
end

--- A folder beside it, FOLDER.out, with a file of no bytes for each: making files takes the disk longer than all the rest.
function corpus.targets(folder)
  uv.fs_mkdir(folder .. ".out", 493)
  for _, name in ipairs(temp.list(folder)) do temp.write(("%s.out/%s"):format(folder, name), "") end
end

return corpus

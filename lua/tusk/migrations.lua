-- migrations.lua: the files of a folder of migrations: "001_users.sql", each once, in the order of their numbers.
local check = require "tusk.check"
local errors = require "tusk.errors"
local loader = require "tusk.loader"
local operators = require "tusk.operators"

local migrations = {}

local DIGITS = 15 -- that a number can have
local DATES = 5 -- digits from which on numbers are dates, and need not follow one another

---@class tusk.Migration
---@field version integer
---@field file string "001_users.sql"
---@field path string
---@field text string|nil once read
---@field checksum string|nil

-- { version =, file =, path = } of a file's name, or nil.
local function parse(entry)
  local digits = entry.name:match("^(%d+)_.+%.sql$")
  if not digits or #digits > DIGITS then return nil end
  return { version = tonumber(digits), digits = #digits, file = entry.name, path = entry.path }
end

local function by_number(a, b)
  if a.version ~= b.version then return a.version < b.version end
  return a.file < b.file
end

local function unnumbered(name, list)
  local last = list[#list]
  local digits = last and last.digits or 3
  local example = ("%0" .. digits .. "d"):format((last and last.version or 0) + 1)
  return ('"%s" has no number: name it like "%s_%s"'):format(name, example, name:gsub("^[%d_%-]+", ""))
end

local function between(before, m)
  if m.version == before.version then
    return ('"%s" and "%s" have the same number'):format(before.file, m.file)
  elseif m.version > before.version + 1 and m.digits < DATES and before.digits < DATES then
    return ('there is no migration %d between "%s" and "%s"'):format(before.version + 1, before.file, m.file)
  end
end

--- The migrations of a folder in their order, and what is wrong with their names.
---@param dir string
---@return tusk.Migration[]
---@return string[] problems
function migrations.list(dir)
  local list, strange, problems = {}, {}, {}
  for _, entry in ipairs(operators.get("file").read_dir(dir)) do
    if entry.name:match("%.sql$") and not entry.name:match("^%.") and entry.type ~= "directory" then
      local m = parse(entry)
      table.insert(m and list or strange, m or entry.name)
    end
  end
  table.sort(list, by_number)
  for _, name in ipairs(strange) do problems[#problems + 1] = unnumbered(name, list) end
  for i = 2, #list do problems[#problems + 1] = between(list[i - 1], list[i]) end
  return list, problems
end

-- FNV-1a of 64 bits: it is to notice a change, not to withstand one that wants not to be noticed.
local function checksum(text)
  local hash = 0xcbf29ce484222325ULL
  for i = 1, #text do hash = bit.bxor(hash, text:byte(i) + 0ULL) * 0x100000001b3ULL end
  return bit.tohex(hash, 16)
end

--- The same with their texts and checksums; raises db.migration when something is wrong with the names.
---@param dir string
---@return tusk.Migration[]
function migrations.read(dir)
  local list, problems = migrations.list(dir)
  if problems[1] then
    errors.raise("db.migration", ("%s: %s"):format(dir, table.concat(problems, "; ")), { problems = problems })
  end
  for _, m in ipairs(list) do
    local text, message = loader.read_all(m.path)
    if not text then check.fail(message) end
    m.text = text
    m.checksum = checksum((text:gsub("\r\n", "\n"))) -- a checkout may have changed those
  end
  return list
end

return migrations

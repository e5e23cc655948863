-- console.lua: `tusk db console`: SQL from standard input, answers as tables.
local errors = require "tusk.errors"
local operators = require "tusk.operators"
local program = require "tusk.program"
local raw = require "tusk.binding.sqlite"

local console = {}

local WIDEST = 60 -- of a column
local LOOKED_AT = 200 -- rows that the widths are taken from

-- ---- tables ----

local ESCAPES = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function shown(value)
  if value == nil then return "NULL" end
  if type(value) == "cdata" then return (tostring(value):gsub("U?LL$", "")) end
  if type(value) == "number" then return ("%.14g"):format(value) end
  local binary = value:find("%z") -- no text
  return (value:gsub(binary and "[%c\127-\255]" or "%c", function(c) return ESCAPES[c] or ("\\%03d"):format(c:byte()) end))
end

-- In characters: bytes that go on with one do not count.
local function width(text)
  return #text - select(2, text:gsub("[\128-\191]", ""))
end

local function widen(widths, row, columns)
  for i, name in ipairs(columns) do widths[i] = math.min(WIDEST, math.max(widths[i], width(shown(row[name])))) end
end

local function line(cells, widths)
  for i = 1, #cells - 1 do cells[i] = cells[i] .. (" "):rep(widths[i] - width(cells[i])) end
  return table.concat(cells, "  ")
end

local function print_row(row, columns, widths)
  local cells = {}
  for i, name in ipairs(columns) do cells[i] = shown(row[name]) end
  print(line(cells, widths))
end

local function print_head(columns, widths)
  local rules = {}
  for i in ipairs(columns) do rules[i] = ("-"):rep(widths[i]) end
  print(line({ unpack(columns) }, widths))
  print(table.concat(rules, "  "))
end

-- Each name once: a row has one value for it.
local function distinct(names)
  local list, seen = {}, {}
  for _, name in ipairs(names) do
    if not seen[name] then list[#list + 1] = name end
    seen[name] = true
  end
  return list
end

--- Prints rows as a table; the widths are those of the first ones, so that any number can be printed.
---@param next_row fun(): table|nil
local function print_rows(next_row, columns)
  local widths, first = {}, {}
  for i, name in ipairs(columns) do widths[i] = width(name) end
  for row in next_row do
    first[#first + 1] = row
    widen(widths, row, columns)
    if #first == LOOKED_AT then break end
  end
  if not first[1] then return print("(no rows)") end
  print_head(columns, widths)
  for _, row in ipairs(first) do print_row(row, columns, widths) end
  if #first < LOOKED_AT then return end
  for row in next_row do print_row(row, columns, widths) end
end

-- ---- statements ----

local function of_list(rows)
  local names, i = {}, 0
  for name in pairs(rows[1] or {}) do names[#names + 1] = name end
  table.sort(names)
  return function()
    i = i + 1
    return rows[i]
  end, names
end

local function is_writing(e)
  return errors.is(e, "argument") and e.message:find("each is for statements that only read", 1, true)
end

local CHANGES = { insert = true, replace = true, update = true, delete = true, with = true }

local function write(db, sql)
  local word = sql:match("^%s*(%a+)") or ""
  if word:lower() == "pragma" or sql:lower():find("returning", 1, true) then return print_rows(of_list(db.query(sql))) end
  local done = db.exec(sql)
  if not CHANGES[word:lower()] then return print("done") end
  print(done.changes == 1 and "1 row changed" or done.changes .. " rows changed")
end

-- A PRAGMA that lists something is a table as well, whose columns have an order.
local function as_select(sql)
  local name, argument = sql:match("^%s*[pP][rR][aA][gG][mM][aA]%s+([%w_]+)%s*%(%s*([%w_]+)%s*%)%s*;?%s*$")
  return name and ("select * from pragma_%s('%s')"):format(name, argument) or sql
end

local function run(db, sql)
  local ok, rows = pcall(db.each, as_select(sql))
  if ok then return print_rows(rows, distinct(rows:columns())) end
  if not is_writing(rows) then error(rows, 0) end
  write(db, sql)
end

-- ---- commands of its own ----

local dots = {}

function dots.help()
  print(".help            this list")
  print(".tables          tables and views")
  print(".schema [TABLE]  how they were made")
  print(".quit            ends; so does the end of the input")
  print("SQL ends with a semicolon and may take several lines.")
end

local OURS = "type in ('table', 'view', 'index', 'trigger') and name not like 'sqlite\\_%' escape '\\'"

function dots.tables(db)
  for row in db.each("select name from sqlite_schema where type in ('table', 'view') and " .. OURS .. " order by name") do
    print(row.name)
  end
end

function dots.schema(db, name)
  local sql = "select sql from sqlite_schema where sql is not null and " .. OURS .. " and (? is null or tbl_name = ?) order by rowid"
  for row in db.each(sql, name, name) do print(row.sql .. ";") end
end

local function dot_command(db, text)
  local name, argument = text:match("^%.(%S*)%s*(%S*)")
  if name == "quit" or name == "exit" then return true end
  if not dots[name] then errors.raise("usage", (".%s: no such command; .help lists them"):format(name)) end
  dots[name](db, argument ~= "" and argument or nil)
end

-- ---- reading ----

local function complain(e)
  local err = errors.wrap(e)
  if errors.is(err, "cancelled") then error(e, 0) end
  io.stdout:flush()
  io.stderr:write("error: ", err.message, err.suggestion and (' (did you mean "%s"?)'):format(err.suggestion) or "", "\n")
  io.stderr:flush()
end

---@class tusk.db.Console
---@field text string what of a statement was read so far
---@field failed boolean|nil something has failed
---@field over boolean|nil .quit was said

-- Is there anything but blanks, semicolons and comments?
local function says_something(text)
  return text:gsub("%-%-[^\n]*", ""):find("[^%s;]") ~= nil
end

local function attempt(self, fn, ...)
  local ok, e = pcall(fn, self.db, ...)
  if ok then return e end
  complain(e)
  self.failed = true
end

-- Runs the statements that are complete; what follows the last of them stays.
local function run_complete(self)
  local text, from, at = self.text, 1, 0
  while true do
    at = text:find(";", at + 1, true)
    if not at then break end
    local statement = text:sub(from, at)
    if raw.complete(statement) then
      from = at + 1
      if says_something(statement) then attempt(self, run, statement) end
    end
  end
  self.text = text:sub(from)
end

local function take(self, typed)
  if not says_something(self.text) and typed:find("^%s*%.") then
    self.over = attempt(self, dot_command, typed:match("^%s*(.-)%s*$"))
    return
  end
  self.text = self.text .. typed .. "\n"
  run_complete(self)
end

local function read_all(self, asks)
  while not self.over do
    if asks then io.write(says_something(self.text) and "  ...> " or "tusk> ") end
    io.stdout:flush()
    local typed = io.read("*l") -- nothing else runs that this could hold up
    if not typed then break end
    take(self, typed)
  end
  if asks and not self.over then print() end
  if not says_something(self.text) then return end
  complain(errors.new("usage", "the input ends within a statement: is a semicolon missing?"))
  self.failed = true
end

--- Reads statements until the end of the input. Exit status 1 when one failed and nobody was there to see it.
---@param url string
---@param readonly boolean|nil
function console.run(url, readonly)
  local db = operators.get("db").open(url, { readonly = readonly })
  local asks = program.input_terminal
  if asks then print(("%s · .help lists commands"):format(url)) end
  local self = { db = db, text = "" }
  read_all(self, asks)
  db.close()
  return self.failed and not asks and 1 or 0
end

return console

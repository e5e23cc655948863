-- letters.lua: the dead letters: items that could not be processed, and why. A sink for them that fails ends the run.
local tusk = require "tusk"

local check = tusk.check

---@class stream_processor.Letter
---@field processor string
---@field item any as it came
---@field stage string "enrich", "validate", "write"
---@field kind string of the error
---@field error string
---@field at number Unix seconds

local letters = {}

local CREATE = [[
  create table if not exists "%s" (number integer primary key, processor text not null, stage text not null, kind text not null,
    error text not null, at real not null, item text not null, times integer not null default 1, unique (processor, item))]]

-- One letter of each item, however often it fails.
local PUT = [[
  insert into "%s" (processor, stage, kind, error, at, item) values (:processor, :stage, :kind, :error, :at, :item)
  on conflict (processor, item) do update set stage = excluded.stage, kind = excluded.kind, error = excluded.error,
    at = excluded.at, times = times + 1]]

---@class stream_processor.Letters
---@field put fun(letter: stream_processor.Letter)
---@field name string|nil of the table, if it is one
---@field db table|nil

-- An item that cannot be kept is named by what it failed with: the run ends with it, and would again.
local function text_of(letter)
  local text, err = @try(@json.encode, letter.item, { sort = true })
  if text then return text end
  local id = type(letter.item) == "table" and letter.item.id
  tusk.errors.raise("stream_processor.letter", ("the item %s cannot be a dead letter: %s. It failed with: %s"):format(
    (type(id) == "string" or type(id) == "number") and tostring(id) or "", err.message, letter.error), { cause = err, item = letter.item })
end

-- A table of letters, made if it is not there.
local function of_table(opts)
  check.options(opts, { "table", "db" })
  local name, db = check.string("dead.table", opts.table), opts.db or @db
  if not name:match("^[%a_][%w_]*$") then
    check.fail(("dead.table: %q is no name of letters, digits and _"):format(name), { argument = "table" })
  end
  db.exec(CREATE:format(name))
  local put = PUT:format(name)
  return { name = name, db = db, put = function(letter)
    local row = {}
    for field, value in pairs(letter) do row[field] = value end
    row.item = text_of(letter)
    db.exec(put, row)
  end }
end

--- What `dead =` says: a function, a channel, or { table =, db = }. nil: there are none, the first failure ends the run.
---@return stream_processor.Letters|nil
function letters.of(dead)
  if dead == nil then return nil end
  local ok, send = pcall(function() return dead.send end)
  if ok and check.is_callable(send) then return { put = function(letter) dead:send(letter) end } end
  if check.is_callable(dead) then return { put = dead } end
  if type(dead) == "table" then return of_table(dead) end
  check.fail("dead: a function, a channel or { table = … } expected, got a " .. type(dead), { argument = "dead" })
end

-- The next letters of one processor after a number.
local function after(self, processor, number, last)
  return self.db.table(self.name):where { processor = processor }:where("number", ">", number):where("number", "<=", last)
    :order_by("number"):limit(100):get()
end

--- The letters of a processor that there are now, oldest first, with their items decoded: a stream of { number, item }.
---@param self stream_processor.Letters
function letters.all(self, processor)
  local last = self.db.table(self.name):max("number") or 0
  return @stream.pages(function(number)
    local rows = after(self, processor, number or 0, last)
    local list = {}
    for i, row in ipairs(rows) do list[i] = { number = row.number, item = @json.decode(row.item, { nulls = true }) } end
    return list, rows[1] and rows[#rows].number or nil
  end)
end

--- It has been dealt with.
---@param number integer
function letters.remove(self, number)
  self.db.table(self.name):where("number", number):delete()
end

return letters

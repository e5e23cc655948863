-- stream.lua: the rows of a statement, one by one, however many: @db.each.
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local raw = require "tusk.binding.sqlite"
local streamed = require "tusk.streamed"

local settle = core.settle

---@class tusk.db.Rows
-- __collects: what is left open is closed by collection.
local Rows = streamed.extend({ __name = "rows", __collects = true }, "an iterator over rows")
Rows.__index = Rows

local stream = {}

local OFTEN = 4 -- times that rows are had without waiting, about 500 rows, until others have their turn

local function take(self)
  local n
  self.turns = self.turns - 1
  if self.turns == 0 then
    self.turns = OFTEN
    core.yield()
  end
  repeat n = settle(raw.take(self.cursor, self.batch, self.handle)) until n ~= 0
  return n
end

local function refuse(self)
  if self.busy then check.fail("another task is reading from the stream") end
  if errors.is(self.err, "cancelled") then errors.raise("closed", "the stream ended when it was cancelled") end
  errors.rethrow(self.err)
end

-- The next rows, a few at a time; the first of them. Once it has failed it goes on failing.
local function refill(self)
  if self.over then return nil end
  if self.busy or self.err then refuse(self) end
  self.busy = true
  local ok, n = xpcall(take, errors.note, self)
  self.busy = false
  if ok and n then
    self.at, self.n = 1, n
    return self.batch[1]
  end
  if ok then self.over = true else self.err = n end
  if ok then self.names = raw.columns(self.cursor) end
  raw.finish(self.cursor)
  if not ok then errors.rethrow(n) end
end

function Rows:__call()
  local at = self.at + 1
  if at > self.n then return refill(self) end
  self.at = at
  return self.batch[at]
end

--- The names of the columns, in their order.
---@return string[]
function Rows:columns()
  return self.names or raw.columns(self.cursor)
end

--- Ends the reading and the statement. Again: no effect.
function Rows:close()
  self.names = self:columns()
  self.over, self.at, self.n, self.batch = true, 0, 0, {}
  raw.finish(self.cursor)
end

-- The database is opened by its writer.
local function open_first(via)
  local database = via.database
  if database.opened or database.transactions ~= 0 then return end
  settle(raw.ping(via:handle()))
  database.opened = true
end

--- The rows of a statement that only reads. It begins at once: what is wrong with it is raised here.
---@param via table a database or a transaction
---@return tusk.db.Rows an iterator with :close() and the methods of streams
function stream.new(via, sql, ...)
  local handle = via:handle()
  local cursor = raw.each(handle, sql, ...)
  open_first(via)
  local self = setmetatable({
    cursor = cursor, handle = handle, batch = {}, at = 0, n = 0, turns = OFTEN, over = false, err = false, busy = false, names = false,
  }, Rows)
  if refill(self) then self.at = 0 end
  return self
end

return stream

-- source.lua: what streams are made of.
local check = require "tusk.check"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local stream = require "tusk.stream.stream"
local wait = require "tusk.wait"

local checkpoint, note, rethrow = wait.checkpoint, errors.note, errors.rethrow

local OFTEN = 64 -- items from memory between two checkpoints

local source = {}

-- A source that has failed is not asked again, whatever on_error says.
local function watched(next, r)
  if not r.catching then return next end
  return function()
    local ok, v = xpcall(next, note)
    if ok then return v end
    r.broken = true
    rethrow(v)
  end
end

-- One that computes never waits by itself: so that it can be cancelled, and others run.
local function considerate(next)
  local left = OFTEN
  return function()
    left = left - 1
    if left == 0 then
      left = OFTEN
      checkpoint()
    end
    return next()
  end
end

---@param begin fun(): fun(): any
local function computed(begin)
  return stream.new(function(r) return watched(considerate(begin()), r) end)
end

local function check_list(list)
  if #list == 0 and next(list) ~= nil and rawget(list, "n") == nil then
    check.fail("source: a list expected, got a table with keys", { argument = "source" })
  end
end

local function of_table(list)
  check_list(list)
  return computed(function()
    local i, n = 0, list.n or #list
    return function()
      if i >= n then return nil end
      i = i + 1
      local v = list[i]
      if v == nil then stream.absent("item " .. i .. " of the list") end
      return v
    end
  end)
end

local function of_channel(ch)
  return stream.new(function(r)
    local recv = ch.recv
    return watched(function() return (recv(ch)) end, r)
  end)
end

-- An iterator with close() is closed at the end, however that comes.
local function of_closable(it, collects)
  return stream.new(function(r)
    r:defer(function() it:close() end)
    return watched(considerate(function() return (it()) end), r)
  end, not collects)
end

local function has_close(v)
  local ok, close = pcall(function() return v.close end)
  return ok and type(close) == "function"
end

local function of_iterator(it, meta)
  if type(it) ~= "function" and has_close(it) then
    return of_closable(it, type(meta) == "table" and rawget(meta, "__collects"))
  end
  return computed(function()
    return function() return (it()) end
  end)
end

local EXPECTED = "source: an iterator, a list, a channel, a response or a stream expected, got "

--- A stream of what a source gives, until nil. A metatable's __stream(value) returns what to read instead.
---@param value any iterator function or object, list, channel, response (its lines), stream (itself)
---@return tusk.Stream
function source.of(value)
  if stream.is(value) then return value end
  if kernel.is_channel(value) then return of_channel(value) end
  local meta = getmetatable(value)
  local instead = type(meta) == "table" and rawget(meta, "__stream")
  if instead then return source.of(instead(value)) end
  if check.is_callable(value) then return of_iterator(value, meta) end
  if type(value) == "table" and not (type(meta) == "table" and rawget(meta, "__namespace")) then
    return of_table(value)
  end
  check.fail(EXPECTED .. (value == nil and "nil" or type(value)), { argument = "source" })
end

--- @stream(source)
---@return tusk.Stream
function source.new(value, ...)
  if select("#", ...) > 0 then
    check.fail("source: one value expected; of pairs and the like give the table, or a function that returns items",
      { argument = "source" })
  end
  return source.of(value)
end

--- fn(state) -> item, state for the next call; until the item is nil.
---@param seed any the first state
---@param fn fun(state: any): any, any
---@return tusk.Stream
function source.unfold(seed, fn)
  check.callable("fn", fn)
  return computed(function()
    local state, item = seed, nil
    return function()
      item, state = fn(state)
      return item
    end
  end)
end

--- fn(cursor) -> list of items, cursor of the next page; until that, or the list, is nil. The first cursor is nil.
---@param fn fun(cursor: any): table|nil, any
---@return tusk.Stream
function source.pages(fn)
  check.callable("fn", fn)
  return computed(function()
    local page, i, n, cursor, last = nil, 0, 0, nil, false
    local function turn()
      if last then return false end
      page, cursor = fn(cursor)
      if page == nil then return false end
      check.table("the page", page)
      i, n, last = 0, page.n or #page, cursor == nil
      return true
    end
    return function()
      while i >= n do
        if not turn() then return nil end
      end
      i = i + 1
      local v = page[i]
      if v == nil then stream.absent("item " .. i .. " of the page") end
      return v
    end
  end)
end

return source

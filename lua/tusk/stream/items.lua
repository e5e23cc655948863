-- items.lua: single items that failed, on their way through tasks to an on_error further down.
local errors = require "tusk.errors"

local note, rethrow = errors.note, errors.rethrow

local Failure = { __name = "tusk.stream.Failure" }

local items = {}

--- Is it nobody's to catch: a cancellation, or a source that is broken?
local function fatal(e, r)
  return r.broken or errors.is(e, "cancelled")
end

--- fn(…); if somebody downstream catches, what it failed with as an item.
function items.try(r, catching, fn, ...)
  if not catching then return fn(...) end
  local ok, v = xpcall(fn, note, ...)
  if ok then return v end
  if fatal(v, r) then rethrow(v) end
  return setmetatable({ err = errors.wrap(v) }, Failure)
end

function items.failed(v)
  return getmetatable(v) == Failure
end

--- The item, or raises what it failed with.
function items.open(v, catching)
  if catching and getmetatable(v) == Failure then rethrow(v.err) end
  return v
end

return items

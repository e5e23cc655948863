-- sinks.lua: what makes a stream run: it pulls until the end, and returns what came of it.
local check = require "tusk.check"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local run = require "tusk.stream.run"
local stream = require "tusk.stream.stream"

local Stream, claim = stream.Stream, stream.claim

local COLLECT_MAX = 1e6

local function each(next, fn)
  local n = 0
  for v in next do
    fn(v)
    n = n + 1
  end
  return n
end

--- fn(item) for each.
---@return integer how many
function Stream:each(fn)
  check.callable("fn", fn)
  return run.drive(claim(self, "each").open, each, fn)
end

local function collect(next, max)
  local list, n = {}, 0
  for v in next do
    n = n + 1
    if n > max then
      errors.raise("stream.too_large", ("collect: more than %d items; use :each, or give a larger max"):format(max),
        { max = max })
    end
    list[n] = v
  end
  return list
end

--- All items in a list. Raises `stream.too_large` for more than max.
---@param opts { max: integer }|nil max: a million
---@return any[]
function Stream:collect(opts)
  opts = check.options(opts, { "max" })
  local max = stream.amount("max", opts.max or COLLECT_MAX, 0)
  return run.drive(claim(self, "collect").open, collect, max)
end

local function fold(next, fn, acc)
  for v in next do acc = fn(acc, v) end
  return acc
end

--- acc = fn(acc, item) for each, beginning with init.
---@return any acc
function Stream:fold(fn, init)
  check.callable("fn", fn)
  return run.drive(claim(self, "fold").open, fold, fn, init)
end

local function nothing() end

---@return integer how many items
function Stream:count()
  return run.drive(claim(self, "count").open, each, nothing)
end

local function first(next)
  return (next())
end

---@return any item the first, or nil; no more than that is pulled
function Stream:first()
  return run.drive(claim(self, "first").open, first)
end

local function send_all(next, ch)
  return each(next, function(v) ch:send(v) end)
end

-- At the end the receivers are told: that it is one, or that it is none.
local function to_channel(open, ch, stays_open)
  local ok, v = xpcall(run.drive, errors.note, open, send_all, ch)
  if ok then
    if not stays_open then ch:close() end
    return v
  end
  if errors.is(v, "cancelled") then
    ch:close(errors.new("closed", "the stream that fed the channel was cancelled"))
  else
    ch:close(errors.wrap(v))
  end
  errors.rethrow(v)
end

--- Sends all items to a channel and closes it, with the error if there is one; or writes them to a file, which is
--- replaced once all are written.
---@param target tusk.Channel|string a path: items are strings, or lists of strings
---@param opts { close: boolean }|{ ending: string, mode: string|integer }|nil ending: written after each string
---@return integer how many items
function Stream:to(target, opts)
  if not kernel.is_channel(target) then
    check.fail("target: a channel or a path expected, got " .. type(target), { argument = "target" })
  end
  opts = check.options(opts, { "close" })
  check.opt_boolean("close", opts.close)
  return to_channel(claim(self, "to").open, target, opts.close == false)
end

return Stream

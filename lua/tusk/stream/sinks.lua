-- sinks.lua: what makes a stream run: it pulls until the end, and returns what came of it.
local check = require "tusk.check"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local operators = require "tusk.operators"
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

-- What is written of an item: itself, or its parts.
local function write(w, v, ending, number)
  if type(v) == "string" then
    w:write(v)
    if ending then w:write(ending) end
  elseif type(v) == "table" then
    for i = 1, #v do write(w, v[i], ending, number) end
  else
    check.fail(("to: item %d is a %s; a file takes strings, and lists of strings"):format(number, type(v)))
  end
end

local function write_all(next, held, ending)
  local n, w = 0, held.writer
  for v in next do
    n = n + 1
    write(w, v, ending, n)
  end
  w:commit()
  return n, w.bytes
end

local function to_file(open, path, ending, mode)
  local held = {}
  return run.drive(function(r)
    local next = open(r)
    held.writer = operators.get("file").writer(path, { mode = mode })
    r:defer(function() held.writer:close() end)
    return next
  end, write_all, held, ending)
end

--- Sends all items to a channel and closes it, with the error if there is one. Or writes them to a file, which they
--- replace once all are there: strings, and lists of strings.
---@param target tusk.Channel|string
---@param opts { close: boolean }|{ ending: string, mode: string|integer }|nil ending: what follows each string
---@return integer how many items
---@return integer|nil bytes written
function Stream:to(target, opts)
  if type(target) == "string" then
    opts = check.options(opts, { "ending", "mode" })
    check.opt_string("ending", opts.ending)
    return to_file(claim(self, "to").open, target, opts.ending, opts.mode)
  end
  if not kernel.is_channel(target) then
    check.fail("target: a channel or a path expected, got " .. type(target), { argument = "target" })
  end
  opts = check.options(opts, { "close" })
  check.opt_boolean("close", opts.close)
  return to_channel(claim(self, "to").open, target, opts.close == false)
end

return Stream

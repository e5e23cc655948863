-- sending.lua: request bodies that are sent while they are made.
local raw = require "tusk.binding.curl"
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local operators = require "tusk.operators"

local settle = core.settle

local sending = {}

---@class tusk.http.Source what a body, or a part of one, is read from
---@field open fun(): table the pieces, an iterator with close()
---@field length integer|nil bytes; nil: not known, it is sent in chunks
---@field again boolean it can be opened more than once
---@field begun boolean it has been
---@field stall number|nil seconds; then there is no deadline but that it goes on
---@field on_progress nil|fun(sent: integer, total: integer|nil)
---@field upload userdata|nil what the binding knows it as
local Source = { __name = "tusk.http.Source" }

---@return boolean
function sending.is(v)
  return getmetatable(v) == Source
end

--- Of what a caller gave: an iterator, a channel, a stream.
---@param what string the option's name
---@param length integer|nil
---@return tusk.http.Source
function sending.of(what, value, length)
  if sending.is(value) then return value end
  if not check.is_callable(value) then
    local hint = type(value) == "table" and " (of a response write r:chunks(), for JSON json =)" or ""
    check.fail(("%s: a string, or an iterator or stream of strings expected, got %s%s"):format(what, type(value), hint),
      { argument = what })
  end
  if length ~= nil and check.integer("length", length) < 0 then
    check.fail("length: 0 or more expected", { argument = "length" })
  end
  local open = function() return operators.get("stream")(value) end
  return setmetatable({ what = what, open = open, length = length, again = false, begun = false }, Source)
end

--- Of a file that is there; raises what @file.metadata raises. Again and again.
---@param path string
---@param length integer
---@return tusk.http.Source
function sending.file(path, length)
  local open = function() return operators.get("file").chunks(path) end
  return setmetatable({ what = path, open = open, length = length, again = true, begun = false }, Source)
end

--- Can the plan not be sent again, because a part of its body is gone?
---@param plan tusk.http.Plan
function sending.is_spent(plan)
  for _, source in ipairs(plan.sources or {}) do
    if source.begun and not source.again then return true end
  end
  return false
end

local function fail_stall(plan, source, sent, seconds)
  local what = sent == source.length and "no answer from %s within %g s (all %.0f bytes were given to it)"
    or "%s took no byte of the body within %g s (%.0f were given to it)"
  local label = plan.label or plan.address
  errors.raise("timeout", what:format(label, seconds, sent),
    { after = seconds, url = label, sent = source.begun, retryable = not source.begun or plan.idempotent })
end

local function room(up)
  return settle(raw.upload_room(up))
end

-- Waits until more is wanted: false if nothing is. Within seconds, where the body goes without a deadline.
local function wanted(plan, source, sent, seconds)
  if not source.stall then return room(source.upload) end
  local ok, more = pcall(core.timeout, seconds, room, source.upload)
  if ok then return more end
  if errors.is(more, "timeout") then fail_stall(plan, source, sent, seconds) end
  error(more, 0)
end

local function fail_length(source, sent)
  errors.raise("http.upload", ("%s: it has %s bytes, not the %.0f that were announced"):format(source.what,
    sent > source.length and "more" or ("%.0f"):format(sent), source.length), { sent = true, retryable = false })
end

local function checked(source, piece)
  if piece ~= nil and type(piece) ~= "string" then
    check.fail(("%s: pieces must be strings, got %s"):format(source.what, type(piece)), { argument = source.what })
  end
  return piece
end

-- Is nothing left of what was announced? The server must not have the last of it while there is more.
local function check_length(source, pieces, sent)
  while sent == source.length do
    local more = checked(source, pieces())
    if not more then return end
    sent = sent + #more
  end
  if sent > source.length then fail_length(source, sent) end
end

-- Everything the iterator gives; false if it was not wanted.
local function copy(plan, source, pieces)
  local sent, length, up = 0, source.length, source.upload
  for piece in pieces do
    sent = sent + #checked(source, piece)
    if length then check_length(source, pieces, sent) end
    raw.upload_give(up, piece)
    if source.on_progress then source.on_progress(sent, length) end
    if not wanted(plan, source, sent, source.stall) then return false end
  end
  if length and sent < length then fail_length(source, sent) end
  raw.upload_end(up)
  return sent
end

local function feed(plan, source)
  if not wanted(plan, source, 0, plan.timeout) then return false end
  source.begun = true
  local pieces = source.open()
  local ok, sent = xpcall(copy, errors.note, plan, source, pieces)
  pieces:close()
  if not ok then errors.rethrow(sent) end
  if source.stall and sent then wanted(plan, source, sent, plan.timeout) end -- once it has the answer, nothing is
  return sent
end

-- In a task of its own, beside the one that waits for the answer: that raises the failure, if it is not cancelled.
local function feed_all(plan, failure)
  for _, source in ipairs(plan.sources) do
    local ok, sent = xpcall(feed, errors.note, plan, source)
    if not ok then
      -- Cancelled, it is with the request, or after an answer that has not asked for more.
      if errors.is(sent, "cancelled") then errors.rethrow(sent) end
      failure.failed, failure.err = true, errors.wrap(sent)
      raw.upload_fail(source.upload)
    end
    if not (ok and sent) then return end
  end
end

local function prepare(plan)
  plan.spec = nil -- what the binding has made knows the uploads of the time before
  for _, source in ipairs(plan.sources) do
    source.upload = raw.upload()
    if source.part then
      source.part.upload, source.part.length = source.upload, source.length
    else
      plan.upload, plan.length = source.upload, source.length
    end
  end
end

-- The feeder's own failure goes before what it has made of the request.
local function raise_failure(failure)
  if failure.failed then error(failure.err, 0) end
end

local function join(feeder, failure)
  feeder:cancel()
  pcall(feeder.await, feeder) -- task_cancelled, or this task is cancelled too
  raise_failure(failure)
end

-- An answer that is streamed is there before its body: what is still to be sent, is sent first.
local function finish(feeder, failure, answer, left)
  if not answer.source or answer.status >= 300 then return join(feeder, failure) end
  local ok, e = pcall(core.timeout, math.max(left - answer.elapsed, 0), feeder.await, feeder)
  if ok and not failure.failed then return end
  answer:close()
  raise_failure(failure)
  error(e, 0)
end

--- perform(plan, left) with the plan's sources as its body.
---@param plan tusk.http.Plan
---@param left number seconds
---@param perform fun(plan: tusk.http.Plan, left: number): tusk.http.Response
---@return tusk.http.Response
function sending.run(plan, left, perform)
  prepare(plan)
  local failure = {}
  local feeder = core.async(feed_all, plan, failure)
  local ok, answer = pcall(perform, plan, plan.patient and math.huge or left)
  if not ok then
    if not errors.is(answer, "cancelled") then join(feeder, failure) end
    error(answer, 0)
  end
  finish(feeder, failure, answer, left)
  return answer
end

return sending

-- stages.lua: the stages that need no task: functions that pull from the one before.
local check = require "tusk.check"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local operators = require "tusk.operators"
local run = require "tusk.stream.run"
local source = require "tusk.stream.source"
local stream = require "tusk.stream.stream"

local Stream, derive, absent, amount = stream.Stream, stream.derive, stream.absent, stream.amount
local note, rethrow, clock = errors.note, errors.rethrow, kernel.clock

local stages = {}

local function begin(s)
  stream.claim(s, "flat_map")
  return run.begin(s.open, s.needs_owner)
end

function stages.map(self, fn)
  return derive(self, "map", function(next)
    return function()
      local v = next()
      if v == nil then return nil end
      v = fn(v)
      if v == nil then absent("map: what fn returned") end
      return v
    end
  end)
end

--- Those for which fn(item) is true.
function Stream:filter(fn)
  check.callable("fn", fn)
  return derive(self, "filter", function(next)
    return function()
      while true do
        local v = next()
        if v == nil or fn(v) then return v end
      end
    end
  end)
end

--- The items of what fn(item) returns, one such after the other: whatever @stream takes.
function Stream:flat_map(fn)
  check.callable("fn", fn)
  return derive(self, "flat_map", function(next, r)
    local inner, close
    r:defer(function() if close then close() end end)
    return function()
      while true do
        local v
        if inner then v = inner() end
        if v ~= nil then return v end
        inner, close = nil, nil
        v = next()
        if v == nil then return nil end
        inner, close = begin(source.of(fn(v)))
      end
    end
  end)
end

--- Lists of n items; the last may be shorter.
function stages.chunks(self, n)
  return derive(self, "chunks", function(next)
    local list, size = {}, 0
    local function take()
      local whole = list
      list, size = {}, 0
      return whole
    end
    return function()
      while size < n do
        local v = next()
        if v == nil then return size > 0 and take() or nil end
        size = size + 1
        list[size] = v
      end
      return take()
    end
  end)
end

--- Waits for limiter:acquire(1) before each item.
---@param limiter { acquire: function }
function Stream:throttle(limiter)
  local ok, acquire = pcall(function() return limiter.acquire end)
  if not ok or not check.is_callable(acquire) then
    check.fail("limiter: something with :acquire(n) expected, got " .. type(limiter), { argument = "limiter" })
  end
  return derive(self, "throttle", function(next)
    return function()
      local v = next()
      if v ~= nil then limiter:acquire(1) end
      return v
    end
  end)
end

--- The first n. No more than those are pulled.
function Stream:take(n)
  amount("n", n, 0)
  return derive(self, "take", function(next)
    local left = n
    return function()
      if left == 0 then return nil end
      left = left - 1
      return next()
    end
  end)
end

--- Up to the first for which fn(item) is false; that one is lost.
function Stream:take_while(fn)
  check.callable("fn", fn)
  return derive(self, "take_while", function(next)
    local over = false
    return function()
      if over then return nil end
      local v = next()
      if v ~= nil and fn(v) then return v end
      over = true
    end
  end)
end

--- All but the first n.
function Stream:skip(n)
  amount("n", n, 0)
  return derive(self, "skip", function(next)
    local left = n
    return function()
      while left > 0 do
        if next() == nil then return nil end
        left = left - 1
      end
      return next()
    end
  end)
end

local function skipped() end

--- What failed in the stages before this one is left out, or replaced by what fn(err) returns, if not nil.
--- Failures of the source itself, and cancellation, are raised as ever.
---@param how "skip"|fun(err: any): any
function Stream:on_error(how)
  if how ~= "skip" and not check.is_callable(how) then
    check.fail('how: "skip" or a function expected, got ' .. tostring(how), { argument = "how" })
  end
  local handle = how == "skip" and skipped or how
  local open = stream.claim(self, "on_error").open
  return stream.new(function(r)
    local before = r.catching
    r.catching = true
    local next = open(r)
    r.catching = before
    return function()
      while true do
        local ok, v = xpcall(next, note)
        if ok then return v end
        if r.broken or errors.is(v, "cancelled") then rethrow(v) end
        v = handle(errors.wrap(v))
        if v ~= nil then return v end
      end
    end
  end, self.needs_owner)
end

local function logged(p)
  operators.get("log").info("stream", { count = p.count, rate = p.rate, done = p.done })
end

--- fn{count, elapsed, rate, done}, at most once per period and at the end; without fn it is logged.
---@param fn function|nil
---@param opts { every: string|number }|nil every: "1s"
function Stream:progress(fn, opts)
  check.opt_callable("fn", fn)
  local period = check.duration("every", check.options(opts, { "every" }).every, 1)
  local tell = fn or logged
  return derive(self, "progress", function(next)
    local count, start = 0, clock()
    local due = start + period
    local function report(done)
      local now = clock()
      due = now + period
      tell { count = count, elapsed = now - start, rate = now > start and count / (now - start) or 0, done = done }
    end
    return function()
      local v = next()
      if v == nil then
        if start then report(true) end
        start = nil
        return nil
      end
      count = count + 1
      if clock() >= due then report(false) end
      return v
    end
  end)
end

return stages

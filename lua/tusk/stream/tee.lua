-- tee.lua: two streams of one. What feeds both belongs to neither of their runs: it ends when both have.
local channel = require "tusk.channel"
local check = require "tusk.check"
local errors = require "tusk.errors"
local kernel = require "tusk.kernel"
local run = require "tusk.stream.run"
local scope = require "tusk.scope"
local stream = require "tusk.stream.stream"

local Stream = stream.Stream

local BUFFER = 16

-- A branch that has been left takes nothing more.
local function offer(ch, v)
  local ok, e = pcall(ch.send, ch, v)
  if not ok and not errors.is(e, "closed") then error(e, 0) end
end

local function send_all(next, channels)
  for v in next do
    for _, ch in ipairs(channels) do
      if not ch.closed then offer(ch, v) end
    end
  end
end

local function feed(open, channels)
  local ok, e = xpcall(run.drive, errors.note, open, send_all, channels)
  if not ok then
    e = errors.is(e, "cancelled") and errors.new("closed", "tee: what feeds the stream was cancelled") or errors.wrap(e)
  end
  for _, ch in ipairs(channels) do ch:close(not ok and e or nil) end
end

-- Under the plugin or the application, like all that several tasks share.
local function feeder(shared)
  local owner = scope.supervisor()
  if owner then return owner:async(feed, shared.open, shared.channels) end
  return kernel.spawn_root(function() feed(shared.open, shared.channels) end)
end

-- Whether nobody is left by that.
local function leave(shared, i)
  if shared.left[i] then return false end
  shared.left[i] = true
  shared.channels[i]:close()
  if not (shared.left[1] and shared.left[2]) then return false end
  if shared.task then shared.task:cancel() end
  return true
end

-- One that is collected before it was used is left too: the other need not wait for it.
local function sentinel(shared, i)
  local proxy = newproxy(true)
  getmetatable(proxy).__gc = function()
    if not shared.opened[i] then leave(shared, i) end
  end
  return proxy
end

local function branch(shared, i)
  local unused = sentinel(shared, i)
  return stream.new(function(r)
    shared.opened[i], unused = unused ~= nil, nil
    r:defer(function()
      local both, task = leave(shared, i), shared.task
      if both and task then pcall(task.await, task) elseif both then run.discard(shared.open) end
    end)
    local ch = shared.channels[i]
    return function()
      shared.task = shared.task or feeder(shared)
      return (ch:recv())
    end
  end, true)
end

--- Two streams that each have all items. Both must be run, side by side: the faster one waits for the other once
--- it is that many items ahead.
---@param opts { buffer: integer }|nil 16
---@return tusk.Stream, tusk.Stream
function Stream:tee(opts)
  local buffer = stream.amount("buffer", check.options(opts, { "buffer" }).buffer or BUFFER, 1)
  local shared = {
    open = stream.claim(self, "tee").open, channels = { channel.new(buffer), channel.new(buffer) },
    opened = {}, left = {}, task = nil,
  }
  return branch(shared, 1), branch(shared, 2)
end

return Stream

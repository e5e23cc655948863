-- stream.lua: what a stream is: something that can be opened once, then pulled from until it gives nil.
local check = require "tusk.check"
local dots = require "tusk.dots"
local run = require "tusk.stream.run"

---@class tusk.Stream
local Stream = check.strict({ __name = "stream" }, "a stream", {})
Stream.__index = Stream

local stream = { Stream = Stream }

---@param open fun(r: tusk.stream.Run): fun(): any opens it and returns what gives the next item, or nil
---@param needs_owner boolean|nil it has tasks, or sources that collection does not close
---@return tusk.Stream
function stream.new(open, needs_owner)
  return setmetatable({ open = open, needs_owner = needs_owner or false, used = false, next = false, finish = false }, Stream)
end

function stream.is(value)
  return getmetatable(value) == Stream
end

--- The stream is used up by this call: nobody else may use it.
---@param self tusk.Stream
---@param name string who uses it
function stream.claim(self, name)
  if self.used then
    check.fail(("%s: the stream is used already, by %s; each can be used once (:tee() makes two of one)")
      :format(name, self.used))
  end
  self.used = name
  return self
end

--- The stream that a stage makes of another.
---@param self tusk.Stream
---@param name string the stage
---@param stage fun(next: function, r: tusk.stream.Run): function makes its pull function of that before
---@param tasks boolean|nil it starts tasks
function stream.derive(self, name, stage, tasks)
  local open = stream.claim(self, name).open
  return stream.new(function(r) return stage(open(r), r) end, tasks or self.needs_owner)
end

--- Raises: a nil where an item should be. It is no end: only a source's own end is one.
---@param what string "map: what fn returned"
---@param site table|nil where the function was given
function stream.absent(what, site)
  check.fail(what .. " is nil, which no stream can carry; leave items out by :filter, or use false or tusk.null",
    { site = site })
end

--- How many: a whole number from least on.
function stream.amount(name, n, least)
  check.integer(name, n)
  if n < least then check.fail(("%s: at least %d is needed, got %d"):format(name, least, n), { argument = name }) end
  return n
end

--- `for item in stream do`: one that is left early is closed when it is collected, or its task ends.
function Stream:__call()
  local next = self.next
  if not next then
    stream.claim(self, "iteration")
    next, self.finish = run.begin(self.open, self.needs_owner)
    self.next = next
  end
  return next()
end

--- Ends an iteration early, or before it has begun: its tasks are cancelled, its sources closed. Again: no effect.
function Stream:close()
  if not self.used then
    stream.claim(self, "close")
    run.discard(self.open)
  end
  local finish = self.finish
  self.next, self.finish = function() end, false
  if finish then finish() end
end

--- The methods of a class, once it has them all, say so when they are called with a dot.
function stream.methods(class, what)
  local methods = {}
  for name, method in pairs(class) do
    if type(method) == "function" and not name:find("^__") then methods[name] = method end
  end
  for name, method in pairs(methods) do
    class[name] = function(self, ...)
      if getmetatable(self) ~= class then dots.colon(class, self, what, name) end
      return method(self, ...)
    end
  end
  return class
end

function Stream:__tostring()
  return self.used and ("stream (used by %s)"):format(self.used) or "stream"
end

return stream

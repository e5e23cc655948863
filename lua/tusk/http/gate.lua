-- gate.lua: at most n requests of a client at a time, the others in line.
local core = require "tusk.core"

local Gate = { __name = "tusk.http.Gate" }
Gate.__index = Gate

---@param n integer
function Gate.new(n)
  return setmetatable({ free = n, line = core.Queue.new() }, Gate)
end

local function take(self)
  while self.free == 0 do
    local ok, err = pcall(self.line.park, self.line)
    if not ok then
      if self.free > 0 then self.line:wake() end -- the turn it may have been given is another's now
      error(err, 0)
    end
  end
  self.free = self.free - 1
end

local function give_back(self, ok, ...)
  self.free = self.free + 1
  self.line:wake()
  if not ok then error((...), 0) end
  return ...
end

--- fn(…), once there is room; the wait for it is within the given seconds.
function Gate:run(seconds, fn, ...)
  if self.free > 0 then self.free = self.free - 1
  else core.timeout(seconds, take, self) end
  return give_back(self, pcall(fn, ...))
end

return Gate

-- window.lua: how many calls went well and how many did not, within the last so many seconds. A ring of buckets: a
-- call is counted in one and forgotten with it, so that the window is as long as asked, or up to a tenth shorter.
local window = {}

local floor = math.floor
local BUCKETS = 10

---@class tusk.breaker.Window
---@field good integer
---@field bad integer

---@param seconds number
---@return tusk.breaker.Window
function window.new(seconds)
  local self = { width = seconds / BUCKETS, at = 0, good = 0, bad = 0, goods = {}, bads = {} }
  window.clear(self)
  return self
end

--- Forgets all.
function window.clear(self)
  self.good, self.bad = 0, 0
  for i = 0, BUCKETS - 1 do self.goods[i], self.bads[i] = 0, 0 end
end

local function forget(self, i)
  self.good, self.bad = self.good - self.goods[i], self.bad - self.bads[i]
  self.goods[i], self.bads[i] = 0, 0
end

--- Forgets what is too long ago. Time does not go backwards.
---@param now number seconds
function window.advance(self, now)
  local at = floor(now / self.width)
  if at == self.at then return end
  if at - self.at >= BUCKETS then
    window.clear(self)
  else
    for bucket = self.at + 1, at do forget(self, bucket % BUCKETS) end
  end
  self.at = at
end

--- Counts one.
---@param now number seconds
---@param well boolean
function window.count(self, now, well)
  window.advance(self, now)
  local i = self.at % BUCKETS
  if well then
    self.good, self.goods[i] = self.good + 1, self.goods[i] + 1
  else
    self.bad, self.bads[i] = self.bad + 1, self.bads[i] + 1
  end
end

return window

-- quantile.lua: a quantile of the latest measurements, each put in its place as it comes.
local quantile = {}

local KEPT = 100 -- measurements
local LEAST = 20 -- without so many nothing is known

---@class tusk.hedge.Quantile
---@field count integer

---@param share number 0.95
function quantile.new(share)
  return { share = share, count = 0, at = 0, ring = {}, sorted = {} }
end

-- The first place at which the value, or a larger one, lies.
local function place_of(sorted, count, value)
  local low, high = 1, count + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if sorted[middle] < value then low = middle + 1 else high = middle end
  end
  return low
end

local function take_out(self, value)
  local sorted = self.sorted
  for i = place_of(sorted, self.count, value), self.count - 1 do sorted[i] = sorted[i + 1] end
  self.count = self.count - 1
end

local function put_in(self, value)
  local sorted, place = self.sorted, place_of(self.sorted, self.count, value)
  for i = self.count, place, -1 do sorted[i + 1] = sorted[i] end
  sorted[place] = value
  self.count = self.count + 1
end

--- Adds one; the oldest is forgotten.
---@param value number
function quantile.add(self, value)
  self.at = self.at % KEPT + 1
  if self.count == KEPT then take_out(self, self.ring[self.at]) end
  self.ring[self.at] = value
  put_in(self, value)
end

--- The value that so large a share of them does not exceed; nil while there are too few.
function quantile.value(self)
  if self.count < LEAST then return nil end
  return self.sorted[math.ceil(self.count * self.share)]
end

return quantile

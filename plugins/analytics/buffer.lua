-- buffer.lua: a bounded row of events, oldest first: by number and by size.
local buffer = {}

---@class analytics.Buffer
---@field first integer number of the oldest one in it
---@field last integer number of the newest; first - 1 when it is empty
---@field bytes integer of all of them, and of those that were taken and are still held
---@field held integer how many were taken and are not settled
local Buffer = {}
Buffer.__index = Buffer

---@param most integer how many events there may be, taken ones included
---@param size integer how many bytes they may have
---@return analytics.Buffer
function buffer.new(most, size)
  return setmetatable({ most = most, size = size, texts = {}, times = {}, first = 1, last = 0, bytes = 0, held = 0 }, Buffer)
end

--- How many wait in it.
function Buffer:count()
  return self.last - self.first + 1
end

--- Is there room for so many bytes more?
function Buffer:has_room(bytes)
  return self:count() + self.held < self.most and self.bytes + bytes <= self.size
end

---@param text string
---@param time number when it came, by the clock
function Buffer:push(text, time)
  self.last = self.last + 1
  self.texts[self.last], self.times[self.last] = text, time
  self.bytes = self.bytes + #text
end

local function shift(self)
  local text = self.texts[self.first]
  self.texts[self.first], self.times[self.first] = nil, nil
  self.first = self.first + 1
  return text
end

--- The oldest is forgotten; was there one?
function Buffer:drop()
  if self:count() == 0 then return false end
  self.bytes = self.bytes - #shift(self)
  return true
end

--- When the oldest came; nil when there is none.
function Buffer:since()
  return self.times[self.first]
end

--- Takes up to n of them out. They count until they are settled.
---@return string[]
function Buffer:take(n)
  local list = {}
  for i = 1, math.min(n, self:count()) do list[i] = shift(self) end
  self.held = self.held + #list
  return list
end

--- What was taken is where it belongs, or given up.
function Buffer:settle(list)
  self.held = self.held - #list
  for _, text in ipairs(list) do self.bytes = self.bytes - #text end
end

return buffer

-- due.lua: entries that end, soonest first: a binary heap by entry.expires; entry.slot says where each lies.
local floor = math.floor

local Due = { __name = "cache.due" }
Due.__index = Due

function Due.new()
  return setmetatable({ n = 0 }, Due)
end

local function place(self, slot, e)
  self[slot], e.slot = e, slot
end

local function sift_up(self, slot, e)
  while slot > 1 do
    local up = floor(slot / 2)
    if self[up].expires <= e.expires then break end
    place(self, slot, self[up])
    slot = up
  end
  place(self, slot, e)
end

local function sift_down(self, n, slot, e)
  while slot * 2 <= n do
    local child = slot * 2
    if child < n and self[child + 1].expires < self[child].expires then child = child + 1 end
    if self[child].expires >= e.expires then break end
    place(self, slot, self[child])
    slot = child
  end
  place(self, slot, e)
end

--- Adds an entry that is not in it.
function Due:add(e)
  self.n = self.n + 1
  sift_up(self, self.n, e)
end

--- Takes an entry out, if it is in it.
function Due:remove(e)
  local slot, n = e.slot, self.n
  if not slot then return end
  local last = self[n]
  self[n], self.n, e.slot = nil, n - 1, nil
  if last == e then return end
  sift_up(self, slot, last)
  sift_down(self, n - 1, last.slot, last)
end

--- The one that ends first, if it has ended at that time.
function Due:first(time)
  local e = self[1]
  return e and e.expires <= time and e or nil
end

return Due

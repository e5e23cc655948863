-- groups.lua: which entries have which tag. A tag is forgotten at once, however many have it: its group is dead
-- from then on, and who comes by takes its entries away.
local Groups = { __name = "cache.groups" }
Groups.__index = Groups

function Groups.new()
  return setmetatable({ by_tag = {}, dead = {} }, Groups)
end

--- Puts an entry into the groups of these tags: entry.groups.
function Groups:join(e, tags)
  if not tags then return end
  local mine = {}
  for i, tag in ipairs(tags) do
    local group = self.by_tag[tag]
    if not group then
      group = { tag = tag, members = {}, n = 0 }
      self.by_tag[tag] = group
    end
    mine[i] = group
    if not group.members[e] then
      group.members[e], group.n = true, group.n + 1
    end
  end
  e.groups = mine
end

--- Takes an entry out of its groups.
function Groups:leave(e)
  for _, group in ipairs(e.groups or {}) do
    if group.members[e] then
      group.members[e], group.n = nil, group.n - 1
      if group.n == 0 and self.by_tag[group.tag] == group then self.by_tag[group.tag] = nil end
    end
  end
end

--- Has one of the entry's tags been forgotten?
function Groups.is_dead(e)
  for _, group in ipairs(e.groups) do
    if group.dead then return true end
  end
  return false
end

--- All that have the tag are dead.
function Groups:forget(tag)
  local group = self.by_tag[tag]
  if not group then return end
  self.by_tag[tag], group.dead = nil, true
  table.insert(self.dead, group)
end

--- An entry of a dead group, which the caller takes away before it asks again; nil: there is none.
function Groups:next_dead()
  while true do
    local group = self.dead[#self.dead]
    if not group then return nil end
    -- goes on where it was: from the start, each step would pass over all that have left
    local e = next(group.members, group.at)
    group.at = e
    if e then return e end
    table.remove(self.dead)
  end
end

return Groups

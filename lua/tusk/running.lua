-- running.lua: the plugins that are set up, by name, in the order that they were.
local running = {}

local list, by_name = {}, {}

--- A plugin is set up: what runs in its scope is its own.
---@param p tusk.Running with its manifest, context and scope
function running.enter(p)
  running.leave(by_name[p.manifest.name])
  by_name[p.manifest.name] = p
  list[#list + 1] = p
end

--- It ends. Of one that has not entered: no effect.
---@param p tusk.Running|nil
function running.leave(p)
  for i, other in ipairs(list) do
    if other == p then
      table.remove(list, i)
      by_name[p.manifest.name] = nil
      return
    end
  end
end

--- The running plugin of that name, or nil.
---@return tusk.Running|nil
function running.get(name)
  return by_name[name]
end

--- All of them. Not to be changed.
---@return tusk.Running[]
function running.all()
  return list
end

--- Their names, sorted.
---@return string[]
function running.names()
  local names = {}
  for i, p in ipairs(list) do names[i] = p.manifest.name end
  table.sort(names)
  return names
end

return running

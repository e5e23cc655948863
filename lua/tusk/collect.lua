-- collect.lua: who has figures of its own for @metrics. They are asked for when somebody looks.
local collect = {}

local sources = setmetatable({}, { __mode = "k" })

--- fn(owner, emit) calls emit(type, name, help, labels, value, merge) for each of its figures. It must not wait. It is
--- asked as long as its owner lives. Where several owners give one figure with the same labels, it is their sum, or with
--- merge = "max" the largest.
---@param owner table|userdata
---@param fn fun(owner: any, emit: fun(type: string, name: string, help: string, labels: table, value: number|table, merge: string|nil))
function collect.add(owner, fn)
  sources[owner] = fn
end

--- Asks all of them.
function collect.all(emit)
  for owner, fn in pairs(sources) do fn(owner, emit) end
end

return collect

-- collect.lua: who has figures of its own for @metrics, and a line for `tusk ps`. They are asked for when somebody looks.
local collect = {}

local sources = setmetatable({}, { __mode = "k" })
local states = setmetatable({}, { __mode = "k" })

--- fn(owner, emit) calls emit(type, name, help, labels, value, merge) for each of its figures. It must not wait. It is
--- asked as long as its owner lives. Where several owners give one figure with the same labels, it is their sum, or with
--- merge = "max" the largest.
---@param owner table|userdata
---@param fn fun(owner: any, emit: fun(type: string, name: string, help: string, labels: table, value: number|table, merge: string|nil))
---@param state nil|fun(owner: any): string how it stands, for people: `breaker "weather" is closed`
function collect.add(owner, fn, state)
  sources[owner] = fn
  states[owner] = state
end

--- Asks all of them.
function collect.all(emit)
  for owner, fn in pairs(sources) do fn(owner, emit) end
end

--- How all those stand that say so, sorted.
---@return string[]
function collect.states()
  local lines = {}
  for owner, state in pairs(states) do lines[#lines + 1] = state(owner) end
  table.sort(lines)
  return lines
end

return collect

-- gate.lua: at most n requests of a client at a time, the others in line.
local raw = require "tusk.binding.curl"
local core = require "tusk.core"

local Gate = { __name = "tusk.http.Gate" }
Gate.__index = Gate

---@param n integer
function Gate.new(n)
  return setmetatable({ gate = raw.gate(n) }, Gate)
end

local function enter(gate)
  return core.settle(raw.gate_enter(gate))
end

-- A body that is still on its way takes its request's place along.
local function give_back(gate, ok, answer)
  local source = ok and answer.source
  if not (source and raw.gate_hold(gate, source)) then raw.gate_leave(gate) end
  if not ok then error(answer, 0) end
  return answer
end

--- fn(…), which returns an answer, once there is room; the wait for it is within the given seconds.
function Gate:run(seconds, fn, ...)
  local gate = self.gate
  if not raw.gate_try(gate) then core.timeout(seconds, enter, gate) end
  return give_back(gate, pcall(fn, ...))
end

return Gate

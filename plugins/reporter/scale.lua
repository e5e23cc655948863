-- scale.lua: axes that end and tick at round numbers.
-- After P. Heckbert, "Nice numbers for graph labels", Graphics Gems, 1990.
local numbers = require "tusk.plugins.reporter.numbers"

local scale = {}

-- 1, 2 or 5 times a power of ten that is not below x.
local function round_step(x)
  local power = 10 ^ math.floor(math.log10(x) + 1e-9)
  local f = x / power
  return (f <= 1 + 1e-9 and 1 or f <= 2 + 1e-9 and 2 or f <= 5 + 1e-9 and 5 or 10) * power
end

--- An axis that holds low to high in about so many steps.
---@return { low: number, high: number, step: number, ticks: number[] }
function scale.nice(low, high, count)
  if low > high then low, high = 0, 1 end
  if low == high then
    if low == 0 then high = 1 else low, high = math.min(low, 0), math.max(high, 0) end
  end
  local step = round_step((high - low) / count)
  local first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
  local axis = { low = first * step, high = last * step, step = step, ticks = {} }
  for i = first, last do axis.ticks[#axis.ticks + 1] = i * step end
  return axis
end

local UNITS = { { 1e12, " T" }, { 1e9, " bn" }, { 1e6, " M" }, { 1e4, " k", 1e3 } }

--- The texts of an axis's ticks, all in one unit.
---@param axis table from scale.nice
---@param spec table as for numbers.show
---@param style table
---@return string[]
function scale.labels(axis, spec, style)
  local kind = spec.format or "number"
  local own = { prefix = spec.prefix, suffix = spec.suffix, format = kind }
  local step, divisor, unit = axis.step, 1, ""
  local most = math.max(math.abs(axis.low), math.abs(axis.high))
  if kind == "percent" then step = step * 100
  elseif kind == "number" or kind == "integer" then
    own.format = "number"
    for _, u in ipairs(UNITS) do
      if most >= u[1] then divisor, unit = u[3] or u[1], u[2] break end
    end
  end
  own.decimals = math.max(0, math.min(6, -math.floor(math.log10(step / divisor) + 1e-9)))
  own.suffix = unit ~= "" and unit .. (spec.suffix or "") or spec.suffix
  local labels = {}
  for i, tick in ipairs(axis.ticks) do
    local zero = tick == 0 and kind ~= "percent"
    labels[i] = numbers.show(tick / divisor, zero and { format = own.format, prefix = spec.prefix } or own, style)
  end
  return labels
end

return scale

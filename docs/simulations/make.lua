-- make.lua: the figures of docs/, simulated and drawn: `make docs`.
local plot = require "docs.simulations.plot"

local make = {}

make.NAMES = { "breaker", "limiter", "storm" }

local CLIENTS, SECONDS = 1000, 600
local STEPS = { breaker = 2, limiter = 2, storm = 5 } -- seconds of a point

--- The SVG of a simulation: ten minutes of a thousand clients.
---@param name string
---@return string
function make.svg(name)
  return plot.svg(require("docs.simulations." .. name).figure {
    clients = CLIENTS, seconds = SECONDS, step = STEPS[name] }, SECONDS / 60)
end

return make

-- orders.lua: a second repository beside the first.
local repository = require "tusk.plugins.repository"

return { name = "orders", operators = { orders = repository.new("orders", { ttl = "5m" }) } }

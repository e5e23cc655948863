-- all.lua: run by `make docs`.
local make = require "docs.simulations.make"

for _, name in ipairs(make.NAMES) do
  local path = ("docs/simulations/%s.svg"):format(name)
  @file.write_atomic(path, make.svg(name))
  print(path)
end

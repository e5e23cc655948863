-- reporter: the manifest. @reporter makes reports out of @db as PDF, HTML and CSV; reporter.lua is the library.
local library = require "tusk.plugins.reporter"

local operator = {}

local function setup(ctx, cfg)
  if cfg.dir:sub(1, 1) ~= "/" then cfg.dir = ctx.root .. "/" .. cfg.dir end
  for name, fn in pairs(library.new(cfg)) do operator[name] = fn end
end

return {
  name = "reporter",
  version = "0.1.0",
  description = "reports out of @db as PDF, HTML and CSV",
  config = library.config,
  setup = setup,
  operators = { reporter = operator },
}

-- file_processor: the files of the folder that tusk.lua names, as `@processor`. See README.md.
local file_processor = require "tusk.plugins.file_processor"

local processor = {}

-- As everything that is named in a tusk.lua: below its folder, wherever it is run from.
local function placed(root, path)
  if path == nil or path:sub(1, 1) == "/" then return path end
  return path == "." and root or root .. "/" .. path
end

local function setup(ctx, cfg)
  cfg.from, cfg.to = placed(ctx.root, cfg.from), placed(ctx.root, cfg.to)
  file_processor.new(cfg, processor)
end

return {
  name = "file_processor",
  version = "1.0",
  description = "files read, transformed, written atomically; whole folders side by side",
  config = {
    from = { type = "string", default = ".", doc = "the folder that files are read from, in the script directory; no name leads out of it" },
    to = { type = "string", doc = "the folder they are written to; made if missing. Without it results are returned" },
    transform = { type = "string", default = "clean", choices = file_processor.TRANSFORMS, doc = "what is done to a text" },
    glob = { type = "string", doc = "which files of a folder: **/*.txt" },
    max_size = { type = "size", default = "64MiB", doc = "of one file" },
    concurrency = { type = "integer", default = 8, doc = "how many files at a time" },
    progress = { type = "boolean", default = true, doc = "whether a terminal is shown a bar" },
  },
  setup = setup,
  operators = { processor = processor },
}

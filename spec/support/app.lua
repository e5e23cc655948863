-- app.lua: script directories for specs: written into a private folder, run, removed.
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local app = {}

--- Writes files into a folder; those in folders of their own make them.
---@param files table<string, string> "plugins/a.lua" → its text
function app.write(dir, files)
  for name, text in pairs(files) do
    local folder = name:match("^(.*)/")
    if folder then @file.mkdir(dir .. "/" .. folder, { parents = true }) end
    temp.write(dir .. "/" .. name, text)
  end
end

--- fn(dir) in a new script directory of these files.
function app.with(files, fn)
  temp.dir(function(dir)
    app.write(dir, files)
    fn(dir)
  end)
end

--- Runs one to its end. Paths in what it said are relative to it.
---@param files table<string, string>
---@param args string[]|nil flags after the directory
---@param opts table|nil as for program.run
---@return { status: integer, stdout: string, stderr: string }
function app.run(files, args, opts)
  local result
  app.with(files, function(dir)
    result = program.run({ "run", dir, unpack(args or {}) }, opts)
    local plain = dir:gsub("%p", "%%%0") .. "/"
    result.stdout, result.stderr = result.stdout:gsub(plain, ""), result.stderr:gsub(plain, "")
  end)
  return result
end

return app

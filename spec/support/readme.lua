-- readme.lua: the example of a README, run: each block that begins with a comment that is a path is that file of a script directory.
local app = require "spec.support.app"

local readme = {}

--- The files that a page shows: "main.lua" → its text.
---@param path string
---@return table<string, string>
function readme.files(path)
  local files, open, lines = {}, nil, {}
  for line in io.lines(path) do
    if open == "" then open = line:match("^%-%- ([%w_/%.]+%.lua)$") or "no file" end
    if line == "```" then
      if open and open ~= "no file" then files[open] = table.concat(lines, "\n") .. "\n" end
      open, lines = nil, {}
    elseif line == "```lua" then open = ""
    elseif open then lines[#lines + 1] = line end
  end
  return files
end

--- Runs it, with further files.
---@return { status: integer, stdout: string, stderr: string }
function readme.run(path, more, args, opts)
  local files = readme.files(path)
  assert(files["main.lua"], path .. " shows no main.lua")
  for name, text in pairs(more or {}) do files[name] = text end
  return app.run(files, args, opts)
end

return readme

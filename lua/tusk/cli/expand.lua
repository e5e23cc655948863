-- cli/expand: `tusk expand FILE` prints the plain Lua, exactly as it is loaded.
local errors = require "tusk.errors"
local loader = require "tusk.loader"

local expand = {}

function expand.main(program)
  local path = program[1]
  if not path then errors.raise("usage", "tusk expand needs a file, or - for stdin") end
  local text, message = loader.read_all(path ~= "-" and path or nil)
  if not text then errors.raise("usage", message) end
  local plain, why = loader.expand(text, "@" .. path)
  if not plain then error(errors.of_compiler(why), 0) end
  io.stdout:write(plain)
  return 0
end

return expand
